"""Proofs, and what they establish."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Union

import numpy as np
from numpy.typing import NDArray

from . import _ciro, _html
from ._arrays import Inputs, Values, integers, is_path, join, to_inputs, to_values
from ._calldata import Calldata
from ._jobs import Job
from ._key import Key
from ._receipt import Receipt
from .errors import CiroError

if TYPE_CHECKING:
    from ._model import Model

#: What a proof is verified against: a key, the file of one, or the model itself (compiled).
KeyLike = Union[Key, "Model", str, "os.PathLike[str]", bytes]

#: What a proof is bound to beside model, inputs and outputs: 32 bytes, big-endian, or hexadecimal digits; below the Stark prime.
Context = Union[bytes, str]

#: A proof, its file, or its bytes.
ProofLike = Union["Proof", str, "os.PathLike[str]", bytes]


@dataclass(frozen=True)
class Verified:
    """What a verified proof establishes: the model of this key, on the proven inputs, gave these outputs.

    Whether the proven inputs are the ones you asked about is compared only if you pass them to `verify`: see `inputs_checked`.
    """

    #: The outputs by name, in the model's order; `outputs[0]` is the first. float64 numbers, or class names.
    outputs: Values
    #: The identity of the key.
    model_key: str
    #: How it was proven.
    route: str
    #: The security parameters.
    preset: str
    #: How many inferences the proof is about.
    batch: int
    #: Bits of security, by the conjecture behind most deployed STARKs.
    security_bits: int
    #: Bits of security that hold without a conjecture.
    proven_security_bits: int
    #: Milliseconds that the verification took.
    verify_ms: float
    #: The proven inputs by name, as real numbers: as near as the model tells them apart. `None` if the proof commits to them.
    inputs: Optional[Values] = None
    #: Whether the proven inputs were compared with given ones.
    inputs_checked: bool = False
    #: How many values of the given inputs lie outside of the calibrated range; `None` if none were given.
    clamped: Optional[int] = None
    #: How many inferences the model was run on again, with equal results; `None` if the proof was verified against a key.
    recomputed: Optional[int] = None
    #: What the proof is bound to beside model, inputs and outputs, in hexadecimal digits; `None` if to nothing.
    context: Optional[str] = None
    #: Whether the proof hides what it does not state of inputs and execution. The model is public in any case.
    hides: bool = False

    @property
    def output(self) -> NDArray[Any]:
        """The first output."""
        return self.outputs[0]


class Opening(NamedTuple):
    """What opens the commitment to one input or output: whoever has it and the integers can show what was committed to."""

    #: The inference's position in the proof.
    sample: int
    #: `input` or `output`.
    side: str
    #: The tensor's name.
    name: str
    #: 64 hexadecimal digits, to be kept, and kept secret.
    blinding: str


class Made(NamedTuple):
    """What only whoever made a proof knows of it."""

    outputs: Values
    key: Key
    blinding: Optional[str]
    # `None` if a provider made it.
    prove_ms: Optional[float]
    # The model, if it comes from the cache and nobody has compared it yet.
    unconfirmed: Optional[_ciro.Model] = None
    openings: Sequence[Opening] = ()
    # What the ledger says of the job, if a provider made it.
    receipt: Optional[Receipt] = None


class Proof:
    """A statement and its proof: this model, on these inputs, gave these outputs.

    A proof from `Model.prove` knows its outputs. One that comes from a file or from bytes knows them after `verify`: before, its claims
    are not to be believed, and without the key its integers mean nothing.
    """

    def __init__(self, inner: _ciro.Proof) -> None:
        self._inner = inner
        self._outputs: Optional[Values] = None
        self._made_here: Optional[Made] = None
        self._verified_with: Optional[Key] = None

    @classmethod
    def _made(cls, inner: _ciro.Proof, made: Made) -> Proof:
        proof = cls(inner)
        proof._outputs, proof._made_here = made.outputs, made
        return proof

    @classmethod
    def load(cls, path: Union[str, os.PathLike[str]]) -> Proof:
        """Reads a `.ciro` file.

        Raises:
            OSError: if it cannot be read.
            InvalidProofError: if it is no proof of this version.
        """
        return cls(_ciro.Proof.load(os.fspath(path)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Proof:
        """Decodes the bytes of a `.ciro` file.

        Raises:
            InvalidProofError: if they are no proof of this version.
        """
        return cls(_ciro.Proof.from_bytes(data))

    def save(self, path: Union[str, os.PathLike[str]]) -> None:
        """Writes a `.ciro` file, whole or not at all.

        Raises:
            OSError: if it cannot be written.
        """
        self._inner.save(os.fspath(path))

    @property
    def context(self) -> Optional[str]:
        """What the proof is bound to beside model, inputs and outputs, in hexadecimal digits; `None` if to nothing.

        True once the proof is verified.
        """
        return self._inner.context

    def to_bytes(self) -> bytes:
        """The bytes of a `.ciro` file."""
        return self._inner.to_bytes()

    def verify(
        self,
        key: KeyLike,
        *,
        inputs: Optional[Inputs] = None,
        blinding: Optional[str] = None,
        allow_clamped: bool = False,
        context: Optional[Context] = None,
        min_security_bits: int = 100,
        min_proven_bits: int = 0,
        route: str = "tensor",
        max_memory: Optional[int] = None,
        progress: bool = False,
    ) -> Verified:
        """Verifies the proof; see `ciro.verify`."""
        trusted, model = _resolve(key, self, route, max_memory)
        if blinding is not None and inputs is None:
            raise ValueError("a blinding value opens the commitment to an input: pass `inputs` too")
        given = None if inputs is None else to_inputs(inputs, list(trusted.inputs))
        policy = (min_security_bits, min_proven_bits)
        start = time.perf_counter()
        with Job("verify", progress) as observer:
            against = (trusted._inner, None if model is None else model._inner)
            asked = (given, blinding, allow_clamped, None if context is None else digits(context))
            verified = _ciro.verify(self._inner, against, policy, asked, observer)
        verify_ms = (time.perf_counter() - start) * 1e3
        self._outputs, self._verified_with = to_values(verified.outputs), trusted
        security_bits, proven_security_bits = verified.security
        return Verified(
            outputs=self._outputs,
            model_key=self.model_key,
            route=self.route,
            preset=self.preset,
            batch=self.batch,
            security_bits=security_bits,
            proven_security_bits=proven_security_bits,
            verify_ms=verify_ms,
            inputs=None if verified.inputs is None else to_values(verified.inputs),
            inputs_checked=given is not None,
            clamped=verified.clamped,
            recomputed=verified.recomputed,
            context=self.context,
            hides=self.hides,
        )

    def calldata(self, key: KeyLike, *, max_memory: Optional[int] = None) -> Calldata:
        """The proof as the contract `Facts` on Starknet takes it. Whether it convinces is not asked: `ciro.Starknet.prove` verifies it first.

        Args:
            key: as for `verify`, for proofs of `preset="chain"`.
            max_memory: as for `verify`.

        Raises:
            ValueError: if the contract takes no proofs of the key's route or preset.
            InvalidProofError: if the proof is about another key.
            CiroError: if the proof does not fit into a transaction, or the contract's verifier does not take the model.
        """
        trusted, _ = _resolve(key, self, "tensor", max_memory)
        return Calldata(*self._inner.calldata(trusted._inner))

    @property
    def output(self) -> NDArray[Any]:
        """The first output: float64 numbers, or class names.

        One inference has the output's own shape; several are one behind the other, `[N, ...]`.

        Raises:
            CiroError: if the proof comes from a file and is not verified yet.
        """
        return self.outputs[0]

    @property
    def outputs(self) -> Values:
        """All outputs by name, in the model's order; as `output`."""
        if self._outputs is None:
            raise CiroError("the outputs of this proof are not known yet", "verify it first: `proof.verify(key)`")
        return self._outputs

    @property
    def output_int(self) -> list[NDArray[np.int32]]:
        """The integers of every output: what is proven, before it is given its meaning; as `output`."""
        key = self._verified_with or (None if self._made_here is None else self._made_here.key)
        if key is None:
            raise CiroError("the outputs of this proof are not known yet", "verify it first: `proof.verify(key)`")
        samples = self._inner.integers(key._inner)
        return [join([integers(data, shape) for shape, data in outputs]) for outputs in zip(*samples)]

    @property
    def key(self) -> Key:
        """The key of the model that made this proof; for whoever made it, to publish.

        A model from the cache is compiled anew and compared before.

        Raises:
            CiroError: if the proof comes from somewhere else: then the key has to come from whoever is trusted with the model.
        """
        if self._made_here is None:
            raise CiroError(
                "this proof does not come from a model of this process",
                "take the key from whoever you trust with the model",
            )
        if self._made_here.unconfirmed is not None:
            self._made_here.unconfirmed.confirm()
            self._made_here = self._made_here._replace(unconfirmed=None)
        return self._made_here.key

    @property
    def model_key(self) -> str:
        """The identity of the key that the proof names: 64 hexadecimal digits. A claim until it is verified."""
        return self._inner.model_key

    @property
    def route(self) -> str:
        """How it was proven: `tensor` or `cairo`."""
        return self._inner.route

    @property
    def preset(self) -> str:
        """The security parameters: `standard`, `compact`, `proven`, or `chain` for Starknet."""
        return self._inner.preset

    @property
    def batch(self) -> int:
        """How many inferences the proof is about."""
        return self._inner.batch

    @property
    def hides(self) -> bool:
        """Whether it hides what it does not state of inputs and execution. A claim until it is verified."""
        return self._inner.hides

    @property
    def prove_ms(self) -> Optional[float]:
        """Milliseconds from inputs to proof; `None` if the proof was not made here."""
        return None if self._made_here is None else self._made_here.prove_ms

    @property
    def receipt(self) -> Optional[Receipt]:
        """What the ledger says of the job, if a provider of a network made the proof; on the node's word. See `Job.receipt`."""
        return None if self._made_here is None else self._made_here.receipt

    @property
    def blinding(self) -> Optional[str]:
        """What opens the commitment to the input: 64 hexadecimal digits. `None` if the input is stated, or the proof was not made here.

        Keep it, and keep it secret: without it nobody can show what was committed to, and with it anybody can test a guess.
        """
        return None if self._made_here is None else self._made_here.blinding

    @property
    def openings(self) -> list[Opening]:
        """What opens the commitments to single inputs and outputs; empty if there are none, or the proof was not made here."""
        return [] if self._made_here is None else list(self._made_here.openings)

    def __len__(self) -> int:
        """The proof's size in bytes."""
        return len(self.to_bytes())

    def __bool__(self) -> bool:
        raise TypeError("a proof is neither true nor false: call `proof.verify(key)`, which raises if it is invalid")

    def __eq__(self, other: object) -> bool:
        return self.to_bytes() == other.to_bytes() if isinstance(other, Proof) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.to_bytes())

    def __reduce__(self) -> tuple[object, ...]:
        made = self._made_here
        if made is not None and made.unconfirmed is not None:
            made = made._replace(key=self.key, unconfirmed=None)
        return (_unpickle, (self.to_bytes(), self._outputs, made, self._verified_with))

    def __repr__(self) -> str:
        inferences = "1 inference" if self.batch == 1 else f"{self.batch} inferences"
        return f"<ciro.Proof of {inferences} by {self.model_key[:16]} route={self.route} preset={self.preset}>"

    def _repr_html_(self) -> str:
        rows: dict[str, object] = {
            "model key": self.model_key,
            "inferences": self.batch,
            "route, preset": f"{self.route}, {self.preset}",
            "size": _html.size(len(self)),
        }
        if self.prove_ms is not None:
            rows["proven in"] = f"{self.prove_ms:.1f} ms"
        for name, value in (self._outputs or {}).items():
            rows[name] = np.array2string(value, threshold=12, precision=4)
        return _html.table("Ciro proof", rows)


