#!/usr/bin/env python3
"""Everyday graphs by seed through `ciro run`, held against onnxruntime's answers.

usage: random_graphs.py CIRO FIRST LAST     (needs onnx, onnxruntime and numpy)

Each seed makes 4 to 13 operators on a row of 2 to 8 numbers, with 64 rows that calibrate and 16 others as inputs. Left out are graphs that say nothing (outputs
infinite, beyond 1e7, or all but constant) and ill-posed ones (a change of the inputs in their last float32 bits moves an output by more than 0.2 % of its
greatest value). Prints a line for each of the others that is not right, and how many are

  right     within 2 % of the outputs' spread (over calibration and inputs)
  alarmed   right, and `ciro` says that it may be wrong
  warned    not right, and `ciro` says so itself
  refused   `ciro` gives a reason
  wrong     not right, without a word

Fails if one is wrong, or ends by a signal.
"""

import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

TOLERANCE = 0.02
LIMIT_S = 120
OPERATORS = (
    "MatMul AddC MulC Add Mul Sub DivPos Mean Sum Max Sqrt Exp Log Sq Softmax Sigmoid Tanh Relu Where Clip Norm Abs Concat Var Neg Recip Pow".split()
)


class Graph:
    """A graph in the making; the order of the draws decides what a seed means."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes, self.constants, self.count = [], {}, 0
        self.columns = int(self.random.integers(2, 9))
        self.scale = 10.0 ** self.random.integers(-3, 6)
        self.tensors = [("x", (1, self.columns))]
        for _ in range(int(self.random.integers(4, 14))):
            self.grow()
        output, shape = self.tensors[-1]
        value = lambda name, shape: helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, list(shape))  # noqa: E731
        constants = [numpy_helper.from_array(array, name) for name, array in self.constants.items()]
        graph = helper.make_graph(self.nodes, "g", [value("x", (1, self.columns))], [value(output, shape)], constants)
        self.model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        self.model.ir_version = 8
        self.lognormal = self.random.random() < 0.3

    def rows(self, count):
        def row():
            values = self.random.normal(size=(1, self.columns)) * self.scale
            if self.lognormal:
                values = np.exp(self.random.normal(size=(1, self.columns)) * 1.5) * self.scale
            return values.astype(np.float32)

        return np.concatenate([row() for _ in range(count)])

    def new(self, op, inputs, shape, **attributes):
        self.count += 1
        name = f"t{self.count}_{op}"
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        self.tensors.append((name, shape))
        return name

    def constant(self, array):
        self.count += 1
        array = np.asarray(array)
        self.constants[f"c{self.count}"] = array.astype(np.float32 if array.dtype.kind == "f" else np.int64)
        return f"c{self.count}"

    def power_of_ten(self, low, high):
        return 10.0 ** self.random.integers(low, high)

    def above(self, name, shape, least):
        """|x| + least."""
        return self.new("Add", [self.new("Abs", [name], shape), self.constant(np.float32(least))], shape)

    def grow(self):
        random, tensors = self.random, self.tensors
        x, shape = tensors[int(max(0, len(tensors) - 1 - random.geometric(0.5) + 1))]
        op = random.choice(OPERATORS)
        n = shape[-1]
        fitting = [tensor for tensor in tensors if tensor[1] == shape or tensor[1] == (1, 1) or shape == (1, 1)]
        y, other = fitting[int(random.integers(len(fitting)))]
        both = (1, max(n, other[-1]))
        if op == "MatMul":
            m = int(random.integers(1, 9))
            self.new("MatMul", [x, self.constant(random.normal(size=(n, m)) / np.sqrt(n))], (1, m))
        elif op in ("AddC", "MulC"):
            self.new(op[:3], [x, self.constant(random.normal(size=(n,)) * self.power_of_ten(-2, 3))], shape)
        elif op in ("Add", "Mul", "Sub"):
            self.new(op, [x, y], both)
        elif op == "DivPos":
            absolute = self.new("Abs", [y], other)
            self.new("Div", [x, self.new("Add", [absolute, self.constant(np.float32(self.power_of_ten(-3, 1)))], other)], both)
        elif op == "Mean":
            self.new("ReduceMean", [x], (1, 1), axes=[1], keepdims=1)
        elif op == "Sum":
            self.new("ReduceSum", [x, self.constant(np.array([1]))], (1, 1), keepdims=1)
        elif op == "Max":
            self.new("ReduceMax", [x], (1, 1), axes=[1], keepdims=1)
        elif op == "Sqrt":
            self.new("Sqrt", [self.above(x, shape, 1e-5)], shape)
        elif op == "Exp":
            bounded = self.new("Tanh", [x], shape)
            self.new("Exp", [self.new("Mul", [bounded, self.constant(np.float32(random.uniform(1, 6)))], shape)], shape)
        elif op in ("Log", "Recip"):
            absolute = self.new("Abs", [x], shape)
            least = np.float32(self.power_of_ten(-4, 1) if op == "Log" else self.power_of_ten(-2, 1))
            self.new({"Log": "Log", "Recip": "Reciprocal"}[op], [self.new("Add", [absolute, self.constant(least)], shape)], shape)
        elif op == "Sq":
            self.new("Mul", [x, x], shape)
        elif op == "Pow":
            self.new("Pow", [self.new("Abs", [x], shape), self.constant(np.float32(random.choice([0.5, 1.5, 2.0, 3.0])))], shape)
        elif op == "Softmax":
            self.new(op, [x], shape, axis=-1)
        elif op in ("Sigmoid", "Tanh", "Relu", "Abs", "Neg"):
            self.new(op, [x], shape)
        elif op == "Where":
            least = self.constant(np.float32(random.normal()))
            truth = f"g{self.count}"
            self.nodes.append(helper.make_node("Greater", [x, least], [truth]))
            self.new("Where", [truth, x, y], both)
        elif op == "Clip":
            low = self.constant(np.float32(-abs(random.normal())))
            self.new("Clip", [x, low, self.constant(np.float32(abs(random.normal()) * self.power_of_ten(-1, 3)))], shape)
        elif op == "Concat":
            self.new("Concat", [x, y], (1, n + other[-1]), axis=1)
        else:
            self.normalize(op, x, shape)

    def normalize(self, op, x, shape):
        """A layer norm or a deviation, by hand."""
        mean = self.new("ReduceMean", [x], (1, 1), axes=[1], keepdims=1)
        centred = self.new("Sub", [x, mean], shape)
        square = self.new("Mul", [centred, centred], shape)
        variance = self.new("ReduceMean", [square], (1, 1), axes=[1], keepdims=1)
        deviation = self.new("Sqrt", [self.new("Add", [variance, self.constant(np.float32(1e-5))], (1, 1))], (1, 1))
        if op == "Norm":
            scaled = self.new("Div", [centred, deviation], shape)
            if self.random.random() < 0.5:
                self.new("Add", [self.new("Mul", [scaled, deviation], shape), mean], shape)


def posed(seed):
    """The graph of a seed with its rows and the answers to them; a word if it says nothing."""
    try:
        graph = Graph(seed)
        session = onnxruntime.InferenceSession(graph.model.SerializeToString())
    except Exception:  # noqa: BLE001: whatever onnxruntime does not take is no graph
        return "invalid"
    calibration, inputs = graph.rows(64), graph.rows(16)
    answers = lambda rows: np.concatenate([session.run(None, {"x": row[None]})[0] for row in rows])  # noqa: E731
    known, asked = answers(calibration), answers(inputs)
    greatest = np.abs(known).max()
    if not (np.isfinite(known).all() and np.isfinite(asked).all()) or greatest > 1e7 or known.std() <= 1e-6 * greatest:
        return "says nothing"
    signs = np.random.default_rng(seed).choice([-1, 1], inputs.shape)
    noisy = answers((inputs.astype(np.float64) * (1 + signs * 2.0**-22)).astype(np.float32))
    if not np.isfinite(noisy).all() or np.abs(noisy - asked).max() > 2e-3 * greatest:
        return "ill-posed"
    return graph.model, calibration, inputs, known, asked


def run(ciro, folder, environment):
    """`ciro run` on the graph of a folder: how it ended, and its report or what it said."""
    command = [ciro, "run", "--json", folder / "model.onnx", "--input", folder / "asked.npz"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, env=environment)
    except subprocess.TimeoutExpired:
        return "refused", f"no answer within {LIMIT_S} s"
    if done.returncode < 0 or "panicked" in done.stderr:
        return "aborted", done.stderr.strip().splitlines()[-1:]
    if done.returncode != 0:
        return "refused", " ".join(done.stderr.split())[-300:]
    return "", json.loads(done.stdout)


def main():
    ciro, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    onnxruntime.set_default_logger_severity(4)
    counts = collections.Counter()
    with tempfile.TemporaryDirectory() as work:
        folder = pathlib.Path(work)
        environment = os.environ | {"CIRO_CACHE_DIR": ""}
        for seed in range(first, last):
            graph = posed(seed)
            if isinstance(graph, str):
                counts[graph] += 1
                continue
            model, calibration, inputs, known, asked = graph
            onnx.save(model, str(folder / "model.onnx"))
            np.savez(folder / "calibration.npz", in_0=calibration)
            np.savez(folder / "asked.npz", in_0=inputs)
            kind, report = run(ciro, folder, environment)
            error, why = None, report
            if not kind:
                got = np.asarray(report["output"], float).reshape(asked.shape)
                error = np.abs(got - asked).max() / np.ptp(np.concatenate([known, asked]))
                why = [warning["message"] for warning in report.get("warnings") or []]
                kind = ("alarmed" if why else "right") if error <= TOLERANCE else ("warned" if why else "wrong")
            counts[kind] += 1
            if kind != "right":
                shown = "" if error is None else f"{100 * error:.1f} %"
                operators = " ".join(node.op_type for node in model.graph.node)
                print(f"{seed:6} {kind:8} {shown:>9}  {operators}  {str(why)[:300]}", flush=True)
    print(dict(counts))
    sys.exit(any(counts[bad] for bad in ("wrong", "aborted")))


if __name__ == "__main__":
    main()
