"""Models that cannot be proven, and what `check` says of them."""

from __future__ import annotations

import pytest
from conftest import MODELS

import ciro

onnx = pytest.importorskip("onnx")
helper = pytest.importorskip("onnx.helper")


def model_of(*nodes, inputs=(("x", [1, 4]),), output="y"):
    """A model of float nodes from `x` to `y`."""
    value = lambda name, shape: helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)  # noqa: E731
    graph = helper.make_graph(list(nodes), "g", [value(*i) for i in inputs], [value(output, None)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def test_every_refused_node_is_listed():
    model = model_of(
        helper.make_node("NonZero", ["x"], ["a"], name="first"),
        helper.make_node("Unique", ["x"], ["y"], name="second"),
    )
    with pytest.raises(ciro.UnsupportedModelError) as error:
        ciro.compile(model)
    assert [refusal.node for refusal in error.value.refused] == ["first", "second"]
    assert "`first` (NonZero): " in str(error.value)
    report = ciro.check(model)
    assert (report.supported, report.refused, report.estimate) == (False, error.value.refused, None)
    assert "not supported" in report._repr_html_()
    assert ciro.check(model, fast=True) == report


def test_broken_models_of_the_examples_are_refused():
    for name in ("bad_nan_weight", "bad_nonmaxsuppression"):
        with pytest.raises(ciro.UnsupportedModelError) as error:
            ciro.compile(MODELS / name / "model.onnx")
        assert error.value.refused[0].reason
        assert not ciro.check(MODELS / name / "model.onnx").supported
    for function in (ciro.compile, ciro.check):
        with pytest.raises(ciro.CiroError, match="hint: export the model again"):
            function(MODELS / "bad_truncated" / "model.onnx")


def test_a_supported_model_has_a_price(iris, flowers):
    path = MODELS / "logreg_iris" / "model.onnx"
    reports = [ciro.check(model) for model in (path, iris, iris.to_bytes())]
    assert reports[0].supported and reports[0] == reports[1] == reports[2]
    estimate = reports[0].estimate
    assert estimate.cells > 0 and estimate.prove_ms > 0 and estimate.memory_bytes > 0 and estimate.proof_bytes > 0
    assert ciro.check(path, batch=64).estimate.cells > estimate.cells
    assert "supported" in reports[0]._repr_html_()


def test_a_fast_check_says_what_is_refused_and_nothing_else(iris):
    path = MODELS / "logreg_iris" / "model.onnx"
    for model in (path, path.read_bytes(), iris, iris.to_bytes()):
        report = ciro.check(model, fast=True)
        assert (report.supported, report.refused, report.estimate) == (None, [], None)
        assert "nothing refused" in report._repr_html_()
    refused = ciro.check(MODELS / "bad_nonmaxsuppression" / "model.onnx", fast=True)
    assert refused.supported is False and refused.refused[0].reason
    with pytest.raises(ciro.CiroError, match="hint: export the model again"):
        ciro.check(MODELS / "bad_truncated" / "model.onnx", fast=True)


def test_open_shapes_are_closed_by_name():
    model = model_of(helper.make_node("Relu", ["x"], ["y"]), inputs=[("x", ["batch", "width"])])
    with pytest.raises(ValueError, match='hint: pass shapes={"width": VALUE}'):
        ciro.compile(model)
    with pytest.warns(ciro.CalibrationWarning):
        assert ciro.compile(model, shapes={"width": 3}).inputs == {"x": (1, 3)}
        assert ciro.compile(model, shapes={"x": (1, 5)}).inputs == {"x": (1, 5)}
    with pytest.raises(ValueError, match="no input and no symbol is named `w`"):
        ciro.compile(model, shapes={"w": 3})


@pytest.mark.parametrize("arguments", [{"route": "fast"}, {"preset": "weak"}])
def test_unknown_names_are_told(iris, flowers, arguments):
    (name,) = arguments.values()
    with pytest.raises(ValueError, match=f"unknown .*`{name}`"):
        iris.prove(flowers[0], **arguments)


def test_other_things_are_no_models(iris):
    for thing in (42, None, object()):
        with pytest.raises(TypeError, match="expected a path, bytes or an `onnx.ModelProto`"):
            ciro.compile(thing)
    with pytest.raises(ciro.CiroError, match="not an ONNX model"):
        ciro.compile(b"\xff\xff\xff\xff")
    with pytest.raises(ValueError, match="at least 1 inference"):
        iris.make_key(batch=0)
