"""PyTorch, through torch.onnx."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Optional

from .._arrays import Inputs
from .._model import Model, compile
from ._common import require


def from_torch(
    module: Any,
    example: Any,
    *,
    calibration: Optional[Inputs] = None,
    progress: bool = False,
    **quantization: Any,
) -> Model:
    """Compiles a PyTorch module, in evaluation mode.

    Args:
        module: a `torch.nn.Module`.
        example: one sample, batch axis included: a tensor, or a tuple of them for several inputs. It fixes every shape.
        calibration: representative inputs, as for `ciro.compile`. Default: the example alone, which is seldom enough.
        progress: shows a progress bar.
        **quantization: as for `ciro.compile`.

    Raises:
        ImportError: if PyTorch is not installed (`pip install 'ciro[torch]'`).
        UnsupportedModelError: with everything that cannot be proven.
        Whatever torch.onnx raises for a module that it cannot export.
    """
    torch = require("torch", "torch")
    examples = tuple(example) if isinstance(example, (tuple, list)) else (example,)
    was_training = module.training
    module.eval()
    try:
        with tempfile.TemporaryDirectory(prefix="ciro-") as folder, torch.no_grad():
            path = Path(folder) / f"{type(module).__name__}.onnx"
            # Its progress would go to standard output.
            torch.onnx.export(module, examples, str(path), verbose=False)
            samples = list(examples) if calibration is None else calibration
            # A file: large weights lie beside it.
            return compile(path, calibration=samples, cache=False, progress=progress, **quantization)
    finally:
        module.train(was_training)
