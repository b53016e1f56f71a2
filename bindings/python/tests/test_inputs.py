"""Every form of inputs, and what is refused."""

from __future__ import annotations

import json
import os
import threading

import numpy as np
import pytest
from conftest import MODELS

import ciro

pd = pytest.importorskip("pandas")
onnx = pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def two_inputs() -> ciro.Model:
    """`y = a + b`, with `a: [1, 2]` and `b: [1, 2]`."""
    value = lambda name: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, 2])  # noqa: E731
    node = onnx.helper.make_node("Add", ["a", "b"], ["y"])
    graph = onnx.helper.make_graph([node], "sum", [value("a"), value("b")], [value("y")])
    opset = [onnx.helper.make_opsetid("", 17)]
    samples = {"a": np.linspace(-4, 4, 24).reshape(12, 2), "b": np.linspace(4, -4, 24).reshape(12, 2)}
    return ciro.compile(onnx.helper.make_model(graph, opset_imports=opset), calibration=samples)


def test_columns_of_a_frame_are_inputs_before_a_model_is_opened():
    value = lambda name: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, 1])  # noqa: E731
    node = onnx.helper.make_node("Sub", ["a", "b"], ["y"])
    graph = onnx.helper.make_graph([node], "difference", [value("a"), value("b")], [value("y")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    frame = pd.DataFrame({"b": [1.0, 2.0], "a": [4.0, 7.0]})
    with pytest.warns(ciro.CalibrationWarning, match=r"2 sample\(s\) calibrated the model"):
        compiled = ciro.compile(model, calibration=frame)
    np.testing.assert_allclose(compiled.run(frame)[0].ravel(), [3, 5], atol=0.01)
    with pytest.warns(ciro.CalibrationWarning, match="given inputs alone"):
        proof = ciro.prove_inference(model, frame)
    np.testing.assert_allclose(proof.output.ravel(), [3, 5], atol=0.01)
    with pytest.raises(ciro.CiroError):
        ciro.compile(b"no model", calibration=frame)


def test_masked_elements_have_no_value(iris, flowers):
    whole = np.ma.masked_array(flowers[0], mask=False)
    np.testing.assert_array_equal(iris.run(whole)[1], iris.run(flowers[0])[1])
    with pytest.raises(ValueError, match="masked elements have no value"):
        iris.run(np.ma.masked_array(flowers[0], mask=[[True, False, False, False]]))


def test_a_file_that_calibrates_is_read_once(tmp_path):
    path = MODELS / "logreg_iris" / "model.onnx"
    (tmp_path / "model.onnx").write_bytes(path.read_bytes())
    pipe = tmp_path / "input.json"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=['{"input_data": [[5.1, 3.5, 1.4, 0.2]]}'])
    writer.start()
    with pytest.warns(ciro.CalibrationWarning, match="given inputs alone"):
        proof = ciro.prove_inference(tmp_path / "model.onnx", pipe)
    writer.join()
    assert proof.outputs["label"] == [0]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint8", "int32", "int64", ">f4", "bool"])
def test_every_numeric_dtype_is_taken(iris, flowers, dtype):
    x = flowers[0].round().astype(dtype)
    np.testing.assert_array_equal(iris.run(x)[1], iris.run(x.astype("float64"))[1])


def test_layout_does_not_matter(lenet, digits):
    x = np.ascontiguousarray(digits[0])
    expected = lenet.run(x)[0]
    strided = np.zeros((1, 1, 56, 28), np.float32)
    strided[:, :, ::2] = x
    for other in (np.asfortranarray(x), strided[:, :, ::2], x[0], x.tolist()):
        np.testing.assert_array_equal(lenet.run(other)[0], expected)


def test_one_sample_keeps_its_shape_and_more_are_rows(iris, flowers):
    for x, rows in ((flowers[0], 1), (flowers[0][0], 1), (flowers, 16), (flowers[:, 0], 16), (flowers[:1], 1)):
        assert iris.run(x)["probabilities"].shape == (rows, 3)


def test_several_inputs_come_as_dicts_lists_and_frames(two_inputs):
    a, b = np.array([[1.0, 2.0]]), np.array([[0.5, -1.0]])
    expected = two_inputs.run({"a": a, "b": b})[0]
    np.testing.assert_allclose(expected, a + b, atol=0.01)
    for inputs in ([a, b], (a, b), {"b": b, "a": a}, {"in_1": b, "in_0": a}):
        np.testing.assert_array_equal(two_inputs.run(inputs)[0], expected)
    batch = two_inputs.run({"a": np.repeat(a, 3, 0), "b": np.repeat(b, 3, 0)})[0]
    np.testing.assert_array_equal(batch, np.repeat(expected, 3, 0))


def test_frames_are_arrays(iris, flowers):
    frame = pd.DataFrame(flowers[:, 0], columns=list("abcd"))
    np.testing.assert_array_equal(iris.run(frame)[1], iris.run(flowers)[1])


def test_files_are_inputs(tmp_path, iris, flowers):
    np.save(tmp_path / "x.npy", flowers)
    np.savez(tmp_path / "x.npz", in_0=flowers)
    (tmp_path / "x.json").write_text(json.dumps({"input_data": [flowers.ravel().tolist()]}))
    for name in ("x.npy", "x.npz", "x.json"):
        np.testing.assert_array_equal(iris.run(tmp_path / name)[1], iris.run(flowers)[1])


@pytest.mark.parametrize(
    ("inputs", "exception", "message"),
    [
        (["a", "b", "c", "d"], ValueError, "takes numbers, got text"),
        (np.array(["a", None], object), TypeError, "element 1 is `NoneType` beside texts"),
        ([[1.0, None, 2.0, 3.0]], ValueError, "element 1 is NaN"),
        ([{}, 1, 2, 3], TypeError, "expected numbers, got `dict`"),
        (np.zeros(4, complex), TypeError, "expected numbers, got dtype complex128"),
        (np.zeros(3), ValueError, r"expected shape \[1, 4\], or \[N, 4\] for N samples, got \[3\]"),
        (np.zeros((0, 4)), ValueError, r"got \[0, 4\]"),
        (np.array([1, 2, 3, 2**60]), ValueError, r"integers beyond 2\^53"),
        (np.array([1.0, np.inf, 0, 0]), ValueError, "only finite numbers can be proven\nhint: replace missing"),
        ({"x": np.zeros(4), "y": np.zeros(4)}, ValueError, r"the model takes 1 input\(s\)"),
        ({"other": np.zeros(4)}, ValueError, "no array named"),
        ("missing.npz", FileNotFoundError, "missing.npz"),
    ],
)
def test_other_inputs_are_refused(iris, inputs, exception, message):
    with pytest.raises(exception, match=message):
        iris.run(inputs)


def test_token_ids_stay_inside_of_the_vocabulary():
    model = ciro.compile(MODELS / "encoder_text32" / "model.onnx")
    with pytest.raises(ValueError, match="outside the model's range"):
        model.run(np.full((1, 32), 10**6))
    with pytest.raises(ValueError, match="the model takes integers here"):
        model.run(np.full((1, 32), 0.5))


def test_outputs_are_found_by_name_and_position(iris, flowers):
    outputs = iris.run(flowers[0])
    assert outputs["label"] is outputs[0] and outputs[-1] is outputs["probabilities"]
    with pytest.raises(KeyError):
        outputs["missing"]
    with pytest.raises(IndexError):
        outputs[2]
