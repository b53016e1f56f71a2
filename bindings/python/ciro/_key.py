"""Keys of models."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Union

from . import _ciro, _html

#: Name and shape of each input or output.
Tensors = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class KeyEntry:
    """The key for proofs of one kind."""

    #: Its identity: 64 hexadecimal digits. Proofs name it.
    digest: str
    #: How the proofs are made: `tensor` or `cairo`.
    route: str
    #: Their security parameters: `standard`, `compact`, `proven`, or `chain` for Starknet.
    preset: str
    #: How many inferences a proof is about.
    batch: int
    #: Bits of security of the proofs, by the conjecture behind most deployed STARKs.
    security_bits: int
    #: Bits of security that hold without a conjecture.
    proven_security_bits: int
    #: Whether the proofs hide what they do not state of inputs and execution.
    hides: bool = False


class Key:
    """What a verifier holds instead of the model: a commitment to its graph, weights and scales.

    It has an entry of less than 10 kB for every kind of proof (route, preset, number of inferences, hiding or not) that it was made for; most have one,
    whose properties are those of the key. Whoever trusts a model makes its key (`Model.key`, `Model.make_key`) and publishes it. A
    verifier never takes it from the prover.
    """

    def __init__(self, inner: _ciro.Key) -> None:
        self._inner = inner

    @classmethod
    def load(cls, path: Union[str, os.PathLike[str]]) -> Key:
        """Reads a key file.

        Raises:
            OSError: if it cannot be read.
            CiroError: if it is no key of this version.
        """
        return cls(_ciro.Key.load(os.fspath(path)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Key:
        """Decodes the bytes of a key file.

        Raises:
            CiroError: if they are no key of this version.
        """
        return cls(_ciro.Key.from_bytes(data))

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
    def entries(self) -> list[KeyEntry]:
        """The keys that it holds, one for each kind of proof."""
        return [
            KeyEntry(digest, route, preset, batch, *security, hides)
            for digest, route, preset, batch, security, hides in self._inner.entries
        ]

    def __or__(self, other: Key) -> Key:
        """The entries of both: `model.make_key(batch=1) | model.make_key(route="cairo")`.

        Raises:
            ValueError: if they are keys of different models.
        """
        return Key(self._inner.joined(other._inner)) if isinstance(other, Key) else NotImplemented

    @property
    def digest(self) -> str:
        """The identity of the only entry: 64 hexadecimal digits.

        Raises:
            ValueError: if there are several: see `entries`. So do the properties below.
        """
        return self._only.digest

    @property
    def route(self) -> str:
        """How proofs for the only entry are made: `tensor` or `cairo`."""
        return self._only.route

    @property
    def preset(self) -> str:
        """The security parameters of the only entry: `standard`, `compact`, `proven`, or `chain` for Starknet."""
        return self._only.preset

    @property
    def batch(self) -> int:
        """How many inferences a proof for the only entry is about."""
        return self._only.batch

    @property
    def security_bits(self) -> int:
        """Bits of security of proofs for the only entry, by the conjecture behind most deployed STARKs."""
        return self._only.security_bits

    @property
    def proven_security_bits(self) -> int:
        """Bits of security of the only entry that hold without a conjecture."""
        return self._only.proven_security_bits

    @property
    def hides(self) -> bool:
        """Whether proofs for the only entry hide what they do not state of inputs and execution."""
        return self._only.hides

    @property
    def _only(self) -> KeyEntry:
        entries = self.entries
        if len(entries) != 1:
            raise ValueError(f"the key has {len(entries)} entries: see `key.entries`")
        return entries[0]

    @property
    def inputs(self) -> Tensors:
        """Shapes of the model's inputs, by name."""
        return {name: tuple(shape) for name, shape in self._inner.inputs}

    @property
    def outputs(self) -> Tensors:
        """Shapes of the model's outputs, by name."""
        return {name: tuple(shape) for name, shape in self._inner.outputs}

    def __eq__(self, other: object) -> bool:
        return self.to_bytes() == other.to_bytes() if isinstance(other, Key) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.to_bytes())

    def __reduce__(self) -> tuple[object, ...]:
        return (Key.from_bytes, (self.to_bytes(),))

    def __repr__(self) -> str:
        kinds = [
            f"{e.digest[:16]} route={e.route} preset={e.preset} batch={e.batch}{' hiding' if e.hides else ''}"
            for e in self.entries
        ]
        return f"<ciro.Key {', '.join(kinds)}>"

    def _repr_html_(self) -> str:
        rows: dict[str, object] = {}
        for entry in self.entries:
            bits = f"{entry.security_bits} bits, {entry.proven_security_bits} of them proven"
            kind = f"{entry.route}, {entry.preset}, {entry.batch} inference(s){', hiding' if entry.hides else ''}"
            rows[kind] = f"{entry.digest}, {bits}"
        return _html.table("Ciro model key", rows)
