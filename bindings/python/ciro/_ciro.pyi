"""
Models, keys and proofs.
"""

from collections.abc import Sequence
from os import PathLike
from typing import Any, Final, final

VERSION: Final[str]
"""
Version of the library.
"""

@final
class Array:
    """
    An array of numbers or texts that has yet to be matched with an input.
    """
    def __new__(cls, /, name: str | None, shape: Sequence[int], data: bytes) -> Array:
        """
        Takes the elements as little-endian float64, in row-major order.
        """
    @staticmethod
    def texts(name: str | None, shape: Sequence[int], texts: Sequence[str]) -> Array:
        """
        Takes texts in row-major order.
        """

@final
class Client:
    """
    A user's connection to a node.
    """
    def __new__(cls, /, node: str | None = None, account: str | None = None, passphrase_file: str | PathLike[str] | None = None, home: str | PathLike[str] | None = None) -> Client:
        """
        Connects to a node of the network in use; `home` is the user's folder.
        """
    def address(self, /) -> str:
        """
        The address of the account that signs.
        """
    def balance(self, /) -> str:
        """
        What the account holds, in CIRO.
        """
    def claim_airdrop(self, /, shares: str, index: int) -> tuple[str, int, str]:
        """
        Pays a share of the airdrop out, of a list of all of them as JSON.
        """
    def deploy(self, /, model: Model, keys: Key, card: tuple[str | None, str, str, str], observer: Any | None = None) -> tuple[str, bool]:
        """
        Uploads a model and registers it with these keys: its id, and whether it was known.
        """
    def economy(self, /) -> str:
        """
        Supply and parameters, as JSON.
        """
    def execute(self, /, body: str) -> tuple[str, int, str]:
        """
        Executes a transaction, whose body is JSON: its id, its block and its fee.
        """
    def faucet(self, /) -> None:
        """
        Takes what the network's faucet gives.
        """
    def job(self, /, id: str, keys: Key) -> Job:
        """
        A job that was ordered before, whose proof is to verify under a key of the ring.
        """
    def launches(self, /) -> str:
        """
        All launches, as JSON.
        """
    @property
    def network(self, /) -> tuple[str, str]:
        """
        The network, and the node's address.
        """
    def proposals(self, /) -> str:
        """
        All proposals, as JSON.
        """
    def propose(self, /, title: str, action: str) -> str:
        """
        Proposes a change, given as JSON, and returns the proposal as JSON.
        """
    def quote(self, /, key: Key, asked: tuple[str | None, str | None, str | None, int | None, Sequence[str]], model: Model | None = None) -> tuple[str, str, str, str, str]:
        """
        What an inference would cost: the model's id, the lowest and the highest price, collateral,
        the fee of an order.
        """
    def register_validator(self, /, key: str | PathLike[str], terms: tuple[int, int, int], bond: str) -> tuple[str, int, str]:
        """
        Registers the account as a validator's operator: the file of its key, the terms of its
        commission and its bond.
        """
    def stake(self, /, address: str | None = None) -> tuple[str, int]:
        """
        What an account has at stake, what leaves, and what is granted to it, as JSON, and the
        ledger's time in ms.
        """
    def submit(self, /, model: Model, inputs: Inputs, settings: ProveSettings, asked: tuple[str | None, str | None, str | None, int | None, Sequence[str]], min_security: tuple[int, int] = ..., observer: Any | None = None) -> Job:
        """
        Orders an inference and waits until the ledger has opened the job.
        """
    def validators(self, /) -> str:
        """
        All validators, as JSON.
        """

@final
class Inputs:
    """
    Arrays that become samples of a model.
    """
    def __new__(cls, /, arrays: Sequence[Array]) -> Inputs:
        """
        Takes arrays as they are.
        """
    @property
    def digest(self, /) -> str:
        """
        BLAKE2s-256 of names, shapes and elements, in hexadecimal digits.
        """
    @staticmethod
    def read(path: str | PathLike[str]) -> Inputs:
        """
        Reads a JSON, `.npy` or `.npz` file. Other threads go on meanwhile: one of them may be what
        writes into a pipe.
        """

