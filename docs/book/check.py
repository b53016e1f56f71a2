#!/usr/bin/env python3
"""Checks the book and the documents of the repository: the pages of the summary are there, and links lead somewhere.

    docs/book/check.py

Links inside of the repository are followed, anchors included; addresses elsewhere are left alone. What the reference says of
the products is checked by `generate.py --check`, what plots show by `plots.py --check`, and commands by `run.py`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from pages import LINK, REPOSITORY, ROOT, SRC, chapters, expand, headings, outside_code, slug


def main() -> int:
    faults = summary()
    expanded = {SRC / chapter: expand(chapter, (SRC / chapter).read_text()) for chapter in chapters() if (SRC / chapter).exists()}
    for path, text in expanded.items():
        faults += broken(path, text, expanded)
    for path in documents():
        if SRC not in path.parents:
            faults += broken(path, path.read_text(), {})
    faults += [f"{path.relative_to(ROOT)}: no page shows it" for path in pictures_without(expanded.values())]
    for fault in sorted(set(faults)):
        print(f"book: {fault}", file=sys.stderr)
    return 1 if faults else 0


def summary() -> list[str]:
    """Pages that the summary lists and that are not there, or that are there and not listed."""
    listed = {*chapters(), "SUMMARY.md"}
    there = {str(path.relative_to(SRC)) for path in SRC.rglob("*.md")}
    return [f"SUMMARY.md lists {page}, which is not there" for page in listed - there] + [
        f"SUMMARY.md does not list {page}" for page in there - listed
    ]


def documents() -> list[Path]:
    """All documents that git knows or would take."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z", "*.md"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).exists()]


def broken(path: Path, text: str, expanded: dict[Path, str]) -> list[str]:
    """The links of a document that lead nowhere."""
    faults = []
    for _, link in LINK.findall(re.sub(r"`[^`\n]*`", "", prose(text))):
        target, _, anchor = link.partition("#")
        file = path.parent / target if target else path
        if target.startswith(f"{REPOSITORY}/"):
            # The repository's own pages are in this checkout.
            inside = re.fullmatch(rf"{REPOSITORY}/(?:tree|blob)/main/(.+)", target)
            file = ROOT / inside[1] if inside else ROOT
        elif "://" in target or "::" in target or target.startswith("mailto:"):
            # The second kind is rustdoc's: `cargo doc` follows it.
            continue
        file = file.resolve()
        if not file.exists():
            faults.append(f"{path.relative_to(ROOT)}: there is no {link}")
        elif anchor and anchor not in anchors(file, expanded.get(file)):
            faults.append(f"{path.relative_to(ROOT)}: there is no section {link}")
    return faults


def prose(text: str) -> str:
    """A text without its blocks of code."""
    parts: list[str] = []
    outside_code(text, lambda part: parts.append(part) or part)
    return "".join(parts)


@cache
def anchors(file: Path, text: str | None) -> set[str]:
    """The sections of a document; a README of a folder if it is a folder."""
    file = file / "README.md" if file.is_dir() else file
    if file.suffix != ".md":
        return set()
    found: dict[str, int] = {}
    result = set()
    for _, title, _, _ in headings(text if text is not None else file.read_text()):
        name = slug(title)
        count = found.get(name, 0)
        found[name] = count + 1
        result.add(f"{name}-{count}" if count else name)
    return result


def pictures_without(texts) -> list[Path]:
    """Pictures that nobody sees."""
    seen = "\n".join(texts)
    return [path for path in (SRC / "images").iterdir() if path.name not in seen]


if __name__ == "__main__":
    sys.exit(main())
