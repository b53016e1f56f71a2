"""Models of machine learning frameworks, through the exporters of their own ecosystems.

The exporters are optional: `pip install ciro[sklearn]`, `ciro[xgboost]`, `ciro[lightgbm]`, `ciro[torch]`, `ciro[keras]`.
"""

from ._keras import from_keras
from ._lightgbm import from_lightgbm
from ._sklearn import from_sklearn
from ._torch import from_torch
from ._xgboost import from_xgboost

__all__ = ["from_keras", "from_lightgbm", "from_sklearn", "from_torch", "from_xgboost"]