@final
class Job:
    """
    A job that was ordered.
    """
    def cancel(self, /) -> None:
        """
        Takes the order back, if nobody has claimed it.
        """
    @property
    def id(self, /) -> str:
        """
        Its id.
        """
    def info(self, /) -> str:
        """
        How it stands, as the node says, as JSON.
        """
    @property
    def key(self, /) -> Key:
        """
        The key that its proof is verified with.
        """
    def receipt(self, /, patience: float) -> bytes:
        """
        Waits until validators certified how it ended: the receipt with all that proves it.
        """
    def result(self, /, patience: float, observer: Any | None = None) -> tuple[Proof, list[list[Output]], str]:
        """
        Waits for the result, and verifies it.
        """

@final
class Key:
    """
    What a verifier holds instead of the model: keys, one for each kind of proof.
    """
    @property
    def entries(self, /) -> list[tuple[str, str, str, int, tuple[int, int], bool]]:
        """
        For every entry its digest, route, preset, batch, bits of security (conjectured, proven),
        and whether proofs hide.
        """
    @staticmethod
    def from_bytes(data: bytes) -> Key:
        """
        Decodes the bytes of a key file.
        """
    @property
    def inputs(self, /) -> list[tuple[str, list[int]]]:
        """
        Names and shapes of the inputs.
        """
    def joined(self, /, other: Key) -> Key:
        """
        The keys of this one and of another of the same model.
        """
    @staticmethod
    def load(path: str | PathLike[str]) -> Key:
        """
        Reads a key file.
        """
    @property
    def outputs(self, /) -> list[tuple[str, list[int]]]:
        """
        Names and shapes of the outputs.
        """
    def save(self, /, path: str | PathLike[str]) -> None:
        """
        Writes a key file, whole or not at all.
        """
    def select(self, /, proof: Proof) -> Key:
        """
        The key for such proofs alone.
        """
    def to_bytes(self, /) -> bytes:
        """
        The bytes of a key file.
        """

@final
class Model:
    """
    A compiled model.
    """
    @property
    def accuracy(self, /) -> tuple[str, str]:
        """
        The accuracy report as JSON and as a table.
        """
    @property
    def calibration(self, /) -> tuple[str | None, str, bool] | None:
        """
        What the model was calibrated with: the file's name, if it was one, the samples' digest, and
        whether they were found beside the model. `None` for guessed ranges, and for a compiled
        model, which does not say.
        """
    @property
    def concerns(self, /) -> list[tuple[str, str]]:
        """
        What the user should know before relying on the model: for each concern its word, and a
        sentence with what to do.
        """
    def confirm(self, /) -> None:
        """
        Compiles a model from the cache anew and compares, once, before others rely on it: whoever
        can write into the cache decides what lies there.
        """
    def count(self, /, inputs: Inputs) -> int:
        """
        How many samples these inputs are.
        """
    def examine(self, /, inputs: Inputs) -> list[tuple[str, str]]:
        """
        What is lost when samples are proven, as `concerns`; raises if the model does not take one
        of them.
        """
    @staticmethod
    def from_bytes(data: bytes) -> Model:
        """
        Decodes the bytes of a `.ciro-model` file.
        """
    @property
    def inputs(self, /) -> list[tuple[str, list[int]]]:
        """
        Names and shapes of the inputs.
        """
    def key(self, /, kinds: tuple[Sequence[str], Sequence[str], Sequence[int], Sequence[bool]], commit: tuple[bool, bool] = ..., max_memory: int | None = None, observer: Any | None = None) -> Key:
        """
        The keys of this model's proofs: of every combination of routes, presets, batch sizes and
        whether they hide that a route has, for proofs that commit to inputs or outputs if `commit`
        says so.
        """
    def key_for(self, /, proof: Proof, route: str, max_memory: int | None = None, observer: Any | None = None) -> Key:
        """
        The key to verify a proof against, for whoever trusts this model.
        """
    @staticmethod
    def load(path: str | PathLike[str]) -> Model:
        """
        Reads a `.ciro-model` file.
        """
    @staticmethod
    def open(path: str | PathLike[str], settings: OpenSettings, observer: Any | None = None) -> Model:
        """
        Opens a file: a compiled model, or an ONNX file, which is compiled or found in the user's
        cache.
        """
    @staticmethod
    def open_bytes(data: bytes, name: str, settings: OpenSettings, observer: Any | None = None) -> Model:
        """
        Opens the bytes of a compiled model or of an ONNX file without external weights; `name` is
        for reports.
        """
    @property
    def outputs(self, /) -> list[tuple[str, list[int]]]:
        """
        Names and shapes of the outputs.
        """
    def prove(self, /, inputs: Inputs, settings: ProveSettings, observer: Any | None = None) -> tuple[Proof, list[list[Output]], Key, str | None, float, list[tuple[int, str, str, str]]]:
        """
        Proves what the model says about samples, all in one proof: the proof, the outputs, the key,
        what opens the commitment to the input if there is one, the milliseconds that it took, and
        what opens the commitments to single inputs and outputs.
        """
    def run(self, /, inputs: Inputs, observer: Any | None = None) -> tuple[list[list[Output]], list[tuple[str, str]]]:
        """
        Runs the integer model on samples, without a proof: outputs, and what was lost, as
        `concerns`.
        """
    def save(self, /, path: str | PathLike[str]) -> None:
        """
        Writes a `.ciro-model` file, whole or not at all.
        """
    @property
    def size(self, /) -> tuple[int, int]:
        """
        Numbers that were learned, and the constants beside them; multiply-accumulate operations of
        one run.
        """
    @property
    def source(self, /) -> tuple[str, str, str]:
        """
        File name of the ONNX model, who wrote it, and who compiled it.
        """
    def to_bytes(self, /) -> bytes:
        """
        The bytes of a `.ciro-model` file.
        """
    def transpile(self, /, folder: str | PathLike[str], name: str, observer: Any | None = None) -> str:
        """
        Writes the model as a Cairo package into a new or an empty folder, whole or not at all;
        gives the hash of its program.
        """
    @property
    def unconfirmed(self, /) -> bool:
        """
        Whether the model comes from the cache and is not compared yet.
        """