def verify(
    proof: ProofLike,
    key: KeyLike,
    *,
    inputs: Optional[Inputs] = None,
    blinding: Optional[str] = None,
    allow_clamped: bool = False,
    context: Optional[Context] = None,
    min_security_bits: int = 100,
    min_proven_bits: int = 0,
    route: str = "tensor",
    max_memory: Optional[int] = None,
    progress: bool = False,
) -> Verified:
    """Verifies a proof: the model of this key, on the proven inputs, gave the proven outputs.

    Args:
        proof: a proof, its file, or its bytes.
        key: a `Key`, its file or bytes, or the compiled model itself. It must come from whoever is trusted with the model, never with the
            proof. A model that was compiled with samples found beside its file is refused: whoever put them there would decide what it
            computes. A model is also run again on the proven inputs.
        inputs: what the proof has to be about, in any form that `Model.prove` takes; left out, any input is accepted, and
            `Verified.inputs` says which it is.
        blinding: what opens the proof's commitment to `inputs`, if it does not state them: `Proof.blinding` of whoever made it.
        allow_clamped: takes values of `inputs` outside of the calibrated range for its end, as the model does. Without it they are a
            mismatch: the proof is equally about other inputs.
        context: what the proof has to be bound to, as `Model.prove` takes it; `bytes(32)` asks for a proof that is bound to nothing. Left
            out, any context is accepted, and `Verified.context` says which it is.
        min_security_bits: bits of security to ask for, by the conjecture behind most deployed STARKs.
        min_proven_bits: bits of security to ask for that hold without a conjecture; 100 accepts the preset `proven` alone.
        route: whose proofs are accepted where `key` is a model; a key has one route. With `cairo` the model's program is compiled and
            run, which takes seconds.
        max_memory: the most bytes that committing to a model may be expected to take; of a proof against a key nothing is committed.
            Default: what the machine has free.
        progress: shows a progress bar.

    Returns:
        What is established. There is no `False`: a proof that does not convince raises.

    Raises:
        InvalidProofError: with the check that fails.
        OSError: if a file cannot be read.
        CiroError: if the key is no key.
        ValueError: if `inputs` does not fit the model.
        MemoryError: before anything is done, if the model would take too much for a proof of so many inferences.
    """
    return as_proof(proof).verify(
        key,
        inputs=inputs,
        blinding=blinding,
        allow_clamped=allow_clamped,
        context=context,
        min_security_bits=min_security_bits,
        min_proven_bits=min_proven_bits,
        route=route,
        max_memory=max_memory,
        progress=progress,
    )


