"""Models in the forms that users have them: files, bytes, `onnx.ModelProto`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Union

from . import _ciro
from ._arrays import Inputs, is_frame, is_path, to_inputs

#: A path, the bytes of an ONNX file, or an `onnx.ModelProto`.
ModelSource = Union[str, "os.PathLike[str]", bytes, Any]


@dataclass(frozen=True)
class Calibration:
    """The samples that a model is calibrated with; they decide its integers as the weights do."""

    #: The file's name; `None` for arrays.
    file: Optional[str]
    #: BLAKE2s-256 of their names, shapes and elements: 64 hexadecimal digits.
    digest: str
    #: Whether the file was found beside the model and not named by the caller.
    discovered: bool


def is_compiled(source: object) -> bool:
    """Whether a path or bytes hold a compiled model, by their content or the file's name."""
    if isinstance(source, bytes):
        return _ciro.is_compiled(source)
    return is_path(source) and _ciro.is_compiled_file(os.fspath(source))


def inputs_of(source: ModelSource, inputs: Inputs) -> _ciro.Inputs:
    """Inputs of a model that is not opened yet; the columns of a data frame may be inputs of their own.

    Raises:
        As `to_inputs`; CiroError if there is a data frame, and the model is no ONNX model.
    """
    if not is_frame(inputs):
        return to_inputs(inputs)
    data = Path(source).read_bytes() if is_path(source) else onnx_bytes(source)[0]
    return to_inputs(inputs, _ciro.input_names(data))


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
