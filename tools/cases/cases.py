#!/usr/bin/env python3
"""Folders of models through `ciro run`, held against onnxruntime's answers.

usage: cases.py CIRO FOLDER [NAME ...]     (needs numpy)

Every folder below FOLDER holds `model.onnx`, `inputs.npz` (`in_0`, `in_1`, ..., samples along the first axis), `expected.npz` (`out_0`, ...) and possibly
`calibration.npz`. Each is run twice: calibrated with what lies beside it, and with the inputs alone. Prints a line for each, and how many are

  right     every output is within 2 % of its spread, integers and labels are equal
  warned    not right, and `ciro` says so itself
  refused   `ciro` gives a reason
  wrong     not right, without a word

Fails if one is wrong, or ends by a signal.
"""

import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np

TOLERANCE = 0.02
LIMIT_S = 300


def run(ciro, case, calibrated, work):
    """What `ciro run` says of a case, and the greatest error as a part of the spread (none if it was refused)."""
    folder = work / case.name
    folder.mkdir(exist_ok=True)
    # Alone: no calibration lies beside the model.
    shutil.copyfile(case / "model.onnx", folder / "model.onnx")
    for weights in case.glob("*.data"):
        shutil.copyfile(weights, folder / weights.name)
    command = [ciro, "run", "--json", folder / "model.onnx", "--input", case / "inputs.npz"]
    if calibrated:
        command += ["--calibration", case / "calibration.npz"]
    environment = os.environ | {"CIRO_CACHE_DIR": str(work / "cache")}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, env=environment)
    except subprocess.TimeoutExpired:
        return "refused", None, f"no answer within {LIMIT_S} s"
    if done.returncode < 0 or "panicked" in done.stderr:
        return "aborted", None, done.stderr.strip().splitlines()[-1:]
    if done.returncode != 0:
        reasons = [line.strip() for line in done.stderr.splitlines() if "caused by" in line or line.startswith("error")]
        return "refused", None, reasons[-1] if reasons else done.stderr[:200]
    report = json.loads(done.stdout)
    error = max(errors(case, report), default=0.0)
    if error <= TOLERANCE:
        return "right", error, ""
    warnings = report.get("warnings") or []
    return ("warned" if warnings else "wrong"), error, warnings[0] if warnings else ""


def errors(case, report):
    """The greatest error of each output, 1 for integers that differ."""
    expected = np.load(case / "expected.npz", allow_pickle=False)
    labels = iter(report.get("labels", []))
    for name, values in zip(expected.files, report["output"], strict=True):
        want, got = expected[name], np.asarray(values)
        if want.dtype.kind in "US":
            yield float(next(labels) != want.reshape(-1).tolist())
            continue
        want, got = want.astype(np.float64).reshape(-1), got.astype(np.float64)
        if want.shape != got.shape:
            yield 1.0
        elif expected[name].dtype.kind in "iub":
            yield float((want != got).any())
        elif want.size:
            spread = float(np.ptp(want)) or max(float(np.abs(want).max()), 1e-9)
            yield float(np.abs(want - got).max()) / spread


def main():
    ciro, root, names = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    counts = {True: collections.Counter(), False: collections.Counter()}
    cases = sorted(path.parent for path in root.glob("*/expected.npz"))
    with tempfile.TemporaryDirectory() as work:
        for case in cases:
            if names and not any(name in case.name for name in names):
                continue
            for calibrated in (True, False):
                if calibrated and not (case / "calibration.npz").exists():
                    continue
                kind, error, why = run(ciro, case, calibrated, pathlib.Path(work))
                counts[calibrated][kind] += 1
                shown = "" if error is None else f"{100 * error:.2f} %"
                print(f"{case.name:34} {'calibrated' if calibrated else 'alone':10} {kind:8} {shown:>10}  {str(why)[:160]}", flush=True)
    for calibrated, count in counts.items():
        print("calibrated" if calibrated else "alone", dict(count))
    sys.exit(any(count[bad] for count in counts.values() for bad in ("wrong", "aborted")))


if __name__ == "__main__":
    main()
