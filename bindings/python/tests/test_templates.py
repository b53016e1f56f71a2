"""What `ciro init` writes for Python runs as it stands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def program() -> str:
    programs = os.environ.get("CIRO_PROGRAMS")
    if programs is None:
        pytest.skip("CIRO_PROGRAMS does not say where `ciro` is: no template is tested")
    return str(Path(programs) / "ciro")


def run(*command: str, folder: Path, home: Path) -> str:
    environment = {**os.environ, "CIRO_HOME": str(home)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_python_project_proves_and_verifies(program, tmp_path):
    run(program, "init", "--quiet", "--template", "python", ".", folder=tmp_path, home=tmp_path)
    told = run(sys.executable, "prove.py", folder=tmp_path, home=tmp_path)
    assert "label 0, probabilities [" in told and "bits of security" in told
    assert (tmp_path / "model.key").exists() and (tmp_path / "proof.ciro").exists()


def test_a_client_orders_and_keeps_a_receipt(program, tmp_path, home):
    run(program, "init", "--quiet", "--template", "client", ".", folder=tmp_path, home=home)
    told = run(sys.executable, "order.py", folder=tmp_path, home=home)
    assert "label 0 for 0.0" in told and "receipt certified by the validators" in told
    # The command accepts what the program kept.
    run(program, "verify-receipt", "job.receipt", folder=tmp_path, home=home)
