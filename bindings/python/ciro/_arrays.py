"""Arrays of numbers, from whatever the caller has, to the plain bytes that the extension module takes, and back."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Optional, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _ciro

if TYPE_CHECKING:
    from typing_extensions import TypeGuard

#: Anything with numbers: one array for a model's only input, a dict from input names to arrays, a list with one numpy array for each
#: input, or a path to a `.npz`, `.npy` or JSON file. A `DataFrame` is one array, or, for a model with an input for each column, a dict
#: of its columns.
Inputs = Union[ArrayLike, Mapping[str, ArrayLike], Sequence[ArrayLike], Any]

# Above this, not every integer is a float64.
_EXACT = 2**53


def to_inputs(inputs: Inputs, names: Optional[Sequence[str]] = None) -> _ciro.Inputs:
    """Converts inputs, unless they are already.

    Args:
        inputs: arrays of any numeric or boolean dtype, or of text for inputs of text, or a file.
        names: the model's input names, if they are known.

    Raises:
        TypeError: for objects, complex numbers, dates, and text beside what is none.
        ValueError: for ragged lists, masked elements, integers that float64 does not hold, and files without numbers.
        OSError: if a file cannot be read.
    """
    if isinstance(inputs, _ciro.Inputs):
        return inputs
    if is_path(inputs):
        return _ciro.Inputs.read(os.fspath(inputs))
    return _ciro.Inputs(_arrays(inputs, names))


def is_path(value: object) -> TypeGuard[Union[str, os.PathLike[str]]]:
    """Whether a value names a file."""
    return isinstance(value, (str, os.PathLike))


class Values(dict[str, "NDArray[Any]"]):
    """Outputs by name, in the model's order; numbers also select them: `outputs[0]`."""

    def __getitem__(self, key: Union[str, int]) -> NDArray[Any]:
        return super().__getitem__(list(self)[key] if isinstance(key, int) else key)


def to_values(samples: Sequence[Sequence[Union[_ciro.Output, _ciro.RealInput]]]) -> Values:
    """The outputs, or the proven inputs, of all samples by name: float64 numbers, or class names.

    One sample keeps the output's shape. Several are one behind the other: along the first axis if its extent is 1, else along a new one.
    """
    values = Values()
    for outputs in zip(*samples):
        values[outputs[0].name] = join([_decode(output) for output in outputs])
    return values


def join(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Puts the arrays of several samples one behind the other."""
    if len(arrays) == 1:
        return arrays[0]
    if arrays[0].shape[:1] == (1,):
        return np.concatenate(arrays)
    return np.stack(arrays)


def integers(data: bytes, shape: Sequence[int]) -> NDArray[np.int32]:
    """An array of int32."""
    return np.frombuffer(data, dtype="<i4").astype(np.int32).reshape(shape)


def _arrays(inputs: Any, names: Optional[Sequence[str]]) -> list[_ciro.Array]:
    if is_frame(inputs):
        columns = [str(column) for column in inputs.columns]
        by_column = names is not None and len(names) > 1 and set(names) == set(columns)
        inputs = {name: _column(inputs, name) for name in names or ()} if by_column else inputs.to_numpy()
    if isinstance(inputs, Mapping):
        return [_to_array(str(name), value) for name, value in inputs.items()]
    if isinstance(inputs, (list, tuple)) and inputs and all(_is_array(item) for item in inputs):
        return [_to_array(None, item) for item in inputs]
    return [_to_array(None, inputs)]


def _decode(output: Union[_ciro.Output, _ciro.RealInput]) -> NDArray[Any]:
    if isinstance(output, _ciro.Output) and output.labels is not None:
        return np.array(output.labels, dtype=np.str_).reshape(output.shape)
    if isinstance(output, _ciro.RealInput) and output.texts is not None:
        return np.array(output.texts, dtype=np.object_).reshape(output.shape)
    return np.frombuffer(output.values, dtype="<f8").astype(np.float64).reshape(output.shape)


def _to_array(name: Optional[str], value: Any) -> _ciro.Array:
    if hasattr(value, "detach") and hasattr(value, "cpu"):  # A tensor of PyTorch that may need gradients or live elsewhere.
        value = value.detach().cpu()
    what = f"input `{name}`" if name else "the input"
    if np.ma.is_masked(value):
        raise ValueError(f"{what}: masked elements have no value; give them one with `filled`, NaN where a value is missing")
    array = np.asarray(value)
    if array.dtype.kind in "UT" or (array.dtype.kind == "O" and array.size and isinstance(array.flat[0], str)):
        return _to_texts(name, array, what)
    if array.dtype.kind == "O":
        # A column of pandas with missing values; objects that are no numbers are refused here.
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{what}: expected numbers, got {_kind(array)}") from error
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{what}: expected numbers, got dtype {array.dtype}")
    if array.dtype.kind in "iu" and array.size and array.dtype.itemsize == 8:
        if int(array.max()) > _EXACT or int(array.min()) < -_EXACT:
            raise ValueError(f"{what}: integers beyond 2^53 are not exact in float64")
    data = np.ascontiguousarray(array, dtype="<f8")
    return _ciro.Array(name, list(array.shape), data.tobytes())


def _to_texts(name: Optional[str], array: NDArray[Any], what: str) -> _ciro.Array:
    texts = array.ravel().tolist()
    for at, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"{what}: element {at} is `{type(text).__name__}` beside texts")
    return _ciro.Array.texts(name, list(array.shape), texts)


def _kind(array: NDArray[Any]) -> str:
    return f"`{type(array.flat[0]).__name__}`" if array.size else "nothing"


def _is_array(value: object) -> bool:
    return hasattr(value, "__array__") and getattr(value, "ndim", 0) > 0


def is_frame(value: object) -> bool:
    """Whether a value is a data frame."""
    return hasattr(value, "columns") and hasattr(value, "to_numpy")


def _column(frame: Any, name: str) -> NDArray[Any]:
    # Every column is an input of shape [N, 1].
    return np.asarray(frame[name].to_numpy()).reshape(-1, 1)