@final
class OpenSettings:
    """
    How a model is opened: compiled, and calibrated with what.
    """
    def __new__(cls, /, *, calibration: Inputs | None = None, calibration_file: str | PathLike[str] | None = None, given: Inputs | None = None, secret: bool = False, cache: bool = False, shapes: dict[str, Sequence[int]] | None = None, activation_bits: int | None = None, input_bits: int | None = None, output_bits: int | None = None, table_bits: int | None = None, margin: float | None = None, input_headroom: float | None = None) -> OpenSettings:
        """
        Takes everything by name; what is left out has the library's default. Without samples, and
        without a file of them, those that lie beside the model are taken, and without such `given`,
        what the model will be asked, if it is not `secret`. `cache` lets the compiled form come
        from the user's cache.
        """

@final
class Output:
    """
    One output of one inference.
    """
    @property
    def integers(self, /) -> bytes:
        """
        The integers that are proven: little-endian int32 in row-major order.
        """
    @property
    def labels(self, /) -> list[str] | None:
        """
        Class names in row-major order, if the output holds names.
        """
    @property
    def name(self, /) -> str:
        """
        The ONNX output's name.
        """
    @property
    def shape(self, /) -> list[int]:
        """
        Its shape.
        """
    @property
    def values(self, /) -> bytes:
        """
        What they stand for: little-endian float64 in row-major order.
        """

@final
class Program:
    """
    A Cairo program.
    """
    @staticmethod
    def from_bytes(data: bytes) -> Program:
        """
        Decodes the bytes of an executable.
        """
    @property
    def key(self, /) -> ProgramKey:
        """
        What verifiers hold of it.
        """
    @staticmethod
    def load(path: str | PathLike[str]) -> Program:
        """
        Reads the file of an executable.
        """
    def prove(self, /, arguments: Sequence[str], max_memory: int | None = None) -> tuple[ProgramProof, list[str], int, float]:
        """
        Runs it on felts, in so many bytes of memory, and proves what it prints.
        """
    def run(self, /, arguments: Sequence[str], max_memory: int | None = None) -> tuple[list[str], int]:
        """
        Runs it on felts, in so many bytes of memory; what it prints, and its steps.
        """

