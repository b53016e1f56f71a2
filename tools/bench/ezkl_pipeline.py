"""Runs EZKL's pipeline on one model and input, and writes the times to result.json; `against_ezkl.py` beside it calls it."""

import asyncio
import inspect
import json
import os
import resource
import sys
import time

try:
    import ezkl
except ImportError:
    sys.exit("the Python package ezkl is not installed: pip install ezkl")

MODEL, INPUT = sys.argv[1:]


async def step(function, *arguments, **options):
    """Calls a function of EZKL, some of which are asynchronous, and stops if it says no."""
    result = function(*arguments, **options)
    if inspect.isawaitable(result):
        result = await result
    if result is False:
        sys.exit(f"{function.__name__} failed")
    return result


async def main():
    start = time.perf_counter()
    settings = {"settings_path": "settings.json"}
    srs = {"srs_path": "kzg.srs"}
    compiled = {"model": "model.compiled"}
    await step(ezkl.gen_settings, model=MODEL, output="settings.json")
    await step(ezkl.calibrate_settings, data=INPUT, model=MODEL, settings="settings.json", target="resources")
    await step(ezkl.compile_circuit, model=MODEL, compiled_circuit="model.compiled", **settings)
    with open("settings.json") as file:
        rows = json.load(file)["run_args"]["logrows"]
    await step(ezkl.gen_srs, logrows=rows, **srs)
    await step(ezkl.setup, vk_path="vk.key", pk_path="pk.key", **compiled, **srs)
    setup = time.perf_counter()
    await step(ezkl.gen_witness, data=INPUT, output="witness.json", **compiled)
    await step(ezkl.prove, witness="witness.json", pk_path="pk.key", proof_path="proof.json", **compiled, **srs)
    prove = time.perf_counter()
    await step(ezkl.verify, proof_path="proof.json", vk_path="vk.key", **settings, **srs)
    verify = time.perf_counter()
    with open("proof.json") as file:
        proof = json.load(file)["proof"]
    size = len(proof) if isinstance(proof, list) else (len(proof) - 2) // 2
    report = {
        "version": getattr(ezkl, "__version__", "unknown"),
        "setup_ms": (setup - start) * 1e3,
        "prove_ms": (prove - setup) * 1e3,
        "verify_ms": (verify - prove) * 1e3,
        "proof_bytes": size,
        "proving_key_bytes": os.path.getsize("pk.key"),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // 1_000_000,
    }
    with open("result.json", "w") as file:
        json.dump(report, file)


asyncio.run(main())
