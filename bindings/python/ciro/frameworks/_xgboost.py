"""XGBoost, through onnxmltools."""

from __future__ import annotations

from typing import Any

from .._model import Model, compile
from ._common import export_trees


def from_xgboost(model: Any, X: Any, *, progress: bool = False, **quantization: Any) -> Model:
    """Compiles a fitted XGBoost model; every decision of its trees is exact.

    Args:
        model: an `XGBClassifier`, `XGBRegressor` or `Booster`.
        X: samples `[N, features]` for calibration; at most 1024 rows are used.
        progress: shows a progress bar.
        **quantization: as for `ciro.compile`.

    Returns:
        The model. Classifiers have the outputs `label` and `probabilities`, regressors `variable`.

    Raises:
        ImportError: if onnxmltools is not installed (`pip install 'ciro[xgboost]'`).
        ValueError: if `X` is no table.
        UnsupportedModelError: with everything that cannot be proven.
    """
    onnx, samples = export_trees("xgboost", model, X, prepare=_renamed)
    return compile(onnx, calibration=samples, progress=progress, **quantization)


def _renamed(model: Any) -> Any:
    """A copy whose features are named as the exporter wants them, `f0`, `f1`, ..., where training named them otherwise."""
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    if booster.feature_names is None:
        return model
    from copy import deepcopy

    model = deepcopy(model)
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    booster.feature_names = None
    return model
