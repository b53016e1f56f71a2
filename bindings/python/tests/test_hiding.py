"""Proofs that hide inputs and execution: `private=True`."""

from __future__ import annotations

import numpy as np
import pytest

import ciro


@pytest.fixture(scope="module")
def private(iris, flowers) -> ciro.Proof:
    """A proof that shows nothing of its input beyond the outputs."""
    return iris.prove(flowers[0], private=True, commit_input=True)


def test_a_private_proof_states_the_same_and_verifies_against_its_own_key(iris, flowers, private):
    key = iris.make_key(private=True, commit_input=True)
    assert key.hides and private.hides and private.key == key != iris.key
    verified = ciro.Proof.from_bytes(private.to_bytes()).verify(key)
    assert verified.hides and verified.inputs is None
    plain = iris.prove(flowers[0])
    np.testing.assert_array_equal(verified.output, plain.output)
    assert not plain.hides and not plain.verify(iris.key).hides
    private.verify(key, inputs=flowers[0], blinding=private.blinding)
    with pytest.raises(ciro.InvalidProofError):
        private.verify(key, inputs=flowers[1], blinding=private.blinding)


def test_the_input_is_not_in_the_proof_and_two_proofs_differ(iris, flowers, private):
    again = iris.prove(flowers[0], private=True, commit_input=True)
    assert again.to_bytes() != private.to_bytes()
    again.verify(private.key)
    assert bytes.fromhex(private.blinding)[1:] not in private.to_bytes()


def test_whoever_has_the_model_needs_no_key(iris, private):
    assert private.verify(iris).hides


def test_a_plain_key_is_none_for_a_private_proof(iris, flowers, private):
    plain = iris.prove(flowers[0])
    with pytest.raises(ciro.InvalidProofError, match="private=True") as error:
        private.verify(iris.key)
    assert error.value.check == "model_key"
    with pytest.raises(ciro.InvalidProofError) as error:
        plain.verify(private.key)
    assert error.value.check == "model_key"
    both = iris.make_key(private=[False, True])
    assert [entry.hides for entry in both.entries] == [False, True]
    assert plain.verify(both).model_key == iris.key.digest
    shown = iris.prove(flowers[0], private=True)
    assert shown.verify(both).inputs is not None


def test_one_call_hides_too(iris, flowers):
    proof = ciro.prove_inference(iris, flowers[0], private=True, commit_input=True)
    assert proof.hides and proof.verify(proof.key).inputs is None


def test_what_has_no_private_proofs_is_an_argument_error(iris, flowers):
    with pytest.raises(ValueError, match="no proofs that hide"):
        iris.prove(flowers[0], route="cairo", private=True)
    with pytest.raises(ValueError, match="Starknet"):
        iris.make_key(preset="chain", private=True)
