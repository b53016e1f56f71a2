#!/usr/bin/env python3
"""Fifty pipelines of scikit-learn whose trees rank computed features, proven and verified.

usage: pipelines.py CIRO FOLDER      (needs: pip install onnx onnxruntime scikit-learn skl2onnx)

Trains a scaler, a projection or polynomial features before trees on data sets of scikit-learn, and writes
FOLDER/NAME/{model.onnx,calibration.npz,input.npz,samples.csv}. With the command CIRO each is compiled, proven for
eight samples that did not calibrate it, and verified; labels must be onnxruntime's. The search for another rank, path
or leaf reads the same folder:

    CIRO_PIPELINES=FOLDER cargo test -p ciro-stark --lib forests_behind
"""
import json
import pathlib
import subprocess
import sys
import warnings

import numpy as np
import onnxruntime as ort
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, PolynomialFeatures, RobustScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

warnings.filterwarnings("ignore")
SAMPLES = 8
OPSETS = {"": 17, "ai.onnx.ml": 3}
SETS = {
    "iris": load_iris,
    "wine": load_wine,
    "cancer": load_breast_cancer,
    "digits": load_digits,
    "diabetes": load_diabetes,
}
BEFORE = {
    "standard": lambda: [StandardScaler()],
    "minmax": lambda: [MinMaxScaler((-1, 1))],
    "robust": lambda: [RobustScaler()],
    "maxabs": lambda: [MaxAbsScaler()],
    "pca": lambda: [PCA(3)],
    "whitened": lambda: [StandardScaler(), PCA(4, whiten=True)],
    "polynomial": lambda: [PCA(4), PolynomialFeatures(2)],
    "scaled_products": lambda: [PCA(3), StandardScaler(), PolynomialFeatures(2, include_bias=False)],
    "twice": lambda: [StandardScaler(), MinMaxScaler()],
    "products_scaled": lambda: [PCA(4), PolynomialFeatures(2, include_bias=False), StandardScaler()],
}
CLASSIFIERS = [
    lambda seed: RandomForestClassifier(5, max_depth=4, random_state=seed),
    lambda seed: GradientBoostingClassifier(n_estimators=4, max_depth=3, random_state=seed),
    lambda seed: ExtraTreesClassifier(5, max_depth=5, random_state=seed),
    lambda seed: DecisionTreeClassifier(max_depth=6, random_state=seed),
]
REGRESSORS = [
    lambda seed: RandomForestRegressor(5, max_depth=4, random_state=seed),
    lambda seed: GradientBoostingRegressor(n_estimators=6, max_depth=3, random_state=seed),
    lambda seed: ExtraTreesRegressor(5, max_depth=5, random_state=seed),
    lambda seed: DecisionTreeRegressor(max_depth=6, random_state=seed),
]


def pipelines():
    """Name, trained pipeline, and the data set in random order."""
    for at, (data, load) in enumerate(SETS.items()):
        x, y = load(return_X_y=True)
        x = x.astype(np.float32)
        order = np.random.RandomState(at).permutation(len(x))
        trees = REGRESSORS if data == "diabetes" else CLASSIFIERS
        for step, (name, before) in enumerate(BEFORE.items()):
            model = make_pipeline(*before(), trees[(at + step) % len(trees)](step)).fit(x, y)
            yield f"{data}_{name}", model, x[order]


def write(folder, model, x):
    options = {id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None
    data = to_onnx(model, x[:1], options=options, target_opset=OPSETS).SerializeToString()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(data)
    given, calibration = x[:SAMPLES], x[SAMPLES:]
    np.savez(folder / "calibration.npz", in_0=calibration[:, None, :])
    np.savez(folder / "input.npz", in_0=given[:, None, :])
    np.savetxt(folder / "samples.csv", calibration[:64], delimiter=",", fmt="%.9g")
    return ort.InferenceSession(data).run(None, {"X": given})[0].reshape(-1)


def run(ciro, *words):
    done = subprocess.run([ciro, *map(str, words), "--json"], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"ciro {words[0]}: {done.stderr.strip().splitlines()[0]}")
    return json.loads(done.stdout)


def prove(ciro, folder):
    """The first output of all samples, proven and verified."""
    model, key, proof = folder / "m.ciro-model", folder / "m.key", folder / "p.ciro"
    run(ciro, "compile", folder / "model.onnx", "--calibration", folder / "calibration.npz", "-o", model)
    run(ciro, "key", model, "--batch", SAMPLES, "-o", key)
    run(ciro, "prove", model, "--input", folder / "input.npz", "-o", proof)
    verified = run(ciro, "verify", proof, "--key", key, "--input", folder / "input.npz", "--allow-clamped")
    return np.array(verified["output"][0], dtype=object).reshape(-1)


def main(ciro, folder):
    failed = 0
    for name, model, x in pipelines():
        expected = write(folder / name, model, x)
        try:
            proven = prove(ciro, folder / name)
        except RuntimeError as error:
            print(f"{name}: {error}")
            failed += 1
            continue
        if expected.dtype.kind == "f":
            spread = float(np.ptp(model.predict(x))) or 1.0
            error = max(abs(float(p) - float(e)) for p, e in zip(proven, expected)) / spread
            agrees, what = error <= 0.02, f"largest error {100 * error:.3f} % of the spread"
        else:
            equal = sum(int(p) == int(e) for p, e in zip(proven, expected))
            agrees, what = equal == SAMPLES, f"{equal} of {SAMPLES} labels equal"
        failed += not agrees
        print(f"{name}: proven and verified, {what}")
    print(f"{failed} of 50 failed")
    return failed


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1], pathlib.Path(sys.argv[2]))))
