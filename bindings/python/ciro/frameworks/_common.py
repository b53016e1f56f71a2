"""What the frameworks have in common."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Callable

import numpy as np
from numpy.typing import NDArray

#: Rows that a model is calibrated with, at most.
CALIBRATION_ROWS = 1024


def require(module: str, extra: str) -> Any:
    """Imports an optional package.

    Raises:
        ImportError: naming the extra that installs it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(f"`ciro.from_{extra}` needs `{package}`: pip install 'ciro[{extra}]'") from error


def spread(samples: Any) -> Any:
    """At most `CALIBRATION_ROWS` rows of an array or `DataFrame`, evenly spread; every row if there are fewer."""
    rows = np.unique(np.linspace(0, len(samples) - 1, min(len(samples), CALIBRATION_ROWS)).astype(int))
    return samples.iloc[rows] if hasattr(samples, "iloc") else np.asarray(samples)[rows]


def table(samples: Any, who: str) -> NDArray[np.float32]:
    """Samples as float32 `[N, features]`, which is what tree libraries export for.

    Raises:
        ValueError: if they are no table.
    """
    array = np.asarray(samples, dtype=np.float32)
    if array.ndim != 2 or not array.size:
        raise ValueError(f"{who}: expected X of shape [samples, features], got {list(array.shape)}")
    return array


def export_trees(
    library: str, model: Any, X: Any, *, prepare: Callable[[Any], Any] = lambda model: model, **options: Any
) -> tuple[Any, NDArray[np.float32]]:
    """A model of a tree library as ONNX, by onnxmltools, and the samples that it is calibrated with.

    `prepare` makes of the model what the exporter takes, once the library is known to be there.

    Raises:
        ImportError: naming the extra that installs what is missing.
        ValueError: if `X` is no table.
    """
    onnxmltools = require("onnxmltools", library)
    require(library, library)
    types = require("onnxmltools.convert.common.data_types", library)
    samples = table(spread(X), f"from_{library}")
    initial = [("input", types.FloatTensorType([None, samples.shape[1]]))]
    convert = getattr(onnxmltools, f"convert_{library}")
    return convert(prepare(model), initial_types=initial, **options), samples
