"""Compiled models: run, prove, save."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, Union

from . import _ciro, _html
from ._arrays import Inputs, Values, is_path, to_inputs, to_values
from ._jobs import Job, logger
from ._key import Key, Tensors
from ._proof import Context, Made, Opening, Proof, digits
from ._sources import Calibration, ModelSource, inputs_of, is_compiled, onnx_bytes
from .accuracy import Accuracy
from .errors import CalibrationWarning

#: Shapes of inputs and values of symbols: `{"x": (1, 3, 32, 32), "sequence": 128}`.
Shapes = Mapping[str, Union[int, Sequence[int]]]


class Model:
    """A compiled model: integers with one exact meaning, made by `ciro.compile`.

    It may be used from several threads at once. Pickles and `.ciro-model` files hold all of it.
    """

    def __init__(self, inner: _ciro.Model) -> None:
        self._inner = inner

    @classmethod
    def load(cls, path: Union[str, os.PathLike[str]]) -> Model:
        """Reads a `.ciro-model` file and checks it by every rule of integer models.

        Raises:
            OSError: if it cannot be read.
            CiroError: if it is no valid model of this version.
        """
        return cls(_ciro.Model.load(os.fspath(path)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Model:
        """Decodes the bytes of a `.ciro-model` file.

        Raises:
            CiroError: if they are no valid model of this version.
        """
        return cls(_ciro.Model.from_bytes(data))

    def save(self, path: Union[str, os.PathLike[str]]) -> None:
        """Writes a `.ciro-model` file, whole or not at all. A model from the cache is compiled anew and compared before.

        Raises:
            OSError: if it cannot be written.
            CiroError: if the cache held another model.
        """
        self._inner.confirm()
        self._inner.save(os.fspath(path))

    def to_bytes(self) -> bytes:
        """The bytes of a `.ciro-model` file; as `save`."""
        self._inner.confirm()
        return self._inner.to_bytes()

    def run(self, inputs: Inputs, *, progress: bool = False) -> Values:
        """Runs the model without a proof: exactly what a proof would state.

        Args:
            inputs: one sample, or N of them along the batch axis or a new first axis: numbers of any dtype, in an array, a dict by input
                name, a list with one array for each input, a `DataFrame`, or a path to a `.npz`, `.npy` or JSON file.
            progress: shows a progress bar.

        Returns:
            The outputs by name; `[0]` is the first. float64 numbers, or class names; `[N, ...]` for N samples.

        Raises:
            TypeError: for anything but numbers.
            ValueError: if the inputs do not fit the model, are not finite, or leave a range that was guessed.
        """
        given = to_inputs(inputs, list(self.inputs))
        with Job("run", progress) as observer:
            outputs, told = self._inner.run(given, observer)
        _warn(told)
        return to_values(outputs)

    def prove(
        self,
        inputs: Inputs,
        *,
        route: str = "tensor",
        preset: str = "standard",
        private: bool = False,
        commit_input: bool = False,
        commit_output: bool = False,
        context: Optional[Context] = None,
        max_memory: Optional[int] = None,
        progress: bool = False,
    ) -> Proof:
        """Runs the model and proves the result; several samples go into one proof.

        The first proof of a kind (route, preset, number of samples) also commits to the model, which is then kept.

        Args:
            inputs: one sample or several, as for `run`.
            route: `tensor`, in milliseconds, or `cairo`: a Cairo program, one sample at a time, in seconds.
            preset: `standard`; `compact` for smaller proofs and a slower prover; `proven` for 100 bits without a conjecture; `chain` for
                the contract on Starknet. The Cairo route has `standard` alone.
            private: the proof hides the execution, and of the inputs what it does not state: of those that `commit_input` commits to
                everything. The model is public, and so is every output without `commit_output`. On the tensor route.
            commit_input: states commitments to the inputs instead of the inputs, on the Cairo route one to all of them;
                `proof.blinding` opens the only one, `proof.openings` each of several. A commitment binds; only a proof that is
                `private` hides what is committed.
            commit_output: states commitments to the outputs instead of the outputs, on the tensor route; `proof.openings` opens them.
            context: binds the proof to this number as well (a job, a caller, a contract), on the tensor route: 32 bytes, big-endian, or
                hexadecimal digits, below the Stark prime. With another context the proof does not verify.
            max_memory: the most bytes that the proof may be expected to take. Default: what the machine has free.
            progress: shows a progress bar.

        Returns:
            The proof, with its outputs. Its key is `make_key` with the same route, preset, number of samples, `private` and commitments.

        Raises:
            TypeError: for anything but numbers.
            ValueError: as `run`; also for an unknown route or preset, or what the route does not have.
            UnsupportedModelError: if the model cannot be proven on this route.
            MemoryError: before anything is done, if the proof would take too much.
        """
        given = to_inputs(inputs, list(self.inputs))
        _warn(self._inner.examine(given))
        settings = prove_settings(
            route,
            preset,
            private=private,
            commit_input=commit_input,
            commit_output=commit_output,
            context=context,
            max_memory=max_memory,
        )
        with Job("prove", progress) as observer:
            proof, outputs, key, blinding, prove_ms, openings = self._inner.prove(given, settings, observer)
        unconfirmed = self._inner if self._inner.unconfirmed else None
        opened = [Opening(*opening) for opening in openings]
        return Proof._made(proof, Made(to_values(outputs), Key(key), blinding, prove_ms, unconfirmed, opened))

    @property
    def key(self) -> Key:
        """The key for proofs of one inference with the default settings. Made once, then kept.

        A model from the cache is compiled anew and compared before it has a key: others rely on that.

        Raises:
            CiroError: if the cache held another model.
            UnsupportedModelError: if the model cannot be proven.
        """
        return self.make_key()

    def make_key(
        self,
        *,
        batch: Union[int, Iterable[int]] = 1,
        route: Union[str, Iterable[str]] = "tensor",
        preset: Union[str, Iterable[str]] = "standard",
        private: Union[bool, Iterable[bool]] = False,
        commit_input: bool = False,
        commit_output: bool = False,
        max_memory: Optional[int] = None,
        progress: bool = False,
    ) -> Key:
        """The key for proofs of `batch` inferences; with lists, for every combination that the routes have, all in one file.

        Args:
            batch: how many inferences a proof is about, at least 1, or several such numbers: `[1, 8, 64]`.
            route: as for `prove`, or several of them: `["tensor", "cairo"]`.
            preset: as for `prove`, or several of them.
            private: as for `prove`, or both: `[False, True]`. Proofs that hide have keys of their own.
            commit_input: as for `prove`; such proofs have keys of their own on the tensor route.
            commit_output: likewise.
            max_memory: as for `prove`.
            progress: shows a progress bar.

        Raises:
            ValueError: for an unknown route or preset, or a batch of 0.
            UnsupportedModelError: if the model cannot be proven on this route.
            MemoryError: if a proof would take too much.
        """
        batches = [batch] if isinstance(batch, int) else list(batch)
        if any(batch < 1 for batch in batches):
            raise ValueError(f"a proof is about at least 1 inference, not {min(batches)}")
        routes = [route] if isinstance(route, str) else list(route)
        presets = [preset] if isinstance(preset, str) else list(preset)
        secrecies = [private] if isinstance(private, bool) else list(private)
        kinds, commit = (routes, presets, batches, secrecies), (commit_input, commit_output)
        self._inner.confirm()
        with Job("key", progress) as observer:
            return Key(self._inner.key(kinds, commit, max_memory, observer))

    def transpile(
        self, folder: Union[str, os.PathLike[str]], *, name: Optional[str] = None, progress: bool = False
    ) -> str:
        """Writes the model as a readable Cairo package, which Scarb builds as well.

        Args:
            folder: a new or an empty folder; it appears whole or not at all.
            name: the package's name. Default: the folder's.
            progress: shows a progress bar.

        Returns:
            The hash of the compiled program, in hexadecimal digits.

        Raises:
            FileExistsError: if the folder is not empty.
            OSError: if it cannot be written.
            UnsupportedModelError: if a node has no Cairo form.
        """
        target = Path(folder)
        with Job("transpile", progress) as observer:
            return self._inner.transpile(os.fspath(target), name or target.resolve().name, observer)

    @property
    def calibration(self) -> Optional[Calibration]:
        """The samples that the model was calibrated with; `None` if the ranges are guessed, and for a model that was loaded."""
        found = self._inner.calibration
        return None if found is None else Calibration(*found)

    @property
    def accuracy(self) -> Accuracy:
        """How close the integer model comes to the float model, on the calibration samples."""
        return Accuracy._parse(self._inner.accuracy)

    @property
    def inputs(self) -> Tensors:
        """Shapes of the inputs, by name."""
        return {name: tuple(shape) for name, shape in self._inner.inputs}

    @property
    def outputs(self) -> Tensors:
        """Shapes of the outputs, by name."""
        return {name: tuple(shape) for name, shape in self._inner.outputs}

    @property
    def name(self) -> str:
        """The ONNX file's name."""
        return self._inner.source[0]

    @property
    def producer(self) -> str:
        """The program that wrote the ONNX file."""
        return self._inner.source[1]

    @property
    def parameters(self) -> int:
        """Numbers that were learned, and the constants beside them."""
        return self._inner.size[0]

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations of one run."""
        return self._inner.size[1]

    def __eq__(self, other: object) -> bool:
        return self._inner.to_bytes() == other._inner.to_bytes() if isinstance(other, Model) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._inner.to_bytes())

    def __reduce__(self) -> tuple[object, ...]:
        return (Model.from_bytes, (self.to_bytes(),))

    def __repr__(self) -> str:
        inputs = ", ".join(f"{name} {_html.shape(shape)}" for name, shape in self.inputs.items())
        outputs = ", ".join(f"{name} {_html.shape(shape)}" for name, shape in self.outputs.items())
        return _ciro.printable(f"<ciro.Model {self.name}: {inputs} -> {outputs}, {self.parameters} parameters>")

    def _repr_html_(self) -> str:
        accuracy = self.accuracy
        rows: dict[str, object] = {f"input {name}": _html.shape(shape) for name, shape in self.inputs.items()}
        rows |= {f"output {name}": _html.shape(shape) for name, shape in self.outputs.items()}
        rows |= {"parameters": self.parameters, "multiplications": self.macs}
        for output in accuracy.outputs:
            error = f"{output.spread_error:.4%} of the spread, {output.relative_error:.4%} relative error, {accuracy.samples} samples"
            agreement = "" if output.top1_agreement is None else f"{output.top1_agreement:.2%} agreement, "
            rows[f"accuracy of {output.name}"] = f"{agreement}{error}"
        return _html.table(f"Ciro model {self.name}", rows)


def compile(
    model: ModelSource,
    *,
    calibration: Optional[Inputs] = None,
    shapes: Optional[Shapes] = None,
    cache: bool = True,
    progress: bool = False,
    **quantization: Any,
) -> Model:
    """Compiles an ONNX model into an integer model that can be proven.

    Args:
        model: a path, the bytes of an ONNX file, or an `onnx.ModelProto`.
        calibration: representative inputs, as for `Model.run`; a few dozen samples will do. Without them a file named `calibration` or
            `inputs` (`.npz`, `.npy`, `.json`) beside the model is taken; without that the ranges are guessed, with a warning.
        shapes: what the model leaves open: `{"x": (1, 3, 32, 32)}` or `{"sequence": 128}`. The batch axis is 1 by itself.
        cache: keeps the compiled form of files in the user's cache (`$CIRO_CACHE_DIR`). What others rely on (keys, saved models,
            verification) is compiled anew and compared.
        progress: shows a progress bar.
        **quantization: `activation_bits` (12, valid 4 to 16), `input_bits` (12 or 14, 4 to 20), `output_bits` (16, 4 to 20), `table_bits`
            (12, 4 to 16), `margin` (0.25) and `input_headroom` (0.5), parts of the calibrated range that values may leave it by.

    Returns:
        The model, with its accuracy report. A `CalibrationWarning` tells if an output is further from the float model's than quantization
        explains.

    Raises:
        UnsupportedModelError: with everything that cannot be proven.
        OSError: if a file cannot be read.
        ValueError: if samples or settings do not fit the model, or it leaves shapes open.
        TypeError: if this is no model, or the samples are no numbers.
        CiroError: if the bytes are no ONNX model.
    """
    if is_compiled(model):
        raise ValueError("the model is compiled already: open it with `ciro.Model.load`")
    compiled = _open(model, open_settings(model, calibration, shapes, quantization, cache=cache), progress)
    _warn(compiled._inner.concerns)
    return compiled


def prove_inference(
    model: Union[Model, ModelSource],
    inputs: Inputs,
    *,
    calibration: Optional[Inputs] = None,
    route: str = "tensor",
    preset: str = "standard",
    private: bool = False,
    commit_input: bool = False,
    commit_output: bool = False,
    max_memory: Optional[int] = None,
    progress: bool = False,
) -> Proof:
    """Compiles a model, runs it and proves the result, all in one call.

    Compiled forms of files are cached. `proof.key` is what verifiers need; whoever proves more than once keeps the model of
    `ciro.compile` instead.

    Args:
        model: a compiled model, or anything that `compile` takes.
        inputs: one sample or several, as for `Model.run`.
        calibration: as for `compile`; without it, and without a file beside the model, `inputs` calibrate it, with a warning, unless
            they are committed to: other inputs then make another model, with another key.
        route: as for `Model.prove`.
        preset: as for `Model.prove`.
        private: as for `Model.prove`.
        commit_input: as for `Model.prove`.
        commit_output: as for `Model.prove`.
        max_memory: as for `Model.prove`.
        progress: shows a progress bar.

    Raises:
        As `compile` and `Model.prove`.
    """
    if isinstance(model, Model):
        compiled = model
    elif is_compiled(model):
        compiled = Model.from_bytes(model) if isinstance(model, bytes) else Model.load(model)
    else:
        # Once: a file may be a pipe, and what calibrates is what is proven.
        inputs = inputs_of(model, inputs)
        settings = open_settings(model, calibration, None, {}, cache=True, given=inputs, secret=commit_input)
        compiled = _open(model, settings, progress)
        _warn(compiled._inner.concerns)
    return compiled.prove(
        inputs,
        route=route,
        preset=preset,
        private=private,
        commit_input=commit_input,
        commit_output=commit_output,
        max_memory=max_memory,
        progress=progress,
    )


def _open(model: ModelSource, settings: _ciro.OpenSettings, progress: bool) -> Model:
    """Opens an ONNX model."""
    with Job("compile", progress) as observer:
        if is_path(model):
            inner = _ciro.Model.open(os.fspath(model), settings, observer)
        else:
            data, name = onnx_bytes(model)
            inner = _ciro.Model.open_bytes(data, name, settings, observer)
    compiled = Model(inner)
    found = compiled.calibration
    if found is not None and found.discovered:
        logger.info("calibrated with %s, found beside the model", _ciro.printable(str(found.file)))
    return compiled


def _warn(told: Sequence[tuple[str, str]]) -> None:
    """Warns the caller of a public function of this module of what the library says of a model or a result."""
    for _, text in told:
        warnings.warn(text, CalibrationWarning, stacklevel=3)


def open_settings(
    model: ModelSource,
    calibration: Optional[Inputs],
    shapes: Optional[Shapes],
    quantization: Mapping[str, Any],
    *,
    cache: bool = False,
    given: Optional[_ciro.Inputs] = None,
    secret: bool = False,
) -> _ciro.OpenSettings:
    """How a model is opened; without samples those of a file beside it are taken, and without such what it is given, unless that is secret."""
    lists: dict[str, Sequence[int]] = {
        name: [shape] if isinstance(shape, int) else list(shape) for name, shape in (shapes or {}).items()
    }
    file = os.fspath(calibration) if is_path(calibration) else None
    arrays = None if calibration is None or file is not None else inputs_of(model, calibration)
    return _ciro.OpenSettings(
        calibration=arrays, calibration_file=file, given=given, secret=secret, cache=cache, shapes=lists, **quantization
    )


def prove_settings(
    route: str,
    preset: str,
    batch: int = 1,
    *,
    private: bool = False,
    commit_input: bool = False,
    commit_output: bool = False,
    context: Optional[Context] = None,
    max_memory: Optional[int] = None,
) -> _ciro.ProveSettings:
    """The settings of a proof; the limit of its memory is what the machine has free, unless it is set."""
    return _ciro.ProveSettings(
        route=route,
        preset=preset,
        batch=batch,
        private=private,
        commit_input=commit_input,
        commit_output=commit_output,
        context=None if context is None else digits(context),
        max_memory=max_memory,
    )
