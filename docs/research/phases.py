#!/usr/bin/env python3
"""Where the time of a proof goes: the best of several runs for each phase, from the log of `ciro prove -v`.

    docs/research/phases.py CIRO RUNS MODEL ...       MODEL is a folder with model.onnx and input_0.json
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PHASES = ("run", "witness", "commit 1", "interaction", "commit 2", "stark")
SPAN = re.compile(r"prove\{[^}]*\}:(\w+): close time\.busy=([\d.]+)(ns|µs|ms|s)")
UNIT_MS = {"ns": 1e-6, "µs": 1e-3, "ms": 1.0, "s": 1e3}


def phases(ciro: str, model: Path, proof: str) -> dict[str, float]:
    """Milliseconds of each phase of one proof."""
    command = [ciro, "prove", "-v", str(model / "model.onnx"), "--input", str(model / "input_0.json"), "-o", proof]
    environment = {name: value for name, value in os.environ.items() if name != "CIRO_LOG"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, float] = {}
    for name, number, unit in SPAN.findall(done.stderr):
        # There are two commitments: to the execution, and to what balances lookups.
        name = f"commit {1 + ('commit 1' in found)}" if name == "commit" else name
        found[name] = float(number) * UNIT_MS[unit]
    return found


def main() -> None:
    ciro, runs, models = sys.argv[1], int(sys.argv[2]), [Path(name) for name in sys.argv[3:]]
    print("| model | " + " | ".join(PHASES) + " | sum |\n|---|" + "--:|" * (len(PHASES) + 1))
    with tempfile.TemporaryDirectory() as folder:
        for model in models:
            measured = [phases(ciro, model, f"{folder}/proof.ciro") for _ in range(runs)]
            best = {phase: min(times[phase] for times in measured) for phase in PHASES}
            total = sum(best.values())
            cells = (f"{best[phase]:.2f} ms, {100 * best[phase] / total:.0f} %" for phase in PHASES)
            print(f"| `{model.name}` | " + " | ".join(cells) + f" | {total:.1f} ms |", flush=True)


if __name__ == "__main__":
    main()
