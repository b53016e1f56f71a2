"""Model keys."""

from __future__ import annotations

import os
from typing import Union

from . import _ciro, _html

#: Name and shape of each input or output.
Tensors = dict[str, tuple[int, ...]]


class Key:
    """What a verifier holds instead of the model: a commitment to its graph, weights and scales, in less than 10 kB.

    Whoever trusts a model makes its key (`Model.key`) and publishes it. A verifier never takes it from the prover.
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
    def digest(self) -> str:
        """The identity of the key: 64 hexadecimal digits."""
        return self._inner.digest

    @property
    def route(self) -> str:
        """How proofs for this key are made: `tensor` or `cairo`."""
        return self._inner.route

    @property
    def preset(self) -> str:
        """The security parameters: `standard`, `compact` or `proven`."""
        return self._inner.preset

    @property
    def batch(self) -> int:
        """How many inferences a proof for this key is about."""
        return self._inner.batch

    @property
    def security_bits(self) -> int:
        """Bits of security of proofs for this key, by the conjecture behind most deployed STARKs."""
        return self._inner.security[0]

    @property
    def proven_security_bits(self) -> int:
        """Bits of security that hold without a conjecture."""
        return self._inner.security[1]

    @property
    def inputs(self) -> Tensors:
        """Shapes of the model's inputs, by name."""
        return {name: tuple(shape) for name, shape in self._inner.inputs}

    @property
    def outputs(self) -> Tensors:
        """Shapes of the model's outputs, by name."""
        return {name: tuple(shape) for name, shape in self._inner.outputs}

    def __eq__(self, other: object) -> bool:
        return self.digest == other.digest if isinstance(other, Key) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.digest)

    def __reduce__(self) -> tuple[object, ...]:
        return (Key.from_bytes, (self.to_bytes(),))

    def __repr__(self) -> str:
        return f"<ciro.Key {self.digest[:16]} route={self.route} preset={self.preset} batch={self.batch}>"

    def _repr_html_(self) -> str:
        rows = {
            "digest": self.digest,
            "route, preset": f"{self.route}, {self.preset}",
            "inferences in a proof": self.batch,
            "security": f"{self.security_bits} bits, {self.proven_security_bits} of them proven",
        }
        return _html.table("Ciro model key", rows)
