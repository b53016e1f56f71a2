#!/usr/bin/env python3
"""Runs the commands of the book, as a reader would: in order, in an empty folder for each page.

    docs/book/run.py [--bin FOLDER] [--keep FOLDER] [PAGE ...]

`ciro`, `ciro-node`, `ciro-prover` and `python` come from PATH, or from `--bin` before that. Without pages it takes all that
do not ask for more (`<!-- needs: torch -->`); a page that is named is run whatever it asks for. CIRO_BOOK_WASM names the
folder that `tools/build-wasm` has filled, for pages that need `wasm`; they see it as MODULES, and the checkout as CHECKOUT.

What a page can say:

- A block of kind `sh` is run by bash, which stops at the first command that fails. Exported variables, functions and
  the folder last until the page's end.
- A block of kind `text` right after it is what the command prints, `...` standing for anything. With `<!-- numbers vary -->` before
  it a number, a digest or a duration may be another one, and so may the width of columns.
- Of documents that a page includes, those below `docs/research` are run with it; ELSEWHERE says what becomes of the others.
- A block of kind `python,file=train.py` (or any other kind with a file) is that file.
- `<!-- not run: reason -->` before a block leaves it out, and the reason is printed.
- `<!-- cleanup: command -->` is run at the end, whatever happened.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pages import FENCE, INCLUDE, ROOT, SRC, chapters, expand

LIMIT_S = 300
#: Digests, durations and other numbers.
NUMBER = re.compile(r"(?:0x)?[0-9a-f]{32,}|-?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?(?: (?:ns|µs|ms|s)\b)?")
#: Documents whose commands are run with the pages that include them.
WITH_PAGES = "docs/research/"
DIRECTIVE = re.compile(r"<!-- (needs|not run|cleanup): (.*?) -->")

#: Documents that pages include, with commands that are run elsewhere.
ELSEWHERE = {
    "docs/browser.md": "the step `wasm` builds the modules and the page, and tests them",
    "docs/consensus.md": "longer runs of the simulator, whose short ones are tests of `ciro-sim`",
    "docs/models.md": "models with columns of text are tested by `ciro-sdk/tests/it/text.rs`; the page has no model of its own",
    "docs/kafka.md": "the step `kafka` has the brokers that they need",
    "docs/network.md": "sealed inputs are ordered by `ciro-cli/tests/it/devnet.rs`; the page names no model and no account of its own",
    "docs/privacy.md": "keys, proofs and verdicts of `--private` are tested by `ciro-cli/tests/it/hiding.rs`; the page has no model of its own",
}


@dataclass
class Block:
    """A fenced block: its line, its kind, the file that it is, its text, and what comments before it say."""

    line: int
    kind: str
    file: str | None
    text: str
    left_out: str | None
    numbers_vary: bool


class Failed(Exception):
    """A command failed, or did not print what the page says."""


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a page, in order."""
    for match in FENCE.finditer(text):
        info = match[3].strip().split(",")
        files = [word.removeprefix("file=") for word in info if word.startswith("file=")]
        before = text[:match.start()].rstrip().splitlines()
        reason = DIRECTIVE.fullmatch(before[-1].strip()) if before else None
        line = text.count("\n", 0, match.start()) + 1
        left_out = reason[2] if reason and reason[1] == "not run" else None
        numbers_vary = bool(before) and before[-1].strip() == "<!-- numbers vary -->"
        yield Block(line, info[0], files[0] if files else None, match[4], left_out, numbers_vary)


def matches(expected: str, printed: str, *, numbers_vary: bool = False) -> bool:
    """Whether what a page quotes is what was printed, `...` standing for anything."""
    quoted, seen = ("\n".join(line.rstrip() for line in text.strip().splitlines()) for text in (expected, printed))
    if numbers_vary:
        quoted, seen = (re.sub(r" +", " ", NUMBER.sub("#", text)) for text in (quoted, seen))
    pattern = ".*?".join(re.escape(part) for part in quoted.split("..."))
    return re.fullmatch(pattern, seen, re.DOTALL) is not None


