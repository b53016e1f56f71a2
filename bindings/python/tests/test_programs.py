"""Cairo programs that are no models."""

from __future__ import annotations

from pathlib import Path

import pytest

import ciro

EXECUTABLE = Path(__file__).parents[3] / "examples/programs/fibonacci/fibonacci.executable.json"


@pytest.fixture(scope="module")
def program() -> ciro.Program:
    return ciro.Program.load(EXECUTABLE)


def test_a_program_is_proven_and_verified(program, tmp_path):
    assert program.run([10]) == [10, 55]
    proof = program.prove([10])
    verified = ciro.verify_program(proof, program.key)
    assert (verified.output, verified.key, verified.program_hash) == ([10, 55], program.key.digest, program.key.program_hash)
    proof.save(tmp_path / "proof.ciro")
    program.key.save(tmp_path / "program.key")
    assert ciro.ProgramKey.load(tmp_path / "program.key") == program.key
    assert ciro.verify_program(tmp_path / "proof.ciro", tmp_path / "program.key") == verified
    with pytest.raises(ciro.InvalidProofError) as error:
        ciro.Proof.load(tmp_path / "proof.ciro")
    assert error.value.check == "format"
    with pytest.raises(ciro.InvalidProofError) as error:
        ciro.verify_program(proof, program.key, min_security_bits=101)
    assert error.value.check == "security"


def test_what_is_no_program_and_what_does_not_end_is_told(program):
    with pytest.raises(ciro.CiroError, match="not a program that is proven"):
        ciro.Program.from_bytes(b"{}")
    with pytest.raises(ciro.CiroError, match="the program panicked"):
        program.run([])
    with pytest.raises(ValueError, match="argument 0 is no felt"):
        program.run([2**256])
    with pytest.raises(ciro.CiroError, match="not a usable key file of a program"):
        ciro.ProgramKey.from_bytes(b"CIRO")
    with pytest.raises(FileNotFoundError):
        ciro.Program.load("missing.json")