@final
class ProgramKey:
    """
    What a verifier holds of a program.
    """
    @property
    def builtins(self, /) -> list[str]:
        """
        Names of the builtins that the program takes.
        """
    @property
    def digest(self, /) -> str:
        """
        Its identity, in hexadecimal digits.
        """
    @staticmethod
    def from_bytes(data: bytes) -> ProgramKey:
        """
        Decodes the bytes of a key file.
        """
    @staticmethod
    def load(path: str | PathLike[str]) -> ProgramKey:
        """
        Reads a key file.
        """
    @property
    def program_hash(self, /) -> str:
        """
        The hash of the program, in hexadecimal digits.
        """
    def save(self, /, path: str | PathLike[str]) -> None:
        """
        Writes a key file, whole or not at all.
        """
    @property
    def security(self, /) -> tuple[int, int]:
        """
        Bits of security of proofs: conjectured, proven.
        """
    def to_bytes(self, /) -> bytes:
        """
        The bytes of a key file.
        """

@final
class ProgramProof:
    """
    A proof that a program printed an output.
    """
    @staticmethod
    def from_bytes(data: bytes) -> ProgramProof:
        """
        Decodes the bytes of a file.
        """
    @property
    def key(self, /) -> str:
        """
        The identity of the key that the proof names, in hexadecimal digits.
        """
    @staticmethod
    def load(path: str | PathLike[str]) -> ProgramProof:
        """
        Reads a file.
        """
    def save(self, /, path: str | PathLike[str]) -> None:
        """
        Writes a file, whole or not at all.
        """
    def to_bytes(self, /) -> bytes:
        """
        The bytes of a file.
        """

@final
class Proof:
    """
    A statement and its proof.
    """
    @property
    def batch(self, /) -> int:
        """
        Inferences that the proof is about.
        """
    def calldata(self, /, key: Key) -> tuple[str, str, str, str, list[str]]:
        """
        The proof as the contract on Starknet takes it: the model's id, the fact, the hashes of
        inputs and of outputs, and the arguments, all in hexadecimal digits.
        """
    @property
    def context(self, /) -> str | None:
        """
        What the proof is bound to beside its key, inputs and outputs, in hexadecimal digits; `None`
        if to nothing.
        """
    @staticmethod
    def from_bytes(data: bytes) -> Proof:
        """
        Decodes the bytes of a `.ciro` file.
        """
    @property
    def hides(self, /) -> bool:
        """
        Whether the proof says that it hides what it does not state of inputs and execution.
        """
    def integers(self, /, key: Key) -> list[list[tuple[list[int], bytes]]]:
        """
        The claimed outputs of every inference, for this key: shapes, and little-endian int32 in
        row-major order.
        """
    @staticmethod
    def load(path: str | PathLike[str]) -> Proof:
        """
        Reads a `.ciro` file.
        """
    @property
    def model_key(self, /) -> str:
        """
        The identity of the key that the proof names, in hexadecimal digits.
        """
    @property
    def preset(self, /) -> str:
        """
        Name of the security parameters.
        """
    @property
    def route(self, /) -> str:
        """
        Name of the route.
        """
    def save(self, /, path: str | PathLike[str]) -> None:
        """
        Writes a `.ciro` file, whole or not at all.
        """
    def to_bytes(self, /) -> bytes:
        """
        The bytes of a `.ciro` file.
        """

@final
class ProveSettings:
    """
    How inferences are proven.
    """
    def __new__(cls, /, *, route: str, preset: str, batch: int = 1, private: bool = False, commit_input: bool = False, commit_output: bool = False, context: str | None = None, max_memory: int | None = None) -> ProveSettings:
        """
        Takes route and preset by their names, whether proofs hide, whether to commit to inputs
        instead of stating them, what else to bind proofs to, in hexadecimal digits, and the most
        memory, in bytes, that a proof may be expected to take.
        """

@final
class RealInput:
    """
    A proven input of one inference.
    """
    @property
    def name(self, /) -> str:
        """
        The ONNX input's name.
        """
    @property
    def shape(self, /) -> list[int]:
        """
        Its shape.
        """
    @property
    def texts(self, /) -> list[str | None] | None:
        """
        Its texts in row-major order, if it is text; none for a text that the model does not know.
        """
    @property
    def values(self, /) -> bytes:
        """
        Its elements: little-endian float64 in row-major order.
        """

