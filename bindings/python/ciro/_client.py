"""The network: models are deployed, inferences ordered, and what comes back is verified here."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Optional, Union

from . import _ciro
from ._amount import Amount, amount
from ._arrays import Inputs, to_inputs, to_values
from ._economy import Economy
from ._jobs import Job as Observed
from ._jobs import logger
from ._key import Key
from ._model import Model, _warn, compile, prove_settings
from ._proof import Made, Proof, ProofLike, as_proof
from ._receipt import Receipt
from ._sources import ModelSource, is_compiled
from .errors import NetworkError

#: A model that is deployed, a compiled one, or anything that `compile` takes.
AnyModel = Union["RemoteModel", Model, ModelSource]


@dataclass(frozen=True)
class RemoteModel:
    """A model that a network knows."""

    #: Its id: `0x` and 64 hexadecimal digits.
    id: str
    #: The compiled model, which encodes inputs here.
    model: Model
    #: Its keys, computed here: what comes back is verified against them.
    key: Key
    #: Whether it was registered before.
    known: bool


@dataclass(frozen=True)
class Quote:
    """What an inference would cost, in CIRO."""

    #: The registered model.
    model: str
    #: The price at first; it rises until a provider takes the job.
    price_min: Decimal
    #: The price at last. It goes to escrow, and what is not spent of it comes back.
    price_max: Decimal
    #: What the provider puts at stake.
    collateral: Decimal
    #: What the ledger takes for an order, by its length and that of an open input; it does not come back.
    fee: Decimal


@dataclass(frozen=True)
class JobStatus:
    """How a job stands, on the node's word."""

    #: `open`, `claimed`, `settled` or `refunded`.
    state: str
    #: The attempt at hand, from 1; of an ended job, how many there were.
    attempt: int
    #: Who holds it, if somebody does.
    provider: Optional[int]

    @property
    def ended(self) -> bool:
        """Whether it is settled or refunded."""
        return self.state in ("settled", "refunded")


class Job:
    """An inference that was ordered."""

    def __init__(self, inner: _ciro.Job, model: Optional[Model] = None) -> None:
        self._inner = inner
        self._model = model

    @property
    def id(self) -> str:
        """Its id: `0x` and 64 hexadecimal digits."""
        return self._inner.id

    def status(self) -> JobStatus:
        """How it stands, on the node's word; `result` verifies."""
        info = json.loads(self._inner.info())
        held = info["held"]
        return JobStatus(info["state"], info["attempt"], None if held is None else int(held["provider"]))

    def result(self, *, patience: float = 300.0, progress: bool = False) -> Proof:
        """Waits for the proof, and verifies it against the key and the input of the order before it returns.

        Args:
            patience: seconds to wait.
            progress: shows a progress bar.

        Returns:
            The proof, with its outputs and its `receipt`.

        Raises:
            NetworkError: with the code `refunded` if no provider proved it; its price came back.
            InvalidProofError: if what came back is not the answer.
            TimeoutError: if nothing ended within `patience`; the job goes on.
            ConnectionError: if the node cannot be reached.
        """
        with Observed("result", progress) as observer:
            proof, outputs, text = self._inner.result(patience, observer)
        inner = None if self._model is None else self._model._inner
        unconfirmed = inner if inner is not None and inner.unconfirmed else None
        made = Made(to_values(outputs), Key(self._inner.key), None, None, unconfirmed, receipt=Receipt._parse(text))
        return Proof._made(proof, made)

    def receipt(self, *, patience: float = 60.0) -> bytes:
        """Waits until validators certified how the job ended: the receipt with all that proves it, for `ciro.verify_receipt`.

        Raises:
            TimeoutError: if they did not within `patience` seconds.
        """
        return self._inner.receipt(patience)

    def cancel(self) -> None:
        """Takes the order back.

        Raises:
            NetworkError: if a provider has claimed it.
        """
        self._inner.cancel()

    def __repr__(self) -> str:
        return f"<ciro.Job {self.id}>"


