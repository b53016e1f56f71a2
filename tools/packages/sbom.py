#!/usr/bin/env python3
"""The bill of materials of a program: CycloneDX 1.5, from what Cargo has resolved.

usage: sbom.py PACKAGE    (in the checkout; prints JSON, the same for the same Cargo.lock)
"""

import collections
import json
import re
import subprocess
import sys


def metadata():
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def checksums():
    """Checksums of the lock file, by name and version."""
    found = {}
    with open("Cargo.lock", encoding="utf-8") as lock:
        for block in lock.read().split("[[package]]")[1:]:
            field = dict(re.findall(r'^(name|version|checksum) = "(.*)"$', block, re.MULTILINE))
            if "checksum" in field:
                found[field["name"], field["version"]] = field["checksum"]
    return found


def reached(data, name):
    """Packages that a package is built with or made of, development alone left out."""
    nodes = {node["id"]: node for node in data["resolve"]["nodes"]}
    root = next(package["id"] for package in data["packages"] if package["name"] == name and package["id"] in data["workspace_members"])
    edges, waiting = collections.OrderedDict(), [root]
    while waiting:
        here = waiting.pop()
        if here in edges:
            continue
        kinds = lambda dependency: {kind["kind"] for kind in dependency["dep_kinds"]}  # noqa: E731
        edges[here] = sorted(dep["pkg"] for dep in nodes[here]["deps"] if kinds(dep) - {"dev"})
        waiting.extend(edges[here])
    return root, edges


def main():
    name = sys.argv[1]
    data, sums = metadata(), checksums()
    packages = {package["id"]: package for package in data["packages"]}
    root, edges = reached(data, name)

    def reference(identity):
        package = packages[identity]
        return f"pkg:cargo/{package['name']}@{package['version']}"

    def component(identity):
        package = packages[identity]
        found = {
            "type": "application" if identity == root else "library",
            "bom-ref": reference(identity),
            "name": package["name"],
            "version": package["version"],
            "purl": reference(identity),
        }
        if package["license"]:
            found["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
        checksum = sums.get((package["name"], package["version"]))
        if checksum:
            found["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        return found

    others = sorted((identity for identity in edges if identity != root), key=reference)
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(root)},
        "components": [component(identity) for identity in others],
        "dependencies": [{"ref": reference(identity), "dependsOn": sorted(map(reference, edges[identity]))} for identity in [root, *others]],
    }
    json.dump(bill, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
