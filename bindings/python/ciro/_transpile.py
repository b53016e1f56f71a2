"""Folders that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


def refuse_full(folder: Path) -> None:
    """Refuses a folder with something in it: files of another package would be compiled with the new ones.

    Raises:
        FileExistsError: if there is something.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(errno.EEXIST, "not an empty folder", str(folder))


def write_folder(folder: Path, files: Mapping[str, str]) -> None:
    """Writes files beside the folder first, then gives them its name.

    Args:
        folder: a new or an empty folder.
        files: texts by their paths in the folder.

    Raises:
        OSError: if it cannot be written; nothing is left behind then.
    """
    parent = folder.resolve().parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".ciro-", dir=parent) as scratch:
        new = Path(scratch) / "new"
        for name, text in files.items():
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        if folder.exists():
            folder.rmdir()
        os.replace(new, folder)
