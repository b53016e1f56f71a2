"""The Cairo route: proofs, commitments to inputs, packages."""

from __future__ import annotations

import numpy as np
import pytest

import ciro


@pytest.fixture(scope="module")
def committed(iris, flowers) -> ciro.Proof:
    """A proof that states a commitment to its input."""
    return iris.prove(flowers[0], route="cairo", commit_input=True)


def test_both_routes_state_the_same_integers(iris, flowers, committed):
    for cairo, tensor in zip(committed.output_int, iris.prove(flowers[0]).output_int):
        np.testing.assert_array_equal(cairo, tensor)
    assert committed.route == "cairo" and committed.key == iris.make_key(route="cairo") != iris.key


def test_a_commitment_is_opened_by_its_blinding_value(flowers, committed):
    key, blinding = committed.key, committed.blinding
    assert committed.verify(key).route == "cairo"
    committed.verify(key, inputs=flowers[0], blinding=blinding)
    for arguments in (
        {"inputs": flowers[0]},
        {"inputs": flowers[1], "blinding": blinding},
        {"inputs": flowers[0], "blinding": "0" * 64},
    ):
        with pytest.raises(ciro.InvalidProofError) as error:
            committed.verify(key, **arguments)
        assert error.value.check == "inputs"
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        committed.verify(key, inputs=flowers[0], blinding="secret")
    with pytest.raises(ValueError, match="pass `inputs` too"):
        committed.verify(key, blinding=blinding)


def test_the_blinding_value_is_not_in_the_proof(committed):
    assert bytes.fromhex(committed.blinding)[1:] not in committed.to_bytes()
    assert ciro.Proof.from_bytes(committed.to_bytes()).blinding is None


def test_what_a_route_does_not_have_is_an_argument_error(iris, flowers):
    with pytest.raises(ValueError, match="one inference at a time"):
        iris.prove(flowers[:2], route="cairo")
    with pytest.raises(ValueError, match="no preset `compact`"):
        iris.prove(flowers[0], route="cairo", preset="compact")
    with pytest.raises(ValueError, match="cannot commit to single inputs or to outputs"):
        iris.prove(flowers[0], route="cairo", commit_output=True)


def test_keys_of_the_routes_are_not_mixed_up(iris, flowers, committed):
    with pytest.raises(ciro.InvalidProofError) as error:
        committed.verify(iris.key)
    # The key file has no entry for such proofs.
    assert error.value.check == "model_key"
    # A proof does not choose that a program is compiled and run.
    with pytest.raises(ciro.InvalidProofError) as error:
        committed.verify(iris)
    assert error.value.check == "route" and 'route="cairo"' in str(error.value)
    assert committed.verify(iris, route="cairo").route == "cairo"
    assert ciro.check(iris, route="cairo").estimate.steps > 0


def test_models_become_cairo_packages(tmp_path, iris):
    folder = tmp_path / "new" / "iris"
    program_hash = iris.transpile(folder)
    assert (folder / "Scarb.toml").read_text().count('name = "iris"') == 1
    assert program_hash and list(folder.rglob("*.cairo"))
    with pytest.raises(FileExistsError):
        iris.transpile(folder)
    (tmp_path / "empty").mkdir()
    iris.transpile(tmp_path / "empty", name="iris")
    assert {path.name for path in tmp_path.iterdir()} == {"new", "empty"}
