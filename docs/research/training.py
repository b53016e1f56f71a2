#!/usr/bin/env python3
"""Proves every step of a short training of logistic regression, and verifies the chain of proofs.

    python docs/research/training.py [STEPS]
"""

from __future__ import annotations

import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

import ciro

ROWS, FEATURES, RATE = 32, 10, 0.5


def gradient_step() -> onnx.ModelProto:
    """One step as a model: `w_next = w - RATE / ROWS * X^T (sigmoid(X w) - y)`."""
    def port(name: str, *shape: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    nodes = [
        helper.make_node("MatMul", ["X", "w"], ["z"]),
        helper.make_node("Sigmoid", ["z"], ["p"]),
        helper.make_node("Sub", ["p", "y"], ["r"]),
        helper.make_node("Transpose", ["X"], ["Xt"], perm=[1, 0]),
        helper.make_node("MatMul", ["Xt", "r"], ["g"]),
        helper.make_node("Mul", ["g", "rate"], ["s"]),
        helper.make_node("Sub", ["w", "s"], ["w_next"]),
    ]
    rate = numpy_helper.from_array(np.float32(RATE / ROWS), "rate")
    inputs = [port("X", ROWS, FEATURES), port("y", ROWS, 1), port("w", FEATURES, 1)]
    graph = helper.make_graph(nodes, "step", inputs, [port("w_next", FEATURES, 1)], [rate])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def floats(w: np.ndarray, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The same step in double precision."""
    return w - RATE / ROWS * X.T @ (1 / (1 + np.exp(-X @ w)) - y)


def main() -> None:
    steps = int(sys.argv[1]) if sys.argv[1:] else 20
    data, labels = load_breast_cancer(return_X_y=True)
    data = StandardScaler().fit_transform(data)[:, :FEATURES].astype(np.float32)
    labels = labels.astype(np.float32)[:, None]
    rng = np.random.default_rng(0)
    # The order of the data is fixed before training, or the trainer could choose what suits them.
    batches = [rng.choice(len(data), ROWS, replace=False) for _ in range(steps)]

    # Calibrated by a run in floats, on other batches.
    w, seen = np.zeros((FEATURES, 1)), []
    for _ in range(2 * steps):
        rows = rng.choice(len(data), ROWS, replace=False)
        seen.append((data[rows], labels[rows], w))
        w = floats(w, data[rows], labels[rows])
    calibration = {name: np.stack(column).astype(np.float32) for name, column in zip(("X", "y", "w"), zip(*seen))}
    model = ciro.compile(gradient_step(), calibration=calibration)
    key = model.key.to_bytes()
    print(model.accuracy)

    # The trainer: each step begins with the weights that the last proof stated.
    proofs, w = [], np.zeros((FEATURES, 1))
    for rows in batches:
        proof = model.prove({"X": data[rows], "y": labels[rows], "w": w})
        proofs.append(proof)
        w = proof.output.reshape(FEATURES, 1)

    # The verifier has the key, the data and the order of it, and trusts no weights but the zeros at the start.
    reached, verify_ms = np.zeros((FEATURES, 1)), []
    for rows, proof in zip(batches, proofs):
        inputs = {"X": data[rows], "y": labels[rows], "w": reached}
        # Values beyond the calibrated range would be moved to its end: a training that needs that is refused.
        verified = ciro.verify(proof.to_bytes(), key, inputs=inputs)
        reached = verified.output.reshape(FEATURES, 1)
        verify_ms.append(verified.verify_ms)

    exact = np.zeros((FEATURES, 1))
    for rows in batches:
        exact = floats(exact, data[rows], labels[rows])
    prove_ms = sorted(proof.prove_ms for proof in proofs)
    print(f"\n{steps} steps, each proven in {prove_ms[0]:.1f} ms (best) to {prove_ms[-1]:.1f} ms, {len(proofs[0]) / 1000:.0f} kB, verified in {min(verify_ms):.1f} ms (best)")
    print(f"largest difference from the training in floats: {np.abs(reached - exact).max():.5f}, of weights up to {np.abs(exact).max():.2f}")
    for name, weights in (("proven", reached), ("in floats", exact)):
        print(f"accuracy of the model {name}: {((data @ weights > 0) == labels).mean():.1%}")

    # A trainer that leaves out a patient, and puts in another one twice.
    rows = batches[0].copy()
    rows[0] = rows[1]
    forged = model.prove({"X": data[rows], "y": labels[rows], "w": np.zeros((FEATURES, 1))})
    try:
        ciro.verify(forged, key, inputs={"X": data[batches[0]], "y": labels[batches[0]], "w": np.zeros((FEATURES, 1))})
    except ciro.InvalidProofError as error:
        print("a step with other data:", error)
    else:
        raise SystemExit("a step with other data was accepted")


if __name__ == "__main__":
    main()