@final
class Starknet:
    """
    A connection to a node of Starknet.
    """
    def __new__(cls, /, settings: str) -> Starknet:
        """
        Connects to the node of settings: the name of a file in the user's folder, or a path that
        ends in `.toml`.
        """
    @property
    def network(self, /) -> tuple[str, str]:
        """
        The chain, and the address of `Facts`.
        """
    def prove(self, /, proof: Proof, keys: Key, max_fee: str) -> tuple[str, int, tuple[str, int, int] | None]:
        """
        Verifies a proof, and has its fact proven: the fact, when that was, in seconds since 1970,
        and what it cost, if it was not proven before. No transaction costs more than `max_fee`
        STRK.
        """
    def proven_at(self, /, fact: str) -> int | None:
        """
        When a fact was first proven, in seconds since 1970; `None` if it was not.
        """
    def register(self, /, keys: Key, uri: str, max_fee: str) -> tuple[str, tuple[str, int, int] | None]:
        """
        Registers the only key of a ring, with where the model's files are; the model's id, and what
        it cost, if it was not registered before. No transaction costs more than `max_fee` STRK.
        """

@final
class Verified:
    """
    What a verified proof establishes.
    """
    @property
    def clamped(self, /) -> int | None:
        """
        Values of the given inputs that lie outside of the calibrated range; `None` if none were
        given.
        """
    @property
    def inputs(self, /) -> list[list[RealInput]] | None:
        """
        Inputs of every inference; `None` if the proof commits to them.
        """
    @property
    def outputs(self, /) -> list[list[Output]]:
        """
        Outputs of every inference.
        """
    @property
    def recomputed(self, /) -> int | None:
        """
        Inferences that the model was run on again; `None` without a model.
        """
    @property
    def security(self, /) -> tuple[int, int]:
        """
        Bits of security: conjectured, proven.
        """

def check_bytes(data: bytes, name: str, compile: OpenSettings, prove: ProveSettings | None, observer: Any | None = None) -> tuple[list[tuple[str, str, str, str | None]], tuple[int | None, int | None, float, int, int, int, int] | None]:
    """
    Checks the bytes of a model, an ONNX file without external weights or its compiled form; `name`
    is for reports. Without settings of proofs only what the import refuses.
    """

def check_file(path: str | PathLike[str], compile: OpenSettings, prove: ProveSettings | None, observer: Any | None = None) -> tuple[list[tuple[str, str, str, str | None]], tuple[int | None, int | None, float, int, int, int, int] | None]:
    """
    Checks a model, an ONNX file or its compiled form; without settings of proofs only what the
    import refuses.
    """

def check_model(model: Model, prove: ProveSettings, observer: Any | None = None) -> tuple[list[tuple[str, str, str, str | None]], tuple[int | None, int | None, float, int, int, int, int] | None]:
    """
    Checks a model that is compiled already.
    """

def check_receipt(receipt: bytes, genesis: str | PathLike[str] | None = None, proof: Proof | None = None, keys: Key | None = None, pin: str | None = None) -> tuple[int, str]:
    """
    Checks a receipt against a genesis: the block that it is certified by, and the receipt as JSON.
    """

def input_names(data: bytes) -> list[str]:
    """
    Names of the inputs that an ONNX file declares.
    """

def is_compiled(data: bytes) -> bool:
    """
    Whether bytes begin as a compiled model does.
    """

def is_compiled_file(path: str | PathLike[str]) -> bool:
    """
    Whether a file holds a compiled model, by its content or its name.
    """

def printable(text: str) -> str:
    """
    A text in which nothing acts on a terminal or hides.
    """

def target() -> str:
    """
    Architecture and CPU features that the library is compiled for.
    """

def verify(proof: Proof, against: tuple[Key, Model | None], min_security: tuple[int, int], asked: tuple[Inputs | None, str | None, bool, str | None] = ..., observer: Any | None = None) -> Verified:
    """
    Verifies a proof, that it is about these inputs and bound to this context if there are any, and
    that the model says the same if there is one.

    `min_security` are the bits that are asked for: conjectured, proven.
    """

def verify_program(proof: ProgramProof, key: ProgramKey, min_security: tuple[int, int]) -> list[str]:
    """
    Verifies a proof against the key of a program; what it printed, in hexadecimal digits.

    `min_security` are the bits that are asked for: conjectured, proven.
    """