class Client(Economy):
    """A connection to a node of the network in use, for an account of the user's.

    `ciro network use` chooses network and account, and `ciro devnet up` prints the folder of such a choice; arguments choose otherwise. Nothing that a node says is
    believed: the network is the one whose genesis the user holds, and a result counts once its proof verifies here.
    It may be used from several threads at once, not in a process that was forked from its own.
    """

    def __init__(
        self,
        node: Optional[str] = None,
        *,
        account: Optional[str] = None,
        passphrase_file: Union[None, str, os.PathLike[str]] = None,
        home: Union[None, str, os.PathLike[str]] = None,
    ) -> None:
        """Connects.

        Args:
            node: the address of a node, such as `http://127.0.0.1:26610`.
            account: the name of the account that signs.
            passphrase_file: a file of mode 600 with its passphrase.
            home: the user's folder. Default: `$CIRO_HOME`, or `.ciro` in the home folder.

        Raises:
            CiroError: if no network is in use.
            ConnectionError: if the node cannot be reached.
            NetworkError: with the code `wrong_chain` if it belongs to another network.
        """
        passphrase = None if passphrase_file is None else os.fspath(passphrase_file)
        self._inner = _ciro.Client(node, account, passphrase, None if home is None else os.fspath(home))

    @property
    def network(self) -> str:
        """The network: the hash of its genesis."""
        return self._inner.network[0]

    @property
    def node(self) -> str:
        """The node's address."""
        return self._inner.network[1]

    @property
    def address(self) -> str:
        """The address of the account that signs."""
        return self._inner.address()

    def balance(self) -> Decimal:
        """What the account holds, in CIRO."""
        return Decimal(self._inner.balance())

    def faucet(self) -> Decimal:
        """Takes what the network's faucet gives; returns what the account holds then.

        Raises:
            NetworkError: if there is no faucet, or it has given already.
        """
        self._inner.faucet()
        return self.balance()

    def deploy(
        self,
        model: AnyModel,
        *,
        calibration: Optional[Inputs] = None,
        name: Optional[str] = None,
        version: str = "1",
        licence: str = "unspecified",
        price_hint: Amount = "0.01",
        batch: Union[int, Iterable[int]] = 1,
        route: Union[str, Iterable[str]] = "tensor",
        preset: Union[str, Iterable[str]] = "standard",
        private: Union[bool, Iterable[bool]] = False,
        commit_input: bool = False,
        commit_output: bool = False,
        progress: bool = False,
    ) -> RemoteModel:
        """Uploads a model and registers it; the same model is registered once, however often it is deployed.

        Args:
            model: a compiled model, or anything that `ciro.compile` takes.
            calibration: as for `ciro.compile`.
            name: its name on the network. Default: the file's.
            version: its version.
            licence: its licence.
            price_hint: what an inference is worth, in CIRO, for whoever asks for a price.
            batch: how many inferences a proof is about, or several such numbers; at most four keys come of the lists.
            route: `tensor`, `cairo`, or both.
            preset: as for `Model.make_key`.
            private: as for `Model.make_key`.
            commit_input: as for `Model.make_key`; sealed inputs need keys with `private=True, commit_input=True`.
            commit_output: as for `Model.make_key`.
            progress: shows a progress bar.

        Raises:
            NetworkError: if the network does not take it, or the account cannot pay.
            As `ciro.compile` and `Model.make_key`.
        """
        compiled = _compiled(model, calibration, progress)
        key = compiled.make_key(
            batch=batch,
            route=route,
            preset=preset,
            private=private,
            commit_input=commit_input,
            commit_output=commit_output,
            progress=progress,
        )
        card = (name, version, licence, amount(price_hint))
        with Observed("deploy", progress) as observer:
            found, known = self._inner.deploy(compiled._inner, key._inner, card, observer)
        return RemoteModel(found, compiled, key, known)

    def quote(self, model: Union[RemoteModel, Model, Key], *, batch: int = 1) -> Quote:
        """What an inference would cost now.

        Args:
            model: a deployed model, a compiled one, or a key with one entry.
            batch: how many samples go into the proof; a key says it itself.

        Raises:
            NetworkError: with the code `model_unknown` if nobody has deployed the model, `model_restricted` if those who have let some
                providers alone prove it.
        """
        named = model.id if isinstance(model, RemoteModel) else None
        if isinstance(model, Key):
            key, inner = model, None
        else:
            compiled = model.model if isinstance(model, RemoteModel) else model
            key, inner = compiled.make_key(batch=batch), compiled._inner
        found, *amounts = self._inner.quote(key._inner, (named, None, None, None, []), inner)
        least, most, collateral, fee = map(Decimal, amounts)
        return Quote(found, least, most, collateral, fee)

    def submit(
        self,
        model: AnyModel,
        inputs: Inputs,
        *,
        calibration: Optional[Inputs] = None,
        route: str = "tensor",
        preset: str = "standard",
        private: bool = False,
        sealed: Iterable[Union[int, str]] = (),
        commit_output: bool = False,
        price_min: Optional[Amount] = None,
        price_max: Optional[Amount] = None,
        provider: Optional[int] = None,
        min_security_bits: int = 100,
        min_proven_bits: int = 0,
        progress: bool = False,
    ) -> Job:
        """Orders an inference, and waits until the ledger has opened the job.

        Args:
            model: a deployed model, or one whose key somebody has deployed for every provider to prove.
            inputs: one sample or several, as for `Model.prove`; several go into one proof, for which the model needs a key.
            calibration: as for `ciro.compile`.
            route: as for `Model.prove`.
            preset: as for `Model.prove`.
            private: has the provider make a proof that hides the execution. The provider sees the input, and so does everybody who
                asks the network for the proof, unless it is `sealed`: orders state their inputs.
            sealed: seals the input for these providers, by account (`0x` and 64 digits) or by number: they alone read it, and may prove it.
                The order commits to the input, and the proof hides it. Whose account a number is, is the node's word.
            commit_output: lets the proof of a sealed input commit to the outputs too; the result shows them here alone.
            price_min: the price at first, in CIRO. Default: what a quarter of all bonds asks for, and half the median at least.
            price_max: the highest price. Default: twice the median of what providers ask for, by bond.
            provider: gives the job to this provider at once, at the price that it asks for now.
            min_security_bits: bits of security that the proof must have, by the conjecture behind most deployed STARKs.
            min_proven_bits: bits of security that it must have without a conjecture.
            progress: shows a progress bar.

        Raises:
            NetworkError: with the code `model_unknown` if nobody has deployed the model, `model_restricted` if those who have let some
                providers alone prove it, or why the ledger refuses the order.
            As `ciro.compile` and `Model.prove`.
        """
        compiled = _compiled(model, calibration, progress)
        given = to_inputs(inputs, list(compiled.inputs))
        _warn(compiled._inner.examine(given))
        recipients = [str(it) for it in sealed]
        if commit_output and not recipients:
            raise ValueError("`commit_output` is for sealed inputs: name the providers in `sealed`")
        private, secret = private or bool(recipients), bool(recipients)
        settings = prove_settings(route, preset, private=private, commit_input=secret, commit_output=commit_output)
        named = model.id if isinstance(model, RemoteModel) else None
        prices = [None if price is None else amount(price) for price in (price_min, price_max)]
        asked = (named, prices[0], prices[1], provider, recipients)
        policy = (min_security_bits, min_proven_bits)
        with Observed("submit", progress) as observer:
            job = self._inner.submit(compiled._inner, given, settings, asked, policy, observer)
        return Job(job, compiled)

    def submit_many(self, model: AnyModel, samples: Iterable[Inputs], **options: Any) -> list[Job]:
        """Orders an inference for each sample, one job each; `options` as for `submit`. See `ciro.as_completed`."""
        compiled = model if isinstance(model, RemoteModel) else _compiled(model, options.pop("calibration", None), False)
        return [self.submit(compiled, sample, **options) for sample in samples]

    def prove_inference(
        self, model: AnyModel, inputs: Inputs, *, patience: float = 300.0, progress: bool = False, **options: Any
    ) -> Proof:
        """Has a provider run a model and prove the result: `submit` and `Job.result` in one call.

        A model that the network does not know, or not for every provider, is deployed first, with a line in the log that says so.

        Args:
            model: as for `submit`.
            inputs: as for `submit`.
            patience: seconds to wait for the result.
            progress: shows a progress bar.
            **options: as for `submit`.

        Raises:
            As `submit`, `deploy` and `Job.result`.
        """
        compiled = model if isinstance(model, RemoteModel) else _compiled(model, options.pop("calibration", None), progress)
        try:
            job = self.submit(compiled, inputs, progress=progress, **options)
        except NetworkError as error:
            if error.code not in ("model_unknown", "model_restricted") or isinstance(compiled, RemoteModel):
                raise
            logger.info("the network has no such model that every provider may prove: it is deployed first")
            kinds = {name: options[name] for name in ("route", "preset", "private") if name in options}
            samples = compiled._inner.count(to_inputs(inputs, list(compiled.inputs)))
            remote = self.deploy(compiled, batch=samples, progress=progress, **kinds)
            job = self.submit(remote, inputs, progress=progress, **options)
        return job.result(patience=patience, progress=progress)

    def job(self, id: str, key: Key) -> Job:
        """A job that was ordered before.

        Args:
            id: its id.
            key: the keys of its model; its proof is verified against the one that was ordered.

        Raises:
            NetworkError: with the code `not_found` if there is no such job.
            InvalidProofError: if `key` has no entry for it.
        """
        return Job(self._inner.job(id, key._inner))

    def __repr__(self) -> str:
        return f"<ciro.Client of {self.network[:16]} at {self.node}>"


