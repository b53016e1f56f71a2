"""scikit-learn, through skl2onnx."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arrays import Inputs
from .._model import Model, compile
from ._common import require, spread


def from_sklearn(estimator: Any, X: Any, *, progress: bool = False, **quantization: Any) -> Model:
    """Compiles a fitted scikit-learn estimator or pipeline.

    Args:
        estimator: any estimator that skl2onnx knows: linear and logistic models, trees, forests, boosting, SVM, naive Bayes, nearest
            neighbours, clustering, scalers, encoders of numbers, and pipelines and column transformers of those.
        X: samples `[N, features]` for calibration, an array or a `DataFrame`; at most 1024 rows are used. With a `DataFrame` whose
            columns have different types, or that a `ColumnTransformer` takes apart, the model has one input for each column.
        progress: shows a progress bar.
        **quantization: as for `ciro.compile`.

    Returns:
        The model. Classifiers have the outputs `label` and `probabilities`, regressors `variable`.

    Raises:
        ImportError: if skl2onnx is not installed (`pip install 'ciro[sklearn]'`).
        UnsupportedModelError: with everything that cannot be proven, such as encoders of text.
        Whatever skl2onnx raises for an estimator that it does not know.
    """
    skl2onnx = require("skl2onnx", "sklearn")
    columns = hasattr(X, "columns") and (X.dtypes.nunique() > 1 or _takes_columns(estimator))
    example = X[:1] if columns else np.asarray(X[:1], dtype=np.float32)
    onnx = skl2onnx.to_onnx(estimator, example, options=_options(estimator))
    samples = spread(X)
    calibration: Inputs = samples
    if columns:
        calibration = {str(name): samples[name].to_numpy().reshape(-1, 1) for name in X.columns}
    return compile(onnx, calibration=calibration, progress=progress, **quantization)


def _options(estimator: Any) -> dict[int, dict[str, bool]]:
    """Asks for probabilities as a tensor, where they would be a list of dictionaries.

    The last step of a pipeline is asked: what is asked of the pipeline is handed on to steps that do not know the option.
    """
    while hasattr(estimator, "steps"):
        estimator = estimator.steps[-1][1]
    return {id(estimator): {"zipmap": False} if hasattr(estimator, "predict_proba") else {}}


def _takes_columns(estimator: Any) -> bool:
    """Whether the estimator picks columns by their names."""
    first = estimator.steps[0][1] if hasattr(estimator, "steps") else estimator
    return hasattr(first, "transformers")
