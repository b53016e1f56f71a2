"""Runs EZKL's pipeline on one model and input, and prints the times as JSON. Called by `ciro bench --against ezkl`."""

import inspect
import asyncio
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
    await step(ezkl.gen_settings, MODEL, "settings.json")
    await step(ezkl.calibrate_settings, INPUT, MODEL, "settings.json", "resources")
    await step(ezkl.compile_circuit, MODEL, "model.compiled", "settings.json")
    with open("settings.json") as file:
        rows = json.load(file)["run_args"]["logrows"]
    await step(ezkl.gen_srs, "kzg.srs", rows)
    await step(ezkl.setup, "model.compiled", "vk.key", "pk.key", "kzg.srs")
    setup = time.perf_counter()
    await step(ezkl.gen_witness, INPUT, "model.compiled", "witness.json")
    await step(ezkl.prove, "witness.json", "model.compiled", "pk.key", "proof.json", "kzg.srs")
    prove = time.perf_counter()
    await step(ezkl.verify, "proof.json", "settings.json", "vk.key", "kzg.srs")
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
    print(json.dumps(report))


asyncio.run(main())
