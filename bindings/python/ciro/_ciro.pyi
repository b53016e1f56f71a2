"""
Models, keys and proofs.
"""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Final, final

VERSION: Final[str]
"""
Version of the library.
"""

@final
class Array:
    """
    An array of real numbers that has yet to be matched with an input.
    """
    def __new__(cls, /, name: str | None, shape: Sequence[int], data: bytes) -> Array:
        """
        Takes the elements as little-endian float64, in row-major order.
        """

@final
class CompileSettings:
    """
    How a model is compiled.
    """
    def __new__(cls, /, *, calibration: Inputs | None = None, shapes: dict[str, Sequence[int]] | None = None, activation_bits: int | None = None, input_bits: int | None = None, output_bits: int | None = None, table_bits: int | None = None, margin: float | None = None, input_headroom: float | None = None) -> CompileSettings:
        """
        Takes everything by name; what is left out has the library's default.
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
        Reads a JSON, `.npy` or `.npz` file.
        """

@final
class Key:
    """
    What a verifier holds instead of the model.
    """
    @property
    def batch(self, /) -> int:
        """
        Inferences in one proof.
        """
    @property
    def digest(self, /) -> str:
        """
        The identity of the key, in hexadecimal digits.
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
        Writes a key file, whole or not at all.
        """
    @property
    def security(self, /) -> tuple[int, int]:
        """
        Bits of security: conjectured, proven.
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
    def clamped(self, /, inputs: Inputs) -> list[list[tuple[str, int]]]:
        """
        For every sample, the inputs with elements outside the calibrated range, and how many.
        """
    @staticmethod
    def compile_bytes(data: bytes, name: str, settings: CompileSettings, observer: Any | None = None) -> Model:
        """
        Compiles the bytes of an ONNX file without external weights; `name` is for reports.
        """
    @staticmethod
    def compile_file(path: str | PathLike[str], settings: CompileSettings, cached: bool, observer: Any | None = None) -> Model:
        """
        Compiles an ONNX file, or finds its compiled form in the user's cache.
        """
    @property
    def concerns(self, /) -> list[tuple[str | None, float, float]]:
        """
        What the user should know before relying on the model: output, mean relative error and top-1 agreement of each one that is not
        close to the float model; one without a name if the ranges are guessed.
        """
    def confirm(self, /) -> None:
        """
        Compiles a model from the cache anew and compares, once, before others rely on it: whoever can write into the cache decides what
        lies there.
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
    def key(self, /, settings: ProveSettings, observer: Any | None = None) -> Key:
        """
        The key of this model's proofs.
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
    @property
    def outputs(self, /) -> list[tuple[str, list[int]]]:
        """
        Names and shapes of the outputs.
        """
    def prove(self, /, inputs: Inputs, settings: ProveSettings, observer: Any | None = None) -> tuple[Proof, list[list[Output]], Key, str | None, float]:
        """
        Proves what the model says about samples, all in one proof: the proof, the outputs, the key, what opens the
        commitment to the input if there is one, and the milliseconds that it took.
        """
    @property
    def refuses_clamped(self, /) -> bool:
        """
        Whether inputs outside of the calibrated range are refused, because the range is a guess.
        """
    def run(self, /, inputs: Inputs, observer: Any | None = None) -> list[list[Output]]:
        """
        Runs the integer model on samples, without a proof.
        """
    def save(self, /, path: str | PathLike[str]) -> None:
        """
        Writes a `.ciro-model` file, whole or not at all.
        """
    @property
    def size(self, /) -> tuple[int, int]:
        """
        Numbers that were learned, and the constants beside them; multiply-accumulate operations of one run.
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
    def transpile(self, /, name: str, observer: Any | None = None) -> tuple[list[tuple[str, str]], str]:
        """
        The model as a Cairo package: paths and texts of its files, and the hash of its program.
        """
    @property
    def unconfirmed(self, /) -> bool:
        """
        Whether the model comes from the cache and is not compared yet.
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
class Proof:
    """
    A statement and its proof.
    """
    @property
    def batch(self, /) -> int:
        """
        Inferences that the proof is about.
        """
    @staticmethod
    def from_bytes(data: bytes) -> Proof:
        """
        Decodes the bytes of a `.ciro` file.
        """
    def integers(self, /, key: Key) -> list[list[tuple[list[int], bytes]]]:
        """
        The claimed outputs of every inference, for this key: shapes, and little-endian int32 in row-major order.
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
    def __new__(cls, /, *, route: str, preset: str, batch: int = 1, commit_input: bool = False, max_memory: int | None = None) -> ProveSettings:
        """
        Takes route and preset by their names, whether to commit to inputs instead of stating them, and the most memory, in bytes, that a
        proof may be expected to take.
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
    def values(self, /) -> bytes:
        """
        Its elements: little-endian float64 in row-major order.
        """

@final
class Verified:
    """
    What a verified proof establishes.
    """
    @property
    def clamped(self, /) -> int | None:
        """
        Values of the given inputs that lie outside of the calibrated range; `None` if none were given.
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

def calibration_beside(model: str | PathLike[str]) -> Path | None:
    """
    The calibration file beside a model, if there is one.
    """

def check_compiled(path: str | PathLike[str], prove: ProveSettings, observer: Any | None = None) -> tuple[list[tuple[str, str, str, str | None]], tuple[int | None, int | None, float, int, int, int, int] | None]:
    """
    Checks a `.ciro-model` file.
    """

def check_file(path: str | PathLike[str], compile: CompileSettings, prove: ProveSettings, observer: Any | None = None) -> tuple[list[tuple[str, str, str, str | None]], tuple[int | None, int | None, float, int, int, int, int] | None]:
    """
    Checks an ONNX file.
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

def verify(proof: Proof, against: tuple[Key, Model | None], min_security: tuple[int, int], asked: tuple[Inputs | None, str | None, bool] = ..., observer: Any | None = None) -> Verified:
    """
    Verifies a proof, that it is about these inputs if there are any, and that the model says the same if there is one.

    `min_security` are the bits that are asked for: conjectured, proven.
    """
