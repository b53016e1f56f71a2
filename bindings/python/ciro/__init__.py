"""Verifiable AI inference: an ONNX model in, a STARK proof of its answer out.

The short path::

    proof = ciro.prove_inference("model.onnx", x)
    proof.output                      # what the model says
    proof.save("answer.ciro")
    ciro.verify("answer.ciro", "model.key")

The long path, for many inputs of one model::

    model = ciro.compile("model.onnx", calibration=X)
    model.key.save("model.key")       # for everybody who verifies
    proof = model.prove(X[:8])        # eight inferences in one proof
    proof.verify(model.key)

On a network, where providers prove::

    client = ciro.Client()            # the network of `ciro network use`
    proof = client.prove_inference("model.onnx", x)

On Starknet, for contracts to rely on::

    ciro.Starknet("sepolia").prove(proof, key)

Models of scikit-learn, XGBoost, LightGBM, PyTorch and Keras come in through `from_sklearn`, `from_xgboost`, `from_lightgbm`,
`from_torch` and `from_keras`.
"""

from ._cpu import load as _load

_load()  # before anything else loads the extension module

from ._calldata import Calldata  # noqa: E402
from ._check import Estimate, Report, check  # noqa: E402
from ._ciro import VERSION as __version__  # noqa: E402
from ._client import Client, Job, JobStatus, Quote, RemoteModel, as_completed, verify_receipt  # noqa: E402
from ._economy import Grant, Holding, Launch, Leaving, Proposal, Stake, Transaction, Validator, Votes  # noqa: E402
from ._key import Key, KeyEntry  # noqa: E402
from ._model import Model, compile, prove_inference  # noqa: E402
from ._program import Program, ProgramKey, ProgramProof, VerifiedProgram, verify_program  # noqa: E402
from ._proof import Opening, Proof, Verified, verify  # noqa: E402
from ._receipt import Receipt  # noqa: E402
from ._sources import Calibration  # noqa: E402
from ._starknet import Fact, Starknet, StarknetModel  # noqa: E402
from .accuracy import Accuracy, LayerAccuracy, OutputAccuracy  # noqa: E402
from .errors import (  # noqa: E402
    CalibrationWarning,
    CiroError,
    InvalidProofError,
    NetworkError,
    Refusal,
    UnsupportedModelError,
)
from .frameworks import from_keras, from_lightgbm, from_sklearn, from_torch, from_xgboost  # noqa: E402

__all__ = [
    "Accuracy",
    "Calibration",
    "CalibrationWarning",
    "Calldata",
    "CiroError",
    "Client",
    "Estimate",
    "Fact",
    "Grant",
    "Holding",
    "InvalidProofError",
    "Job",
    "JobStatus",
    "Key",
    "KeyEntry",
    "Launch",
    "LayerAccuracy",
    "Leaving",
    "Model",
    "NetworkError",
    "Opening",
    "OutputAccuracy",
    "Program",
    "ProgramKey",
    "ProgramProof",
    "Proof",
    "Proposal",
    "Quote",
    "Receipt",
    "Refusal",
    "RemoteModel",
    "Report",
    "Stake",
    "Starknet",
    "StarknetModel",
    "Transaction",
    "UnsupportedModelError",
    "Validator",
    "Verified",
    "VerifiedProgram",
    "Votes",
    "__version__",
    "as_completed",
    "check",
    "compile",
    "from_keras",
    "from_lightgbm",
    "from_sklearn",
    "from_torch",
    "from_xgboost",
    "prove_inference",
    "verify",
    "verify_program",
    "verify_receipt",
]
