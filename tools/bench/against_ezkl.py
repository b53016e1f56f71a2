#!/usr/bin/env python3
"""Measures EZKL on the models that `ciro bench` measures: pip install ezkl, then

    tools/bench/against_ezkl.py [MODEL.onnx ...] [--timeout SECONDS] [--json]

Without models those of examples/models are taken. Every model has a process and a folder of its own; its input is input_0.json or
inputs.npz beside it. Prints a row for each model, or one JSON object {"rows": [...], "failed": [...]}; exits 1 if one failed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PIPELINE = Path(__file__).with_name("ezkl_pipeline.py")


def measure(model: Path, timeout: float) -> dict:
    """The figures of one model; `RuntimeError` with EZKL's last words if there are none."""
    inputs = [model.with_name(name) for name in ("input_0.json", "inputs.npz")]
    found = next((path for path in inputs if path.is_file()), None)
    if found is None:
        raise RuntimeError("there is no input beside the model")
    with tempfile.TemporaryDirectory(prefix="ciro-ezkl-") as folder:
        command = [sys.executable, str(PIPELINE), str(model.resolve()), str(found.resolve())]
        try:
            run = subprocess.run(
                command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=timeout
            )
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"not done after {timeout:.0f} s") from None
        if run.returncode != 0:
            lines = [line for line in run.stderr.splitlines() if line.strip()]
            raise RuntimeError(lines[-1] if lines else f"exit status {run.returncode}")
        return json.loads((Path(folder) / "result.json").read_text())


def name(model: Path) -> str:
    """As `ciro bench` names it."""
    return model.parent.name if model.stem == "model" else model.stem


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--timeout", type=float, default=900, help="seconds that each model may take (default: 900)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    examples = sorted((ROOT / "examples" / "models").glob("*/model.onnx"))
    models = arguments.models or [model for model in examples if not model.parent.name.startswith("bad_")]
    rows, failed = [], []
    for model in models:
        try:
            row = {"model": name(model), **measure(model, arguments.timeout)}
            rows.append(row)
        except (RuntimeError, OSError) as error:
            failed.append({"model": name(model), "error": str(error)})
            row = None
        if not arguments.json:
            figures = failed[-1]["error"] if row is None else (
                f"prove {row['prove_ms']:.0f} ms, verify {row['verify_ms']:.1f} ms, proof {row['proof_bytes']} B, "
                f"setup {row['setup_ms']:.0f} ms, {row['peak_memory_mb']} MB (version {row['version']})"
            )
            print(f"{name(model):24} {figures}", flush=True)
    if arguments.json:
        print(json.dumps({"rows": rows, "failed": failed}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
