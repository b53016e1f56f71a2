"""The long path: compile, run, prove, verify."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import MODELS

import ciro

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

# Models that prove within a second or two.
SMALL = ["logreg_iris", "linreg_diabetes", "linsvc_wine", "dtree_wine", "kmeans_iris", "xgb_credit_50", "lenet5_mnist"]


def onnxruntime(name: str) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """The inputs of an example, and onnxruntime's outputs, sample by sample."""
    folder = MODELS / name
    session = ort.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    with np.load(folder / "inputs.npz") as file:
        inputs = {name: file[f"in_{k}"] for k, name in enumerate(names)}
    count = len(next(iter(inputs.values())))
    runs = [session.run(None, {name: x[k] for name, x in inputs.items()}) for k in range(count)]
    return inputs, [np.concatenate(outputs) for outputs in zip(*runs)]


@pytest.mark.parametrize("name", SMALL)
def test_models_say_what_onnxruntime_says(name):
    inputs, expected = onnxruntime(name)
    model = ciro.compile(MODELS / name / "model.onnx")
    outputs = model.run(inputs)
    assert len(outputs) == len(expected)
    for got, want in zip(outputs.values(), expected):
        assert got.shape == want.shape
        if want.dtype.kind in "iu":
            assert (got == want).all()
        elif want.shape[-1] > 1:
            assert (got.argmax(-1) == want.argmax(-1)).all()
        else:
            assert np.abs(got - want).mean() / np.abs(want).mean() < 1e-3


@pytest.mark.parametrize("name", SMALL)
def test_every_small_model_proves_and_verifies(name):
    inputs, _ = onnxruntime(name)
    one = {name: x[0] for name, x in inputs.items()}
    model = ciro.compile(MODELS / name / "model.onnx")
    proof = model.prove(one)
    verified = proof.verify(model.key, inputs=one)
    ran = model.run(one)
    assert list(verified.outputs) == list(ran)
    for name, value in ran.items():
        np.testing.assert_array_equal(verified.outputs[name], value)
        np.testing.assert_array_equal(proof.outputs[name], value)
    assert verified.security_bits >= 100


def test_a_batch_is_one_proof(iris, flowers):
    proof = iris.prove(flowers)
    assert (proof.batch, proof.output.shape, proof.outputs["probabilities"].shape) == (16, (16,), (16, 3))
    key = iris.make_key(batch=16)
    assert proof.key == key != iris.key
    verified = proof.verify(key, inputs=flowers)
    np.testing.assert_array_equal(verified.output, iris.run(flowers)[0])
    with pytest.raises(ciro.InvalidProofError) as error:
        proof.verify(iris.key)
    assert error.value.check == "model_key"


def test_models_come_as_paths_bytes_and_protobufs(flowers):
    path = MODELS / "logreg_iris" / "model.onnx"
    compile = lambda model: ciro.compile(model, calibration=flowers)  # noqa: E731
    keys = {compile(model).key for model in (path, str(path), path.read_bytes(), onnx.load(path))}
    assert len(keys) == 1


def test_calibration_comes_from_arrays_files_and_the_neighbourhood(flowers):
    folder = MODELS / "logreg_iris"
    compile = lambda **arguments: ciro.compile(folder / "model.onnx", **arguments)  # noqa: E731
    keys = {compile(calibration=c).key for c in (flowers, flowers.astype(np.float64), folder / "inputs.npz", None)}
    assert len(keys) == 1
    assert compile(calibration=flowers * 10).key not in keys


def test_a_model_without_samples_is_a_guess(flowers):
    data = (MODELS / "logreg_iris" / "model.onnx").read_bytes()
    with pytest.warns(ciro.CalibrationWarning, match="random numbers"):
        model = ciro.compile(data)
    assert model.accuracy.random
    with pytest.raises(ValueError, match="which was guessed\nhint: calibrate"):
        model.prove(flowers * 100)


def test_inputs_calibrate_where_nothing_else_does_unless_they_are_secret(flowers):
    data = (MODELS / "logreg_iris" / "model.onnx").read_bytes()
    with pytest.warns(ciro.CalibrationWarning, match="given inputs alone"):
        proof = ciro.prove_inference(data, flowers * 100)
    same = ciro.compile(data, calibration=flowers * 100)
    assert proof.key == same.make_key(batch=len(flowers))
    with pytest.warns(ciro.CalibrationWarning, match="random numbers"), pytest.raises(ValueError, match="which was guessed"):
        ciro.prove_inference(data, flowers * 100, commit_input=True)


def test_values_outside_of_a_real_calibration_are_told(iris, flowers, tmp_path):
    far = flowers[0] * 1e6
    with pytest.warns(ciro.CalibrationWarning, match="input `.*` of sample 0: 4 value") as told:
        iris.run(far)
    # The float model says the same, so that what was cut inside did no harm.
    assert not any("may be wrong" in str(warning.message) for warning in told)
    # Read from a file, the model has none to ask.
    iris.save(tmp_path / "iris.ciro-model")
    stored = ciro.Model.load(tmp_path / "iris.ciro-model")
    with (
        pytest.warns(ciro.CalibrationWarning, match="node `.*` in sample 0: .* the result may be wrong"),
        pytest.warns(ciro.CalibrationWarning, match="input `.*` of sample 0: 4 value"),
    ):
        stored.run(far)


