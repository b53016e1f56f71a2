#!/usr/bin/env python3
"""Writes the conformance suite of ONNX, which is part of the `onnx` package, to a folder.

    tools/conformance/cases.py FOLDER

Each case becomes `FOLDER/<kind>/<name>/model.onnx`, with `tolerance.json` and its first set of data
in `test_data_set_0/{input,output}_<k>.pb`. `FOLDER/since.txt` has a line for every operator of ONNX:
its name with its domain, and the version of the operator set that brought it.
"""

import json
import shutil
import sys
from pathlib import Path

import onnx
import onnx.defs
from onnx import TensorProto, numpy_helper
from onnx.backend.test.case.node import collect_testcases

PACKAGED = ("simple", "pytorch-converted", "pytorch-operator")


def proto(value, info):
    """The protobuf of a value of the type that `info` declares."""
    if info.type.HasField("map_type"):
        return numpy_helper.from_dict(value, info.name)
    if info.type.HasField("sequence_type"):
        return numpy_helper.from_list(value, info.name)
    if info.type.HasField("optional_type"):
        return numpy_helper.from_optional(value, info.name)
    if isinstance(value, TensorProto):
        return value
    return numpy_helper.from_array(value, info.name)


def write_data(folder: Path, case) -> None:
    data = folder / "test_data_set_0"
    data.mkdir(exist_ok=True)
    inputs, outputs = case.data_sets[0]
    graph = case.model.graph
    for prefix, values, infos in (("input", inputs, graph.input), ("output", outputs, graph.output)):
        for at, (value, info) in enumerate(zip(values, infos)):
            (data / f"{prefix}_{at}.pb").write_bytes(proto(value, info).SerializeToString())


def main(root: Path) -> None:
    without_data = []
    for case in collect_testcases():
        folder = root / "node" / case.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.onnx").write_bytes(case.model.SerializeToString())
        (folder / "tolerance.json").write_text(json.dumps({"rtol": case.rtol, "atol": case.atol}))
        try:
            write_data(folder, case)
        except (TypeError, ValueError, AttributeError, NotImplementedError) as error:
            without_data.append(f"{case.name}: {error}")
    packaged = Path(onnx.__file__).parent / "backend" / "test" / "data"
    for kind in PACKAGED:
        if (packaged / kind).is_dir():
            shutil.copytree(packaged / kind, root / kind, dirs_exist_ok=True)
    since = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        name = f"{schema.domain}.{schema.name}" if schema.domain else schema.name
        since[name] = min(schema.since_version, since.get(name, schema.since_version))
    lines = [f"{name} {version}\n" for name, version in sorted(since.items())]
    (root / "since.txt").write_text("".join(lines))
    for line in without_data:
        print(f"no protobuf for the data of {line}", file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