class Shell:
    """Runs scripts one after the other; variables and the folder last."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.state, self.environment = folder, folder / ".state", environment
        self.work = folder / "work"
        self.work.mkdir()

    def run(self, script: str) -> str:
        """Returns what a script prints.

        Raises:
            Failed: if a command fails, or takes too long.
        """
        resume = f'[ ! -e "{self.state}" ] || . "{self.state}"\n'
        keep = f"""\n{{ export -p; declare -f; printf 'cd %q\\n' "$PWD"; }} >"{self.state}"\n"""
        with open(self.folder / "output", "w+") as output:
            try:
                done = subprocess.run(
                    ["bash", "-euo", "pipefail", "-c", resume + script + keep], cwd=self.work, env=self.environment,
                    stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, timeout=LIMIT_S,
                )
            except subprocess.TimeoutExpired:
                raise Failed(f"it took more than {LIMIT_S} s") from None
            output.seek(0)
            printed = output.read()
        if done.returncode:
            raise Failed(f"exit code {done.returncode}\n{printed}")
        return printed


def run(page: str, text: str, folder: Path, environment: dict[str, str]) -> int:
    """Runs a page, and returns how many blocks were run.

    Raises:
        Failed: with the line of the block that failed.
    """
    shell, count, printed = Shell(folder, environment), 0, None
    try:
        for block in blocks(text):
            if block.left_out:
                print(f"  {page}:{block.line}: not run: {block.left_out}")
                printed = None
            elif block.file:
                here = shell.state.read_text().splitlines()[-1] if shell.state.exists() else ""
                base = Path(here.removeprefix("cd ")) if here.startswith("cd /") else shell.work
                (base / block.file).write_text(block.text)
                printed = None
            elif block.kind == "sh":
                count += 1
                try:
                    printed = shell.run(block.text)
                except Failed as failure:
                    raise Failed(f"{page}:{block.line}: {failure}\n--- the commands\n{block.text}") from None
            elif block.kind == "text" and printed is not None:
                if not matches(block.text, printed, numbers_vary=block.numbers_vary):
                    raise Failed(f"{page}:{block.line}: the page quotes\n{block.text}--- what was printed\n{printed}")
                printed = None
    finally:
        for directive in DIRECTIVE.finditer(text):
            if directive[1] == "cleanup":
                shell.run(directive[2])
    return count


def settle(folders: list[str], scratch: Path) -> dict[str, str]:
    """The environment of a reader: nothing of the user's, nothing of the cache's."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CIRO_")}
    path = os.pathsep.join([*folders, environment.get("PATH", os.defpath)])
    if modules := os.environ.get("CIRO_BOOK_WASM"):
        environment["MODULES"] = os.path.abspath(modules)
    return environment | {
        "PATH": path, "HOME": str(scratch), "CIRO_HOME": str(scratch / "home"), "CIRO_CACHE_DIR": str(scratch / "cache"),
        "CHECKOUT": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "100", "LC_ALL": "C.UTF-8",
    }


def stray() -> set[str]:
    """Included documents whose commands nobody runs, and entries of ELSEWHERE that are not needed."""
    documents = {path for chapter in chapters() for path, _ in INCLUDE.findall((SRC / chapter).read_text())}
    with_commands = {
        path for path in documents
        if not path.startswith(WITH_PAGES) and any(block.kind == "sh" and not block.left_out for block in blocks((ROOT / path).read_text()))
    }
    return with_commands ^ ELSEWHERE.keys()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*", metavar="PAGE")
    parser.add_argument("--bin", action="append", default=[], help="a folder of programs, before those of PATH")
    parser.add_argument("--keep", type=Path, help="an empty folder to work in, which is left behind")
    arguments = parser.parse_args()
    if not arguments.pages and (documents := stray()):
        print(f"book: {', '.join(sorted(documents))}: ELSEWHERE in run.py has to say who runs their commands", file=sys.stderr)
        return 1
    failures = 0
    given = {"wasm"} & {"wasm" if os.environ.get("CIRO_BOOK_WASM") else ""}
    for page in arguments.pages or chapters():
        text = (SRC / page).read_text()
        if any(path.startswith(WITH_PAGES) for path, _ in INCLUDE.findall(text)):
            text = expand(page, text)
        needs = {match[2] for match in DIRECTIVE.finditer(text) if match[1] == "needs"} - given
        if not any(block.kind == "sh" for block in blocks(text)):
            continue
        if needs and not arguments.pages:
            print(f"  {page}: not run here: needs {', '.join(sorted(needs))}")
            continue
        with tempfile.TemporaryDirectory(prefix="ciro-book-") as scratch:
            folder = (arguments.keep or Path(scratch)) / page.replace("/", "-").removesuffix(".md")
            folder.mkdir(parents=True)
            started = time.monotonic()
            try:
                count = run(page, text, folder, settle([os.path.abspath(path) for path in arguments.bin], folder))
                print(f"  {page}: {count} blocks in {time.monotonic() - started:.1f} s", flush=True)
            except Failed as failure:
                failures += 1
                print(f"  {page}: FAILED\n{failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
