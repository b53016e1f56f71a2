"""Many proofs: memory, threads, overhead."""

from __future__ import annotations

import gc
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import ciro

psutil = pytest.importorskip("psutil")

MB = 1_000_000


def resident() -> int:
    gc.collect()
    return psutil.Process().memory_info().rss


def test_a_hundred_proofs_leak_nothing(iris, flowers):
    def prove(count):
        for k in range(count):
            x = flowers[k % 16]
            assert iris.prove(x).verify(iris.key, inputs=x).batch == 1

    prove(30)
    before = resident()
    prove(100)
    assert resident() - before < 16 * MB


def test_a_hundred_errors_leak_nothing(iris, flowers):
    forged = bytearray(iris.prove(flowers[0]).to_bytes())
    forged[-1] ^= 1

    def fail(count):
        for _ in range(count):
            with pytest.raises(ciro.InvalidProofError):
                ciro.verify(bytes(forged), iris.key)
            with pytest.raises(ValueError):
                iris.run(np.zeros(3))

    fail(30)
    before = resident()
    fail(100)
    assert resident() - before < 16 * MB


def test_eight_threads_at_once(iris, flowers):
    expected = [iris.prove(x).to_bytes() for x in flowers]

    def work(k):
        x = flowers[k % 16]
        proof = iris.prove(x)
        proof.verify(iris.key, inputs=x)
        return proof.to_bytes()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(64)))
        before = resident()
        proofs = list(pool.map(work, range(100)))
        assert all(proof == expected[k % 16] for k, proof in enumerate(proofs))
        del proofs
        assert resident() - before < 64 * MB


def test_the_binding_costs_less_than_a_twentieth(lenet, digits):
    """Against the time that the library itself measures from its samples to its proof."""
    lenet.prove(digits[0])
    shares = []
    for _ in range(15):
        start = time.perf_counter()
        proof = lenet.prove(digits[0])
        wall = (time.perf_counter() - start) * 1e3
        shares.append(wall / proof.prove_ms - 1)
    assert statistics.median(shares) < 0.05, shares
