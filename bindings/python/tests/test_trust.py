"""What a verification relies on: nothing that nobody named, and nothing that others can write."""

from __future__ import annotations

import json
import pickle
import shutil
import struct

import numpy as np
import pytest
from conftest import MODELS

import ciro

FLOWER = np.array([7.7, 2.6, 6.9, 2.3])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The iris classifier with its samples, and a cache of its own."""
    for name in ("model.onnx", "inputs.npz"):
        shutil.copy(MODELS / "logreg_iris" / name, tmp_path / name)
    monkeypatch.setenv("CIRO_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def evil(folder) -> ciro.Model:
    """The same file, calibrated with a sample that makes it say something else."""
    return ciro.compile(folder / "model.onnx", calibration=np.array([[5.0, 3.0, 1.0, 0.2]]), cache=False)


@pytest.mark.filterwarnings("ignore::ciro.CalibrationWarning")
def test_samples_that_lie_beside_a_model_decide_nothing(folder, evil):
    proof = evil.prove(FLOWER)
    (folder / "calibration.json").write_text(json.dumps({"input_data": [[5.0, 3.0, 1.0, 0.2]]}))
    discovered = ciro.compile(folder / "model.onnx")
    assert discovered.calibration == ciro.Calibration("calibration.json", discovered.calibration.digest, True)
    with pytest.raises(ciro.CiroError, match="found beside its file\nhint: name the samples that you trust"):
        proof.verify(discovered)
    named = ciro.compile(folder / "model.onnx", calibration=folder / "inputs.npz")
    assert named.calibration.file == "inputs.npz" and not named.calibration.discovered
    assert named.calibration.digest != discovered.calibration.digest
    with pytest.raises(ciro.InvalidProofError) as error:
        proof.verify(named)
    assert error.value.check == "model_key"
    assert named.prove(FLOWER).verify(named, inputs=FLOWER).recomputed == 1


@pytest.mark.filterwarnings("ignore::ciro.CalibrationWarning")
def test_what_lies_in_the_cache_decides_no_key_and_no_verdict(folder, evil):
    compile = lambda **a: ciro.compile(folder / "model.onnx", calibration=folder / "inputs.npz", **a)  # noqa: E731
    honest = compile().key
    assert compile().key == honest
    (entry,) = (folder / "cache" / "models").iterdir()
    entry.write_bytes(entry.read_bytes()[:40] + evil.to_bytes())
    forged = compile()
    proof = forged.prove(FLOWER)
    relied_on = [
        lambda: forged.key,
        lambda: forged.save(folder / "m.ciro-model"),
        lambda: forged.to_bytes(),
        lambda: pickle.dumps(forged),
        lambda: pickle.dumps(proof),
        lambda: proof.key,
        lambda: proof.verify(forged),
        lambda: forged.transpile(folder / "package"),
    ]
    for rely in relied_on:
        with pytest.raises(ciro.CiroError, match="the cache holds another model"):
            rely()
    assert not (folder / "m.ciro-model").exists() and not (folder / "package").exists()
    assert compile(cache=False).key == honest
    # The model has changed: nobody can say any more what the cache held.
    shutil.copy(MODELS / "kmeans_iris" / "model.onnx", folder / "model.onnx")
    with pytest.raises(ciro.CiroError, match="has changed since"):
        _ = forged.key


@pytest.mark.filterwarnings("ignore::ciro.CalibrationWarning")
def test_values_outside_of_the_range_are_another_input(iris):
    proof = iris.prove(np.array([1e6, 2.0, 1e30, 0.1]))
    for inputs in (np.array([1e6, 2.0, 1e30, 0.1]), np.array([20, 2.0, 20, 0.1])):
        with pytest.raises(ciro.InvalidProofError, match="2 value.* lie outside .*\nhint: .*allow_clamped") as error:
            proof.verify(iris.key, inputs=inputs)
        assert error.value.check == "clamped"
        assert proof.verify(iris.key, inputs=inputs, allow_clamped=True).clamped == 2
    assert proof.verify(iris.key).clamped is None


def test_the_proven_input_is_given_back(iris, flowers):
    proof = iris.prove(flowers[:3])
    key = iris.make_key(batch=3)
    verified = proof.verify(key)
    assert not verified.inputs_checked and verified.recomputed is None
    assert list(verified.inputs) == list(iris.inputs)
    np.testing.assert_allclose(verified.inputs[0], flowers[:3].reshape(3, 4), atol=0.01)
    assert proof.verify(key, inputs=flowers[:3]).inputs_checked
    with pytest.raises(ciro.InvalidProofError, match="sample 2: ") as error:
        proof.verify(key, inputs=flowers[[0, 1, 4]])
    assert error.value.check == "inputs"


def many(proof: ciro.Proof, count: int) -> bytes:
    """A bundle that claims the proof's one inference many times."""
    data = proof.to_bytes()
    claims_at = 12 + len(proof.preset) + 32 + 32 + 4
    # One claim: its tag, four integers, a label and three probabilities in their tensors.
    claim = data[claims_at : claims_at + 1 + 2 + 25 + 2 + 9 + 21]
    rest = data[claims_at + len(claim) :]
    return data[: claims_at - 4] + struct.pack("<I", count) + claim * count + rest


def test_a_hostile_batch_is_refused_before_it_is_laid_out(iris, flowers):
    hostile = many(iris.prove(flowers[0]), 40_000)
    with pytest.raises(MemoryError, match="more than the limit of 100 MB"):
        ciro.verify(hostile, iris, max_memory=100_000_000)
    with pytest.raises(ciro.InvalidProofError) as error:
        ciro.verify(hostile, iris.key)
    assert error.value.check in {"batch", "model_key"}
    huge = many(iris.prove(flowers[0]), 1_200_000)
    with pytest.raises(ciro.InvalidProofError):
        ciro.verify(huge, iris.key)


def test_the_bits_of_security_are_known_before_anything_is_proven(iris):
    estimate = ciro.check(iris).estimate
    assert (estimate.security_bits, estimate.proven_security_bits) == (
        iris.key.security_bits,
        iris.key.proven_security_bits,
    )
    assert f"{estimate.security_bits} bits" in ciro.check(iris)._repr_html_()


def test_names_do_not_act_on_the_terminal(tmp_path, flowers):
    onnx = pytest.importorskip("onnx")
    hostile = "x\x1b[2J\nvalid: trust me\u202e"
    model = onnx.load(MODELS / "logreg_iris" / "model.onnx")
    old = model.graph.input[0].name
    model.graph.input[0].name = hostile
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name == old:
                node.input[place] = hostile
    compiled = ciro.compile(model, calibration=flowers)
    # A model keeps names as they may be shown.
    assert list(compiled.inputs) == ["x\\u{1b}[2J\\u{a}valid: trust me\\u{202e}"]
    with pytest.warns(ciro.CalibrationWarning) as warned:
        proof = compiled.prove(flowers[0] * 1e6)
    with pytest.raises(ciro.InvalidProofError) as clamped:
        proof.verify(compiled, inputs=flowers[0] * 1e6)
    with pytest.raises(ciro.InvalidProofError) as other:
        proof.verify(compiled.key, inputs=flowers[0])
    refusal = ciro.Refusal(hostile, hostile, hostile)
    shown = [repr(compiled), str(compiled.accuracy), str(clamped.value), str(other.value), str(refusal)]
    shown += [str(warning.message) for warning in warned]
    for text in shown:
        assert "\x1b" not in text and "\u202e" not in text and "\nvalid" not in text, text
    assert "x\\u{1b}[2J\\u{a}valid: trust me\\u{202e}" in repr(compiled)
