"""Models in the forms that users have them: files, bytes, `onnx.ModelProto`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Optional, Union

from ._arrays import is_path

#: A path, the bytes of an ONNX file, or an `onnx.ModelProto`.
ModelSource = Union[str, "os.PathLike[str]", bytes, Any]

_COMPILED = b"CIROMODL"

# Calibration files beside a model, as the command `ciro` finds them.
_NEIGHBOURS = (
    "calibration.npz",
    "calibration.npy",
    "calibration.json",
    "inputs.npz",
    "inputs.npy",
    "inputs.json",
)


def is_compiled(source: object) -> bool:
    """Whether a path or bytes hold a compiled model, by their content or the file's name."""
    if isinstance(source, bytes):
        return source.startswith(_COMPILED)
    if not is_path(source):
        return False
    path = Path(source)
    if path.suffix == ".ciro-model":
        return True
    try:
        with path.open("rb") as file:
            return file.read(len(_COMPILED)) == _COMPILED
    except OSError:
        return False  # Whoever opens it next says why it cannot be read.


def neighbour(source: object) -> Optional[Path]:
    """The calibration file beside a model file, if there is one."""
    if not is_path(source):
        return None
    beside = (Path(source).with_name(name) for name in _NEIGHBOURS)
    return next((path for path in beside if path.is_file()), None)


def onnx_bytes(source: object) -> tuple[bytes, str]:
    """The bytes of a model that is no file, and a name for it.

    Raises:
        TypeError: if it is neither bytes nor an `onnx.ModelProto`.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), "model.onnx"
    serialize = getattr(source, "SerializeToString", None)
    if serialize is None:
        kind = type(source).__name__
        raise TypeError(f"expected a path, bytes or an `onnx.ModelProto`, got `{kind}`")
    name = getattr(getattr(source, "graph", None), "name", "")
    return serialize(), f"{name or 'model'}.onnx"


def available_memory() -> Optional[int]:
    """The bytes of memory that this process can get; `None` where the system does not say."""
    try:
        with open("/proc/meminfo") as file:
            line = next(line for line in file if line.startswith("MemAvailable:"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration, ValueError, IndexError):
        return None
