"""The code of the READMEs runs, and the notebooks do."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from conftest import MODELS, ROOT

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
README = Path(__file__).parents[1] / "README.md"
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))


def test_the_code_of_the_readme_runs(tmp_path, monkeypatch, home):
    """All blocks in one namespace, in a folder that has a model and its samples, with a network in use."""
    for file in ("model.onnx", "inputs.npz"):
        shutil.copy(MODELS / "logreg_iris" / file, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CIRO_HOME", str(home))
    blocks = BLOCK.findall(README.read_text())
    assert len(blocks) >= 4
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, README.name, "exec"), names)  # noqa: S102


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(path):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    # Stored without results: what a reader sees is what runs.
    assert all(not cell.get("outputs") for cell in notebook.cells)
    nbclient.NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(path.parent)}}).execute()


def test_there_is_a_notebook_for_each_promise():
    assert len(NOTEBOOKS) == 9
