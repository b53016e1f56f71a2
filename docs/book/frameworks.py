#!/usr/bin/env python3
"""Runs the pages that need a large framework, outside of CI, and writes into them when and with what.

    docs/book/frameworks.py [--bin FOLDER] keras|torch ENVIRONMENT

ENVIRONMENT is a virtual environment with the framework, its exporter, scikit-learn and the package `ciro`; the command `ciro` comes from
PATH, or from `--bin`:

    python -m venv keras && keras/bin/pip install keras tensorflow-cpu tf2onnx onnx scikit-learn ciro
    python -m venv torch && torch/bin/pip install torch onnx onnxscript scikit-learn ciro
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import subprocess
import sys
from pathlib import Path

from pages import BOOK, SRC

PAGES = {"keras": "guides/keras.md", "torch": "guides/pytorch.md"}
MARK = re.compile(r"^> (?:Last run .*? )?<!-- run on -->$", re.MULTILINE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("framework", choices=PAGES)
    parser.add_argument("environment", type=Path)
    parser.add_argument("--bin", default=[], action="append", help="a folder of programs, before those of PATH")
    arguments = parser.parse_args()
    folders = [str((arguments.environment / "bin").absolute()), *arguments.bin]
    page = PAGES[arguments.framework]
    command = [sys.executable, str(BOOK / "run.py"), *(f"--bin={folder}" for folder in folders), page]
    if subprocess.run(command).returncode:
        return 1
    path = SRC / page
    text = path.read_text()
    names = re.search(r"<!-- versions: (.*?) -->", text)[1].split()
    script = "import sys; from importlib.metadata import version; print(*(f'{name} {version(name)}' for name in sys.argv[1:]), sep=', ')"
    python = os.path.join(folders[0], "python")
    versions = subprocess.run([python, "-c", script, *names], capture_output=True, text=True, check=True).stdout.strip()
    path.write_text(MARK.sub(f"> Last run on {datetime.date.today()} with {versions}. <!-- run on -->", text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
