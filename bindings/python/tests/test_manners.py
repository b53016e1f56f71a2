"""The GIL, Ctrl-C, progress bars, logging, the CPU."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from conftest import MODELS

import ciro
from ciro import _ciro, _cpu


def test_python_runs_while_a_proof_is_made(lenet, digits):
    """A thread counts while another one proves. The interpreter is told never to switch by itself, so it counts only if the library lets
    the GIL go; how often is up to the machine, but not for ever never."""
    from ciro._arrays import to_inputs
    from ciro._model import prove_settings

    counted, done = 0, threading.Event()

    def count():
        nonlocal counted
        while not done.is_set():
            counted += 1
            time.sleep(0)

    inputs, settings = to_inputs(digits), prove_settings("tensor", "standard")
    interval = sys.getswitchinterval()
    counter = threading.Thread(target=count)
    try:
        sys.setswitchinterval(1e6)
        counter.start()
        for _ in range(100):
            before = counted
            lenet._inner.prove(inputs, settings)
            if counted > before:
                return
    finally:
        done.set()
        sys.setswitchinterval(interval)
        counter.join()
    pytest.fail("no other thread ran during a hundred proofs")


@pytest.mark.skipif(os.name != "posix", reason="sends itself a signal")
def test_ctrl_c_stops_a_proof_and_the_model_can_go_on(lenet, digits):
    """The signal comes when the first stage begins; the stages after it are never told."""
    from ciro._arrays import to_inputs
    from ciro._model import prove_settings

    begun = []

    def observer(kind, name, value):
        if kind == "begin":
            begun.append(name)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        lenet._inner.prove(to_inputs(digits), prove_settings("tensor", "standard"), observer)
    assert len(begun) == 1
    lenet.prove(digits[0]).verify(lenet.key, inputs=digits[0])


def test_an_observer_that_raises_stops_the_work(lenet, digits):
    from ciro._arrays import to_inputs
    from ciro._model import prove_settings

    def observer(kind, name, value):
        raise LookupError(name)

    with pytest.raises(LookupError):
        lenet._inner.prove(to_inputs(digits), prove_settings("tensor", "standard"), observer)


def test_progress_is_a_bar(iris, flowers, capsys):
    proof = iris.prove(flowers[:2], progress=True)
    assert "prove: " in (bar := capsys.readouterr().err) and "stages" in bar and "done" in bar
    proof.verify(proof.key, progress=True)
    assert "verify: 1 stages" in capsys.readouterr().err
    iris.prove(flowers[:2])
    assert capsys.readouterr().err == ""


def test_stages_are_logged(iris, flowers, caplog):
    with caplog.at_level(logging.DEBUG, logger="ciro"):
        iris.prove(flowers[0]).verify(iris.key)
    messages = [record.getMessage() for record in caplog.records]
    assert any(message.startswith("prove: witness took ") for message in messages)
    assert any(message.startswith("verify: verify took ") for message in messages)
    caplog.clear()
    iris.prove(flowers[0])
    assert not caplog.records


def test_warnings_of_the_library_are_logged(tmp_path, monkeypatch, caplog):
    """A cache that cannot be written is no error, but it is told."""
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("CIRO_CACHE_DIR", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING, logger="ciro"):
        ciro.compile(MODELS / "logreg_iris" / "model.onnx")
    (record,) = caplog.records
    assert record.name == "ciro.sdk.prove.cache" and "the model is not cached" in record.getMessage()


def test_the_target_is_in_the_file_and_this_machine_has_it():
    (path,) = _cpu._modules()
    target = _cpu._target(path)
    assert _ciro.target() == f"<ciro-target {target} ciro-target>"
    flags = _cpu._flags()
    if flags is not None:
        assert _cpu.missing_features(target, flags) == []


@pytest.mark.parametrize(
    ("target", "flags", "missing"),
    [
        ("x86_64:avx2,bmi1,fma,sse4.2,lzcnt", "avx2 bmi1 fma sse4_2 abm", []),
        ("x86_64:avx2,avx512vbmi2,sse4.2,sha", "sse4_2", ["avx2", "avx512vbmi2", "sha"]),
        ("x86_64:avx2,rdseed", "avx2", []),
        ("aarch64:neon", "fp asimd", []),
        ("x86_64:", "", []),
    ],
)
def test_missing_features_are_named(target, flags, missing):
    assert _cpu.missing_features(target, frozenset(flags.split())) == missing


def test_an_older_cpu_gets_an_error_and_no_illegal_instruction(monkeypatch):
    monkeypatch.setattr(_cpu, "_flags", lambda: frozenset({"sse2"}))
    monkeypatch.setattr(_cpu, "_target", lambda path: "x86_64:avx2,sse2")
    with pytest.raises(ImportError, match="CPU features that this machine lacks: avx2"):
        _cpu.load()


@pytest.mark.parametrize(("flags", "chosen"), [("sse2 avx2", ["_ciro_v3.abi3.so"]), ("sse2", [])])
def test_of_two_modules_the_best_that_the_cpu_runs_is_loaded(monkeypatch, flags, chosen):
    loaded = []
    paths = [Path("_ciro_v3.abi3.so"), Path("_ciro.abi3.so")]
    monkeypatch.setattr(_cpu, "_modules", lambda: paths)
    monkeypatch.setattr(_cpu, "_target", lambda path: "x86_64:avx2,sse2" if path == paths[0] else "x86_64:sse2")
    monkeypatch.setattr(_cpu, "_flags", lambda: frozenset(flags.split()))
    monkeypatch.setattr(_cpu, "_load", lambda path: loaded.append(path.name))
    _cpu.load()
    assert loaded == chosen


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_proves(tmp_path):
    """The prover's threads do not survive a fork; a child that waited for them would hang."""
    code = f"""
        import os, numpy as np, ciro
        model = ciro.compile({str(MODELS / "lenet5_mnist" / "model.onnx")!r})
        x = np.load({str(MODELS / "lenet5_mnist" / "inputs.npz")!r})["in_0"][0]
        expected = model.prove(x)
        child = os.fork()
        if child == 0:
            os._exit(0 if model.prove(x) == expected else 1)
        assert os.waitpid(child, 0)[1] == 0
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, cwd=tmp_path)


@pytest.mark.skipif(sys.version_info < (3, 10), reason="the names of the standard library are known since 3.10")
def test_nothing_but_numpy_is_needed(tmp_path):
    """Compiles, proves and verifies with every other package out of reach."""
    code = f"""
        import sys, importlib.abc
        allowed = {{"ciro", "numpy"}} | set(sys.stdlib_module_names)

        class Nothing(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] not in allowed:
                    raise ModuleNotFoundError(name)

        sys.meta_path.insert(0, Nothing())
        import ciro, numpy
        x = numpy.load({str(MODELS / "logreg_iris" / "inputs.npz")!r})["in_0"]
        model = ciro.compile({str(MODELS / "logreg_iris" / "model.onnx")!r}, calibration=x)
        model.prove(x[0]).verify(model.key, inputs=x[0])
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, cwd=tmp_path)


def test_the_package_is_typed():
    folder = Path(ciro.__file__).parent
    assert (folder / "py.typed").exists() and (folder / "_ciro.pyi").exists()
    assert all(hasattr(ciro, name) for name in ciro.__all__)
    for name in ciro.__all__:
        assert name == "__version__" or getattr(ciro, name).__doc__, name
