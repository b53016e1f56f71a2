"""Many proofs: memory, threads, overhead. Nothing here depends on how fast or how busy the machine is."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import MODELS

psutil = pytest.importorskip("psutil")

KB = 1_000

# Rounds of equal work; the allocator has settled after the first ones.
_ROUNDS, _SETTLING = 16, 4

_PROGRAM = """
import gc, sys
import numpy as np, psutil, ciro

folder, work = sys.argv[1:]
flowers = np.load(folder + "/inputs.npz")["in_0"]
model = ciro.compile(folder + "/model.onnx", calibration=flowers, cache=False)
key = model.key
forged = bytearray(model.prove(flowers[0]).to_bytes())
forged[-1] ^= 1

def prove():
    for x in flowers:
        assert model.prove(x).verify(key, inputs=x).batch == 1

def fail():
    for _ in range(16):
        for call in (lambda: ciro.verify(bytes(forged), key), lambda: model.run(np.zeros(3))):
            try:
                call()
            except (ciro.InvalidProofError, ValueError):
                continue
            raise AssertionError("it did not fail")

for _ in range(ROUNDS):
    {"prove": prove, "fail": fail}[work]()
    gc.collect()
    print(psutil.Process().memory_info().rss, flush=True)
"""


def growth(work: str, folder: Path) -> list[int]:
    """By how many bytes a process of its own has grown in each round of sixteen calls, once it has settled."""
    program = textwrap.dedent(_PROGRAM).replace("ROUNDS", str(_ROUNDS))
    arguments = [sys.executable, "-c", program, str(MODELS / "logreg_iris"), work]
    environment = os.environ | {"RAYON_NUM_THREADS": "2", "MIMALLOC_PURGE_DELAY": "0"}
    run = subprocess.run(arguments, capture_output=True, text=True, env=environment, cwd=folder)
    assert run.returncode == 0, run.stderr
    held = [int(line) for line in run.stdout.split()]
    assert len(held) == _ROUNDS
    return [after - before for before, after in zip(held[_SETTLING:], held[_SETTLING + 1 :])]


@pytest.mark.parametrize("work", ["prove", "fail"])
def test_rounds_of_equal_work_leak_nothing(work, tmp_path):
    """A leak grows in every round: the median of the growth is the trend, whatever single rounds do."""
    grown = sorted(growth(work, tmp_path))
    # Sixteen proofs of 100 kB with all that is around them: one that is kept would show.
    assert grown[len(grown) // 2] < 64 * KB, grown


def test_eight_threads_at_once(iris, flowers):
    expected = [iris.prove(x).to_bytes() for x in flowers]

    def work(k):
        x = flowers[k % 16]
        proof = iris.prove(x)
        proof.verify(iris.key, inputs=x)
        return proof.to_bytes()

    with ThreadPoolExecutor(8) as pool:
        proofs = list(pool.map(work, range(64)))
    assert all(proof == expected[k % 16] for k, proof in enumerate(proofs))


def test_the_work_in_python_does_not_grow_with_the_proof(iris, lenet, flowers, digits):
    """Calls of Python functions are counted: a loop over elements, columns or samples would show."""

    def calls(model, x):
        count = 0

        def profile(frame, event, argument):
            nonlocal count
            count += event == "call"

        model.prove(x)
        sys.setprofile(profile)
        try:
            model.prove(x)
        finally:
            sys.setprofile(None)
        return count

    small, large, many = calls(iris, flowers[0]), calls(lenet, digits[0]), calls(lenet, digits[:4])
    assert max(small, large, many) < 400, (small, large, many)
    # Events of stages come as they happen, so the numbers differ by a few calls for each stage, not by what a stage is about.
    assert large < 3 * small and many < 3 * large, (small, large, many)
