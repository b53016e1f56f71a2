"""Cairo programs that are no models: their keys, and proofs of what they print."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional, Union

from . import _ciro

#: The prime of the field that programs compute in: arguments and outputs are numbers below it.
PRIME = 2**251 + 17 * 2**192 + 1


class Program:
    """A Cairo program, from an executable as `scarb build` writes it."""

    def __init__(self, inner: _ciro.Program) -> None:
        self._inner = inner

    @classmethod
    def load(cls, path: Union[str, os.PathLike[str]]) -> Program:
        """Reads an executable.

        Raises:
            OSError: if it cannot be read.
            CiroError: if it is none, or one that is not proven.
        """
        return cls(_ciro.Program.load(os.fspath(path)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Program:
        """Decodes an executable.

        Raises:
            CiroError: if it is none, or one that is not proven.
        """
        return cls(_ciro.Program.from_bytes(data))

    @property
    def key(self) -> ProgramKey:
        """What verifiers hold of the program."""
        return ProgramKey(self._inner.key)

    def run(self, arguments: Sequence[int] = (), *, max_memory: Optional[int] = None) -> list[int]:
        """Runs the program without a proof; what it prints.

        `arguments` are the felts that its parameters are deserialized from: an array is its length and then its elements. A
        negative number stands for the prime less its magnitude.

        Raises:
            CiroError: if the program panics, or takes too many steps or too much memory.
            ValueError: if an argument is no felt.
        """
        output, _ = self._inner.run([str(int(argument)) for argument in arguments], max_memory)
        return _numbers(output)

    def prove(self, arguments: Sequence[int] = (), *, max_memory: Optional[int] = None) -> ProgramProof:
        """Runs the program and proves what it prints. The proof does not say for which arguments, unless the program prints them;
        it hides nothing by design.

        Raises:
            CiroError: if the program panics, or its run is too long for a proof.
            MemoryError: if the proof would take more memory than allowed.
            ValueError: if an argument is no felt.
        """
        proof, _, _, _ = self._inner.prove([str(int(argument)) for argument in arguments], max_memory)
        return ProgramProof(proof)


class ProgramKey:
    """What a verifier holds of a program: the hash of its bytecode, and the builtins that it takes.

    Whoever trusts a program makes its key from an executable that they compiled; a verifier never takes it from the prover.
    """

    def __init__(self, inner: _ciro.ProgramKey) -> None:
        self._inner = inner

    @classmethod
    def load(cls, path: Union[str, os.PathLike[str]]) -> ProgramKey:
        """Reads a key file.

        Raises:
            OSError: if it cannot be read.
            CiroError: if it is no key of a program.
        """
        return cls(_ciro.ProgramKey.load(os.fspath(path)))

    @classmethod
    def from_bytes(cls, data: bytes) -> ProgramKey:
        """Decodes the bytes of a key file.

        Raises:
            CiroError: if they are no key of a program.
        """
        return cls(_ciro.ProgramKey.from_bytes(data))

    def save(self, path: Union[str, os.PathLike[str]]) -> None:
        """Writes a key file, whole or not at all.

        Raises:
            OSError: if it cannot be written.
        """
        self._inner.save(os.fspath(path))

    def to_bytes(self) -> bytes:
        """The bytes of a key file."""
        return self._inner.to_bytes()

    @property
    def digest(self) -> str:
        """The identity of the key: 64 hexadecimal digits. Proofs name it."""
        return self._inner.digest

    @property
    def program_hash(self) -> str:
        """The hash of the program: 64 hexadecimal digits."""
        return self._inner.program_hash

    @property
    def builtins(self) -> list[str]:
        """The builtins that the program takes."""
        return self._inner.builtins

    @property
    def security_bits(self) -> int:
        """Bits of security of proofs, by the conjecture behind most deployed STARKs."""
        return self._inner.security[0]

    @property
    def proven_security_bits(self) -> int:
        """Bits of security of proofs that hold without a conjecture."""
        return self._inner.security[1]

    def __eq__(self, other: object) -> bool:
        return self.to_bytes() == other.to_bytes() if isinstance(other, ProgramKey) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.to_bytes())

    def __reduce__(self) -> tuple[object, ...]:
        return (ProgramKey.from_bytes, (self.to_bytes(),))

    def __repr__(self) -> str:
        return f"<ciro.ProgramKey {self.digest[:16]}>"


class ProgramProof:
    """A proof that a program printed an output. Nothing of it is to be believed before `verify_program`."""

    def __init__(self, inner: _ciro.ProgramProof) -> None:
        self._inner = inner

    @classmethod
    def load(cls, path: Union[str, os.PathLike[str]]) -> ProgramProof:
        """Reads a proof.

        Raises:
            OSError: if it cannot be read.
            InvalidProofError: if it is no proof about a program.
        """
        return cls(_ciro.ProgramProof.load(os.fspath(path)))

    @classmethod
    def from_bytes(cls, data: bytes) -> ProgramProof:
        """Decodes a proof.

        Raises:
            InvalidProofError: if it is no proof about a program.
        """
        return cls(_ciro.ProgramProof.from_bytes(data))

    def save(self, path: Union[str, os.PathLike[str]]) -> None:
        """Writes the proof, whole or not at all.

        Raises:
            OSError: if it cannot be written.
        """
        self._inner.save(os.fspath(path))

    def to_bytes(self) -> bytes:
        """The bytes of the file."""
        return self._inner.to_bytes()

    @property
    def key(self) -> str:
        """The identity of the key that the proof names: 64 hexadecimal digits."""
        return self._inner.key

    def __reduce__(self) -> tuple[object, ...]:
        return (ProgramProof.from_bytes, (self.to_bytes(),))

    def __repr__(self) -> str:
        return f"<ciro.ProgramProof key={self.key[:16]}>"


@dataclass(frozen=True)
class VerifiedProgram:
    """What a verified proof establishes: with some arguments, the program of this key printed this, and nothing else."""

    #: What it printed.
    output: list[int]
    #: The identity of the key.
    key: str
    #: The hash of the program.
    program_hash: str


def verify_program(
    proof: Union[ProgramProof, str, os.PathLike[str], bytes],
    key: Union[ProgramKey, str, os.PathLike[str], bytes],
    *,
    min_security_bits: int = 100,
    min_proven_bits: int = 0,
) -> VerifiedProgram:
    """Verifies a proof, its file or its bytes against the key of a program that you trust, and returns what the program printed.

    Raises:
        InvalidProofError: if the proof does not convince; its `check` says which check failed.
        CiroError: if the key is none of a program.
        OSError: if a file cannot be read.
    """
    if isinstance(proof, bytes):
        proof = ProgramProof.from_bytes(proof)
    elif not isinstance(proof, ProgramProof):
        proof = ProgramProof.load(proof)
    if isinstance(key, bytes):
        key = ProgramKey.from_bytes(key)
    elif not isinstance(key, ProgramKey):
        key = ProgramKey.load(key)
    output = _ciro.verify_program(proof._inner, key._inner, (min_security_bits, min_proven_bits))
    return VerifiedProgram(_numbers(output), key.digest, key.program_hash)


def _numbers(digits: list[str]) -> list[int]:
    return [int(felt, 16) for felt in digits]
