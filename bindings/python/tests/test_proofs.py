"""Proofs: files, pickles, and everything that makes one invalid."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from conftest import MODELS

import ciro


@pytest.fixture(scope="module")
def proof(iris, flowers) -> ciro.Proof:
    return iris.prove(flowers[0])


def test_a_saved_proof_tells_nothing_before_it_is_verified(tmp_path, iris, proof):
    proof.save(tmp_path / "answer.ciro")
    loaded = ciro.Proof.load(tmp_path / "answer.ciro")
    assert loaded == proof and loaded.prove_ms is None and loaded.model_key == iris.key.digest
    with pytest.raises(ciro.CiroError, match="hint: verify it first"):
        loaded.output  # noqa: B018
    with pytest.raises(ciro.CiroError, match="hint: take the key from whoever you trust"):
        loaded.key  # noqa: B018
    loaded.verify(iris.key)
    np.testing.assert_array_equal(loaded.output, proof.output)


def test_proving_is_deterministic(iris, flowers, proof):
    assert iris.prove(flowers[0]).to_bytes() == proof.to_bytes() and len(proof) == len(proof.to_bytes())


def test_what_is_proven_are_integers(iris, flowers, proof):
    label, probabilities = proof.output_int
    assert probabilities.dtype == np.int32 and probabilities.shape == (1, 3)
    assert (label == proof.output).all()
    assert (probabilities.argmax() == proof.outputs["probabilities"].argmax()).all()
    assert iris.prove(flowers[:3]).output_int[1].shape == (3, 3)


@pytest.mark.parametrize("remake", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_models_keys_and_proofs_survive_pickling(iris, proof, remake):
    assert remake(iris) == iris and hash(remake(iris)) == hash(iris)
    assert remake(iris.key) == iris.key and hash(remake(iris.key)) == hash(iris.key)
    again = remake(proof)
    assert again == proof and hash(again) == hash(proof) and again.key == proof.key
    np.testing.assert_array_equal(again.output, proof.output)
    assert again.prove_ms == proof.prove_ms
    again.verify(iris.key)


def test_exceptions_survive_pickling():
    refused = ciro.UnsupportedModelError("refused", [("n", "Op", "reason", None)])
    invalid = ciro.InvalidProofError("invalid", "look", "constraints")
    for error in (refused, invalid, ciro.CiroError("message", "hint")):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_another_input_is_another_statement(iris, flowers, proof):
    proof.verify(iris.key, inputs=flowers[0])
    for inputs in (flowers[1], flowers[:2]):
        with pytest.raises(ciro.InvalidProofError) as error:
            proof.verify(iris.key, inputs=inputs)
        assert error.value.check == "inputs"
    with pytest.raises(ValueError, match="expected shape"):
        proof.verify(iris.key, inputs=np.zeros(7))


def test_a_context_binds_a_proof(iris, flowers, proof):
    job = bytes(31) + b"\x07"
    bound = iris.prove(flowers[0], context=job)
    assert bound.context == "0x" + job.hex() and proof.context is None
    verified = bound.verify(iris.key, context="7")
    assert verified.context == bound.context and bound.verify(iris.key).context == bound.context
    assert proof.verify(iris.key, context=bytes(32)).context is None
    for given, asked in ((bound, "8"), (bound, bytes(32)), (proof, job)):
        with pytest.raises(ciro.InvalidProofError) as error:
            given.verify(iris.key, context=asked)
        assert error.value.check == "context"
    # A file that says another context is no proof of it.
    data = bytearray(bound.to_bytes())
    at = bytes(data).index(job)
    data[at + 31] = 8
    with pytest.raises(ciro.InvalidProofError) as error:
        ciro.verify(bytes(data), iris.key, context="8")
    assert error.value.check == "constraints"
    for nonsense in ("", "0xg", "f" * 64, b"short"):
        with pytest.raises(ValueError, match="context"):
            iris.prove(flowers[0], context=nonsense)


def test_every_tampered_byte_is_found(iris, proof):
    data = bytearray(proof.to_bytes())
    checks = set()
    for position in range(0, len(data), len(data) // 61):
        tampered = bytearray(data)
        tampered[position] ^= 0x55
        with pytest.raises(ciro.InvalidProofError) as error:
            ciro.verify(bytes(tampered), iris.key)
        checks.add(error.value.check)
    assert len(checks) > 2, checks


def test_a_forged_answer_names_the_failed_check(iris, proof):
    """The last output integer lies right before the length and the bytes of the proof itself."""
    data = proof.to_bytes()
    at = data.index(proof.output_int[1].astype("<i4").tobytes())
    forged = data[:at] + (proof.output_int[1] + 1).astype("<i4").tobytes() + data[at + 12 :]
    with pytest.raises(ciro.InvalidProofError) as error:
        ciro.verify(forged, iris.key)
    assert error.value.check in {"public_values", "statement", "proof_of_work", "constraints"}


@pytest.mark.parametrize("data", [b"", b"CIROPROF", b"not a proof at all"])
def test_files_that_are_no_proofs_are_told(iris, tmp_path, data):
    (tmp_path / "bad").write_bytes(data)
    for proof in (data, tmp_path / "bad"):
        with pytest.raises(ciro.InvalidProofError) as error:
            ciro.verify(proof, iris.key)
        assert error.value.check == "format"
    for load in (ciro.Key.load, ciro.Model.load):
        with pytest.raises(ciro.CiroError, match="hint: "):
            load(tmp_path / "bad")


def test_the_key_of_another_model_is_refused(lenet, proof):
    with pytest.raises(ciro.InvalidProofError, match="hint: keys depend on") as error:
        proof.verify(lenet.key)
    assert error.value.check == "model_key"
    with pytest.raises(ciro.InvalidProofError) as error:
        proof.verify(lenet)
    assert error.value.check == "statement"


def test_one_key_holds_an_entry_for_each_kind_of_proof(tmp_path, iris, flowers):
    key = iris.make_key(batch=[8, 1], preset=["standard", "proven"])
    kinds = [(entry.preset, entry.batch) for entry in key.entries]
    assert kinds == [("standard", 1), ("standard", 8), ("proven", 1), ("proven", 8)]
    assert key == iris.key | iris.make_key(batch=8) | iris.make_key(batch=[1, 8], preset="proven")
    key.save(tmp_path / "model.key")
    proof = iris.prove(flowers[:8])
    assert ciro.verify(proof, tmp_path / "model.key").batch == 8
    assert proof.output_int[0].shape == (8,)
    with pytest.raises(ValueError, match="4 entries: see `key.entries`"):
        key.digest  # noqa: B018
    with pytest.raises(ciro.InvalidProofError, match="no entry for .*8 inferences.*\nhint: ask the model's owner .*batch=8") as error:
        proof.verify(iris.key)
    assert error.value.check == "model_key"


def test_keys_of_two_models_make_no_key(iris, lenet):
    with pytest.raises(ValueError, match="different models"):
        iris.key | lenet.make_key(batch=2)


def test_a_proof_is_no_truth_value(proof):
    with pytest.raises(TypeError, match="neither true nor false"):
        bool(proof)
    with pytest.raises(TypeError, match="expected a key"):
        proof.verify(None)


def test_keys_describe_themselves(iris):
    key = iris.key
    assert len(key.to_bytes()) < 10_000 and len(key.digest) == 64
    assert (key.route, key.preset, key.batch) == ("tensor", "standard", 1)
    assert key.security_bits >= 100 > key.proven_security_bits > 0
    assert (key.inputs, key.outputs) == (iris.inputs, iris.outputs)
    assert key.digest in key._repr_html_() and key.digest[:16] in repr(key)


def test_notebooks_see_a_table(proof):
    html = proof._repr_html_()
    assert all(text in html for text in (proof.model_key, "tensor, standard", "probabilities", "ms"))
    assert repr(proof) == f"<ciro.Proof of 1 inference by {proof.model_key[:16]} route=tensor preset=standard>"


def test_files_have_the_errors_of_files(tmp_path, iris, proof):
    for load in (ciro.Model.load, ciro.Key.load, ciro.Proof.load):
        with pytest.raises(FileNotFoundError) as error:
            load(tmp_path / "missing")
        assert error.value.filename == str(tmp_path / "missing")
        with pytest.raises(IsADirectoryError):
            load(tmp_path)
    for thing in (iris, iris.key, proof):
        with pytest.raises(FileNotFoundError):
            thing.save(tmp_path / "missing" / "file")
        with pytest.raises(IsADirectoryError):
            thing.save(tmp_path)
    with pytest.raises(FileNotFoundError):
        ciro.compile(MODELS / "missing.onnx")
