#!/usr/bin/env python3
"""Writes the pages of the reference that the products themselves say: the command lines, codes of errors, metrics.

    docs/book/generate.py [--bin FOLDER]            writes docs/book/src/reference/{cli,errors,metrics}.md
    docs/book/generate.py [--bin FOLDER] --check    fails where a page is not what would be written

`ciro`, `ciro-node` and `ciro-prover` come from PATH, or from `--bin`.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from pages import ROOT, SRC

MADE = "<!-- Made by docs/book/generate.py from {}: change it there. -->"
GLOBAL = "\nGlobal options:\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", default="", help="a folder of programs, before those of PATH")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    arguments = parser.parse_args()
    path = os.pathsep.join([*filter(None, [arguments.bin]), os.environ.get("PATH", os.defpath)])
    pages = {"cli.md": command_lines(path), "errors.md": errors(), "metrics.md": metrics()}
    stale = 0
    for name, text in pages.items():
        page = SRC / "reference" / name
        there = page.read_text() if page.exists() else ""
        if not arguments.check:
            page.write_text(text)
        elif there != text:
            stale += 1
            change = difflib.unified_diff(there.splitlines(), text.splitlines(), str(page), "as it would be made", lineterm="")
            print("\n".join(list(change)[:40]), file=sys.stderr)
    if stale:
        print("book: run docs/book/generate.py, after a build of the workspace", file=sys.stderr)
    return 1 if stale else 0


def command_lines(path: str) -> str:
    """The help of all commands, each global option once."""
    parts = [
        "# Commands", MADE.format("`--help` of each command"),
        "Exit codes of `ciro`: 0 done, 1 failed, 2 wrong usage, 3 proof invalid. Results go to standard output, everything else to"
        " standard error; with `--json` each command prints one JSON object.",
    ]
    for program in ("ciro", "ciro-node", "ciro-prover"):
        found = shutil.which(program, path=path)
        if found is None:
            raise SystemExit(f"book: there is no `{program}`: build the workspace, and name its folder with --bin")
        for command in tree(found, []):
            text = help_of(found, command)
            if command and GLOBAL in text:
                # All commands have these, and the program's own page has them once; what stands behind them stays.
                text = re.sub(re.escape(GLOBAL) + r"(?:[ ].*\n|\n(?=[ ]))*", "", text)
            title = " ".join([program, *command])
            parts.append(f"{'##' if not command else '###'} {title}\n\n```text\n{text.strip()}\n```")
    return "\n\n".join(parts) + "\n"


def tree(program: str, command: list[str]) -> list[list[str]]:
    """A command and those below it, in the order of the help."""
    listed = re.search(r"^Commands:\n((?:  .*\n|\n(?=  ))*)", help_of(program, command), re.MULTILINE)
    names = re.findall(r"^  (\S+)", listed[1], re.MULTILINE) if listed else []
    below = [tree(program, [*command, name]) for name in names if name != "help"]
    return [command] + [deeper for branch in below for deeper in branch]


def help_of(program: str, command: list[str]) -> str:
    """What `--help` prints, for a terminal of 100 columns."""
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    done = subprocess.run([program, *command, "--help"], capture_output=True, text=True, check=True, env=environment)
    return "\n".join(line.rstrip() for line in done.stdout.splitlines()) + "\n"


def errors() -> str:
    """The codes that programs can rely on."""
    return "\n\n".join([
        "# Errors", MADE.format("the tables of the sources that each section names"),
        "A message says what was expected, what came, and where; below it are its causes, and what to do. Programs rely on exit codes and on"
        " these words, never on messages.",
        "## Checks of a proof",
        "What `check` says of an `InvalidProofError` in Python and in `@ciro/verify`, and of an error of `ciro verify --json`"
        " (`ciro-sdk/src/verdict.rs`).",
        table(("check", "what failed"), checks()),
        "## Concerns",
        "What `code` says of a warning: a result is there, and there is something to know before relying on it (`ciro-sdk/src/prove/concern.rs`).",
        table(("code", "what it is about"), concerns()),
        "## Codes of a node",
        "What `code` says of an answer of a node, a problem of RFC 9457, and of a `NetworkError` in Python (`ciro-sdk/protocol/src/api/problem.rs`).",
        table(("code", "status", "what it means"), rows("ciro-sdk/protocol/src/api/problem.rs", "codes!", 3)),
        "## Refusals of the ledger",
        "A transaction that fails has a receipt with one of these reasons; a node that sees it coming answers with the same code and status 422"
        " (`ciro-sdk/protocol/src/refusal.rs`).",
        table(("code", "what it means"), rows("ciro-sdk/protocol/src/refusal.rs", "refusals!", 2)),
        "## Codes in pages",
        "What `code` says of a `CiroError` of `@ciro/verify` (`bindings/wasm/npm/index.js`).",
        table(("code", "what it is about"), re.findall(
            r"^ \* \| ((?:`\w+`,? ?)+) \| (.+?) \|$", (ROOT / "bindings/wasm/npm/index.js").read_text(), re.MULTILINE)[1:]),
        "## Exceptions in Python", "From `bindings/python/src/error.rs`.",
        table(("what failed", "exception"), re.findall(
            r"^//! \| (.+?) \| (.+?) \|$", (ROOT / "bindings/python/src/error.rs").read_text(), re.MULTILINE)[1:]),
    ]) + "\n"


def checks() -> list[tuple[str, str]]:
    """The words of checks, and their documentation."""
    text = (ROOT / "ciro-sdk/src/verdict.rs").read_text()
    found = re.findall(r'((?:^    /// .*\n)+)^    \w+ = "(\w+)";', text, re.MULTILINE)
    return [(f"`{word}`", sentence(lines)) for lines, word in found]


def concerns() -> list[tuple[str, str]]:
    """The words of warnings, and the documentation of their variants."""
    text = (ROOT / "ciro-sdk/src/prove/concern.rs").read_text()
    documented = {name: lines for lines, name in re.findall(r"((?:^    /// .*\n)+)^    (\w+)[, ]", text, re.MULTILINE)}
    return [(f"`{word}`", sentence(documented[name])) for name, word in re.findall(r'Self::(\w+)(?: \{ \.\. \})? => "(\w+)"', text)]


def sentence(lines: str) -> str:
    """A comment of documentation as one line, without links."""
    return re.sub(r"\[(`[^`]+`)\]", r"\1", " ".join(line.strip().removeprefix("///").strip() for line in lines.splitlines()))


def rows(path: str, macro: str, columns: int) -> list[tuple[str, ...]]:
    """The lines of a table in a macro: a variant, its name, perhaps a number, a text."""
    text = (ROOT / path).read_text()
    body = re.search(rf"^{macro} \{{\n(.*?)^\}}", text, re.MULTILINE | re.DOTALL)[1]
    number = r"(\d+) " if columns == 3 else ""
    found = re.findall(rf'^    \w+ "(\w+)" {number}"(.+)"$', body, re.MULTILINE)
    assert len(found) == len(body.strip().splitlines()), f"{path}: a line of {macro} has another form"
    return [(f"`{name}`", *rest) for name, *rest in found]


def metrics() -> str:
    """The metrics of a node."""
    text = (ROOT / "ciro-node/src/metrics.rs").read_text()
    kinds = {"Gauge": "gauge", "Counter": "counter", "Histogram": "histogram", "Times": "histogram"}
    fields = {name: re.findall(r"Gauge|Counter|Histogram|Times", kind)[0]
              for name, kind in re.findall(r"^    (\w+): (.*),$", text, re.MULTILINE) if re.search("|".join(kinds), kind)}
    helps, found = {}, []
    for line in re.finditer(r'let help =\s+"(.+?)";|r\.register(_with_unit)?\(\s*"(\w+)",\s*(help|"(.+?)"),(.*?)\);', text, re.DOTALL):
        if line[1]:
            helps["help"] = line[1]
            continue
        unit, name, inline, rest = bool(line[2]), line[3], line[5], line[6]
        field = re.search(r"(?:all|self)\.(\w+)\.clone", rest)
        kind = kinds[fields[field[1]]] if field else "info"
        suffix = ("_seconds" if unit else "") + {"counter": "_total", "info": "_info"}.get(kind, "")
        found.append((f"`{name}{suffix}`", kind, inline or helps["help"]))
    assert len(found) == text.count("r.register"), "a metric is registered in another form"
    return "\n\n".join([
        "# Metrics", MADE.format("`ciro-node/src/metrics.rs`"),
        "A node serves them at `/metrics`, as OpenMetrics. Those with labels are there once there is something to count.",
        table(("metric", "kind", "what it is"), sorted(found)),
    ]) + "\n"


def table(titles: tuple[str, ...], cells: list[tuple[str, ...]]) -> str:
    """A table of Markdown."""
    assert cells, f"nothing was found for {titles}"
    lines = [titles, ("---",) * len(titles), *cells]
    return "\n".join("| " + " | ".join(cell.replace("\n", " ") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
