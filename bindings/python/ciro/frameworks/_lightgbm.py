"""LightGBM, through onnxmltools."""

from __future__ import annotations

from typing import Any

from .._model import Model, compile
from ._common import export_trees


def from_lightgbm(model: Any, X: Any, *, progress: bool = False, **quantization: Any) -> Model:
    """Compiles a fitted LightGBM model; every decision of its trees is exact.

    Args:
        model: an `LGBMClassifier`, `LGBMRegressor` or `Booster`.
        X: samples `[N, features]` for calibration; at most 1024 rows are used.
        progress: shows a progress bar.
        **quantization: as for `ciro.compile`.

    Returns:
        The model. Classifiers have the outputs `label` and `probabilities`, regressors `variable`.

    Raises:
        ImportError: if onnxmltools is not installed (`pip install 'ciro[lightgbm]'`).
        ValueError: if `X` is no table.
        UnsupportedModelError: with everything that cannot be proven.
    """
    onnx, samples = export_trees("lightgbm", model, X, zipmap=False)
    return compile(onnx, calibration=samples, progress=progress, **quantization)