def as_completed(jobs: Iterable[Job], *, patience: float = 300.0) -> Iterator[Job]:
    """Yields jobs as they end, settled or refunded.

    Args:
        jobs: jobs of one client or of several.
        patience: seconds to wait for all of them.

    Raises:
        TimeoutError: if some have not ended by then.
    """
    waiting, begun = list(jobs), time.monotonic()
    while waiting:
        ended = [job for job in waiting if job.status().ended]
        yield from ended
        waiting = [job for job in waiting if job not in ended]
        if waiting and not ended:
            if time.monotonic() - begun > patience:
                raise TimeoutError(f"{len(waiting)} job(s) did not end within {patience:g} s")
            time.sleep(0.1)


def verify_receipt(
    receipt: Union[bytes, str, os.PathLike[str]],
    *,
    genesis: Union[None, str, os.PathLike[str]] = None,
    proof: Optional[ProofLike] = None,
    key: Optional[Key] = None,
    pin: Optional[str] = None,
) -> Receipt:
    """Verifies offline that validators certified how a job ended; with `proof` and `key` also that the proof is the receipt's and holds.

    Args:
        receipt: the bytes of `Job.receipt`, or a file of them.
        genesis: the network's genesis file, from whom you trust: it alone decides. Default: that of the network in use.
        proof: the proof, its file or its bytes.
        key: the key that it is verified against.
        pin: who votes in an epoch, from whom you trust: `EPOCH:0xDIGEST`, as `ciro network show` prints it. Without it the keys of all
            validators that there ever were are trusted, and those that left have nothing left to lose.

    Raises:
        InvalidProofError: with the check `receipt`, or the one that the proof fails.
        CiroError: if there is no genesis.
        ValueError: if `proof` comes without `key`, or the pin is none.
    """
    if (proof is None) != (key is None):
        raise ValueError("`proof` and `key` belong together")
    if isinstance(receipt, (bytes, bytearray, memoryview)):
        data = bytes(receipt)
    else:
        with open(receipt, "rb") as file:
            data = file.read()
    path = None if genesis is None else os.fspath(genesis)
    bundle = None if proof is None else as_proof(proof)._inner
    height, text = _ciro.check_receipt(data, path, bundle, None if key is None else key._inner, pin)
    return Receipt._parse(text, height)


def _compiled(model: AnyModel, calibration: Optional[Inputs], progress: bool) -> Model:
    if isinstance(model, RemoteModel):
        return model.model
    if isinstance(model, Model):
        return model
    if is_compiled(model):
        return Model.from_bytes(model) if isinstance(model, bytes) else Model.load(model)
    return compile(model, calibration=calibration, progress=progress)