def as_proof(proof: ProofLike) -> Proof:
    """A proof, from itself, a file or bytes."""
    if isinstance(proof, Proof):
        return proof
    if isinstance(proof, (bytes, bytearray, memoryview)):
        return Proof.from_bytes(bytes(proof))
    return Proof.load(proof)


def digits(context: Context) -> str:
    """A context in hexadecimal digits."""
    if isinstance(context, str):
        return context
    if len(context) != 32:
        raise ValueError(f"a context has 32 bytes, got {len(context)}")
    return bytes(context).hex()


def _resolve(key: KeyLike, proof: Proof, route: str, max_memory: Optional[int]) -> tuple[Key, Optional[Model]]:
    """The key to verify against, and the model if there is one."""
    from ._model import Model
    from ._sources import is_compiled

    if isinstance(key, Key):
        return key, None
    if isinstance(key, (bytes, bytearray, memoryview)):
        return Key.from_bytes(bytes(key)), None
    if not isinstance(key, Model):
        if not is_path(key):
            raise TypeError(f"expected a key, a compiled model or a path, got `{type(key).__name__}`")
        if not is_compiled(key):
            return Key.load(key), None
        key = Model.load(key)
    if key.calibration is not None and key.calibration.discovered:
        file = _ciro.printable(str(key.calibration.file))
        raise CiroError(
            f"the model was calibrated with `{file}`, which was found beside its file",
            "name the samples that you trust: `ciro.compile(..., calibration=...)`, or verify against a key",
        )
    key._inner.confirm()
    return Key(key._inner.key_for(proof._inner, route, max_memory)), key


def _unpickle(data: bytes, outputs: Optional[Values], made: Optional[Made], verified_with: Optional[Key]) -> Proof:
    proof = Proof.from_bytes(data)
    proof._outputs, proof._made_here, proof._verified_with = outputs, made, verified_with
    return proof