def test_the_accuracy_report_can_be_read(iris):
    accuracy = iris.accuracy
    assert (accuracy.samples, accuracy.random, accuracy.clamped_samples) == (16, False, 0)
    assert [output.name for output in accuracy.outputs] == ["label", "probabilities"]
    assert all(output.top1_agreement in (None, 1.0) and output.spread_error < 0.02 for output in accuracy.outputs)
    assert accuracy.layers and all(layer.mean_absolute_error >= 0 for layer in accuracy.layers)
    assert "top-1" in str(accuracy) and "<pre>" in accuracy._repr_html_()


def test_inaccurate_models_are_told():
    # A million turns between neighbouring integers: no bits are enough.
    value = lambda name: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 4])  # noqa: E731
    nodes = [onnx.helper.make_node("Mul", ["x", "turns"], ["m"]), onnx.helper.make_node("Sin", ["m"], ["y"])]
    turns = onnx.numpy_helper.from_array(np.array(1e6, np.float32), "turns")
    graph = onnx.helper.make_graph(nodes, "turns", [value("x")], [value("y")], [turns])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    samples = {"x": np.random.default_rng(0).uniform(0, 10, (16, 4))}
    with pytest.warns(ciro.CalibrationWarning, match="not close to the float model: .*; `print"):
        ciro.compile(model, calibration=samples)


def test_models_describe_themselves(iris):
    assert iris.inputs == {next(iter(iris.inputs)): (1, 4)}
    assert iris.outputs == {"label": (1,), "probabilities": (1, 3)}
    assert (iris.name, iris.parameters > 0, iris.macs) == ("model.onnx", True, 12)
    assert repr(iris).startswith("<ciro.Model model.onnx: ")
    assert "1x4" in iris._repr_html_() and "skl2onnx" in iris.producer


def test_equal_files_are_compiled_once(tmp_path, monkeypatch, flowers):
    monkeypatch.setenv("CIRO_CACHE_DIR", str(tmp_path))
    path = MODELS / "logreg_iris" / "model.onnx"
    ciro.compile(path, cache=False)
    assert not list(tmp_path.iterdir())
    first = ciro.compile(path)
    (entry,) = (tmp_path / "models").iterdir()
    assert ciro.compile(path) == first and list((tmp_path / "models").iterdir()) == [entry]


def test_more_bits_make_other_models(flowers):
    path = MODELS / "logreg_iris" / "model.onnx"
    wide = ciro.compile(path, calibration=flowers, activation_bits=16, input_bits=16)
    assert wide.key != ciro.compile(path, calibration=flowers).key
    with pytest.raises(ValueError, match="`activation_bits` is between 4 and 16"):
        ciro.compile(path, calibration=flowers, activation_bits=99)
    with pytest.raises(TypeError, match="bits_of_an_activation"):
        ciro.compile(path, calibration=flowers, bits_of_an_activation=9)


def test_the_short_path(tmp_path, flowers):
    proof = ciro.prove_inference(MODELS / "logreg_iris" / "model.onnx", flowers[0])
    assert proof.output.shape == (1,)
    proof.save(tmp_path / "answer.ciro")
    proof.key.save(tmp_path / "model.key")
    assert ciro.verify(tmp_path / "answer.ciro", tmp_path / "model.key").output == proof.output
    assert ciro.verify(proof, proof.key.to_bytes()).security_bits >= 100


def test_compiled_models_are_taken_for_what_they_are(tmp_path, iris, flowers):
    path = tmp_path / "iris.ciro-model"
    iris.save(path)
    for model in (iris, path, iris.to_bytes()):
        assert ciro.prove_inference(model, flowers[0]).key == iris.key
    proof = iris.prove(flowers[0])
    assert ciro.verify(proof, path).batch == ciro.verify(proof, iris).batch == 1
    with pytest.raises(ValueError, match="compiled already"):
        ciro.compile(path)


def test_presets_ask_for_their_own_keys(iris, flowers):
    proof = iris.prove(flowers[0], preset="proven")
    assert proof.preset == "proven" and proof.key == iris.make_key(preset="proven") != iris.key
    assert proof.verify(proof.key, min_proven_bits=100).proven_security_bits >= 100
    with pytest.raises(ciro.InvalidProofError) as error:
        iris.prove(flowers[0]).verify(iris.key, min_proven_bits=100)
    assert error.value.check == "security"


def test_proofs_that_would_not_fit_are_refused(lenet, digits):
    with pytest.raises(MemoryError, match="more than the limit of 1 MB"):
        ciro.Model.from_bytes(lenet.to_bytes()).prove(digits[0], max_memory=1_000_000)
    lenet.prove(digits[0])
    with pytest.raises(MemoryError, match="more than the limit of 1 MB"):
        lenet.prove(digits[0], max_memory=1_000_000)
