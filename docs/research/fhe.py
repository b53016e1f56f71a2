#!/usr/bin/env python3
"""What an encrypted inference costs: logistic regression under CKKS, with TenSEAL, on the data of the tutorial.

    pip install tenseal scikit-learn && python docs/research/fhe.py
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
import tenseal
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

#: Parameters of TenSEAL's own tutorials: 128 bits of security, four multiplications deep, some six digits.
DEGREE, MODULI, SCALE = 16384, [60, 40, 40, 40, 40, 60], 2**40


def best(work: Callable[[], Any], runs: int = 5) -> tuple[Any, float]:
    """What some work gives, and the milliseconds of its fastest run."""
    times = []
    for _ in range(runs):
        start = perf_counter()
        result = work()
        times.append(1e3 * (perf_counter() - start))
    return result, min(times)


def main() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    linear = LogisticRegression().fit(X, y)
    network = MLPClassifier((16,), activation="identity", max_iter=500, random_state=0).fit(X, y)

    context = tenseal.context(tenseal.SCHEME_TYPE.CKKS, poly_modulus_degree=DEGREE, coeff_mod_bit_sizes=MODULI)
    context.global_scale = SCALE
    _, keys_ms = best(lambda: (context.generate_galois_keys(), context.generate_relin_keys()), 1)
    public = context.copy()
    public.make_context_public()
    encrypted, encrypt_ms = best(lambda: tenseal.ckks_vector(context, X[0]))
    print(f"keys: {keys_ms:.0f} ms, {len(public.serialize()) / 1e6:.0f} MB to the server")
    print(f"input: {encrypt_ms:.1f} ms to encrypt, {len(encrypted.serialize()) / 1e3:.0f} kB for {X.shape[1]} numbers")

    weights, bias = linear.coef_[0].tolist(), linear.intercept_[0]
    score, ms = best(lambda: encrypted.dot(weights) + bias)
    answer, decrypt_ms = best(lambda: score.decrypt()[0])
    exact = X[0] @ linear.coef_[0] + bias
    print(f"logistic regression, {len(weights)} weights: {ms:.0f} ms, score off by {abs(answer - exact):.1e}; {decrypt_ms:.1f} ms to decrypt")

    W1, W2 = network.coefs_
    b1, b2 = network.intercepts_
    # A square in place of the activation, which CKKS has no other of.
    def forward() -> Any:
        hidden = encrypted.mm(W1.tolist()) + b1.tolist()
        return (hidden * hidden).mm(W2.tolist()) + b2.tolist()

    score, ms = best(forward, 3)
    exact = (X[0] @ W1 + b1) ** 2 @ W2 + b2
    print(f"network with 16 hidden units and squares, {W1.size + W2.size} weights: {ms:.0f} ms, score off by {np.abs(score.decrypt()[0] - exact[0]):.1e}")

    _, clear_ms = best(lambda: X[0] @ linear.coef_[0] + bias)
    print(f"logistic regression in the clear: {clear_ms:.4f} ms")


if __name__ == "__main__":
    main()
