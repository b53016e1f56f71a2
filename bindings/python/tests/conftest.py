"""Models and arrays that several tests use."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import ciro

ROOT = Path(__file__).parents[3]
MODELS = ROOT / "examples" / "models"


def compile(model: str) -> ciro.Model:
    """A model of the examples, with the samples that are trusted."""
    return ciro.compile(MODELS / model / "model.onnx", calibration=MODELS / model / "inputs.npz")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Tests neither see nor change the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CIRO_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def iris() -> ciro.Model:
    """Logistic regression: one input `[1, 4]`, a label and probabilities."""
    return compile("logreg_iris")


@pytest.fixture(scope="session")
def flowers() -> np.ndarray:
    """Sixteen flowers, `[16, 4]` float32."""
    with np.load(MODELS / "logreg_iris" / "inputs.npz") as file:
        return file[file.files[0]]


@pytest.fixture(scope="session")
def lenet() -> ciro.Model:
    """A convolutional network: one input `[1, 1, 28, 28]`, ten scores."""
    return compile("lenet5_mnist")


@pytest.fixture(scope="session")
def digits() -> np.ndarray:
    """Sixteen digits, `[16, 1, 28, 28]` float32."""
    with np.load(MODELS / "lenet5_mnist" / "inputs.npz") as file:
        return file[file.files[0]]


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """The folder of a user of a network that was just started."""
    programs = os.environ.get("CIRO_PROGRAMS")
    if programs is None:
        pytest.skip("CIRO_PROGRAMS does not say where the programs of the network are: no client is tested")
    folder = tmp_path_factory.mktemp("devnet") / "network"

    def devnet(*arguments: str) -> str:
        command = [str(Path(programs) / "ciro"), "devnet", *arguments, "--dir", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield Path(json.loads(devnet("up", "--detach", "--json"))["home"])
    devnet("down")
