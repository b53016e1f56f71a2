"""Models of scikit-learn, XGBoost and LightGBM say what their frameworks say."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import ciro

pytest.importorskip("skl2onnx")
pytest.importorskip("onnxmltools")
sklearn = pytest.importorskip("sklearn")

from sklearn.compose import ColumnTransformer  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine  # noqa: E402
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier  # noqa: E402
from sklearn.linear_model import LinearRegression, LogisticRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler  # noqa: E402
from sklearn.svm import LinearSVC  # noqa: E402
from sklearn.tree import DecisionTreeClassifier  # noqa: E402

CLASSIFIERS = [
    make_pipeline(StandardScaler(), LogisticRegression()),
    make_pipeline(MinMaxScaler(), LogisticRegression(C=10)),
    make_pipeline(StandardScaler(), LinearSVC()),
    DecisionTreeClassifier(max_depth=5, random_state=0),
    RandomForestClassifier(10, max_depth=4, random_state=0),
    GradientBoostingClassifier(n_estimators=5, random_state=0),
]


def proves(model, x):
    """Proves one sample and verifies it; the output is what `run` says."""
    proof = model.prove(x)
    proof.verify(model.key, inputs=x)
    np.testing.assert_array_equal(proof.output, model.run(x)[0])


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer], ids=["wine", "cancer"])
@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=lambda e: type(getattr(e, "steps", [[0, e]])[-1][1]).__name__)
def test_classifiers_of_scikit_learn(estimator, load):
    """Raw tables, whose columns differ by factors of thousands."""
    X, y = load(return_X_y=True)
    X = X.astype(np.float32)
    estimator.fit(X, y)
    model = ciro.from_sklearn(estimator, X)
    assert (model.run(X)["label"] == estimator.predict(X)).all()
    proves(model, X[:1])


def test_regressors_of_scikit_learn():
    X, y = load_diabetes(return_X_y=True)
    X = X.astype(np.float32)
    estimator = make_pipeline(StandardScaler(), LinearRegression()).fit(X, y)
    model = ciro.from_sklearn(estimator, X)
    expected = estimator.predict(X)
    assert np.abs(model.run(X)[0].ravel() - expected).mean() / np.abs(expected).mean() < 1e-3
    proves(model, X[:1])


def test_class_names_come_back():
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])
    estimator = LogisticRegression(max_iter=1000).fit(X.astype(np.float32), names[y])
    model = ciro.from_sklearn(estimator, X)
    assert (model.run(X)["label"] == estimator.predict(X)).all()
    proof = model.prove(X[:1])
    assert proof.output.tolist() == ["setosa"] == proof.verify(model.key).output.tolist()


NUMBERS = ("numbers", StandardScaler(), ["age", "weight"])
ROOMS = ("rooms", OrdinalEncoder(), ["rooms"])
REGION = ("region", OneHotEncoder(), ["region"])


@pytest.mark.parametrize(
    "encoders", [(NUMBERS, ROOMS), (ROOMS, REGION), (NUMBERS, REGION)], ids=["nr", "ro", "no"]
)
@pytest.mark.filterwarnings("ignore::ciro.CalibrationWarning")
def test_pipelines_with_encoders_have_one_input_for_each_column(encoders):
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.uniform(18, 80, 200).astype(np.float32),
            "weight": rng.uniform(40, 90, 200).astype(np.float32),
            "rooms": rng.integers(1, 6, 200),
            "region": rng.integers(0, 4, 200),
        }
    )
    y = (frame.age + frame.region * 10 + frame.rooms > frame.weight).to_numpy()
    frame = frame[[column for _, _, columns in encoders for column in columns]]
    estimator = make_pipeline(ColumnTransformer(list(encoders)), LogisticRegression()).fit(frame, y)
    model = ciro.from_sklearn(estimator, frame)
    assert list(model.inputs) == list(frame.columns)
    proves(model, frame[:1])
    assert (model.run(frame)["label"] == estimator.predict(frame)).all()


@pytest.mark.parametrize("task", ["classifier", "regressor", "booster"])
def test_xgboost(task):
    xgboost = pytest.importorskip("xgboost")
    X, y = load_breast_cancer(return_X_y=True)
    X = X.astype(np.float32)
    kind = xgboost.XGBRegressor if task == "regressor" else xgboost.XGBClassifier
    fitted = kind(n_estimators=10, max_depth=3).fit(X, y)
    model = ciro.from_xgboost(fitted.get_booster() if task == "booster" else fitted, X)
    if task == "regressor":
        np.testing.assert_allclose(model.run(X)[0].ravel(), fitted.predict(X), atol=1e-3)
    else:
        assert (model.run(X)["label"] == fitted.predict(X)).all()
        np.testing.assert_allclose(model.run(X)[1], fitted.predict_proba(X), atol=1e-3)
    proves(model, X[:1])


def test_xgboost_trained_on_frames():
    xgboost = pytest.importorskip("xgboost")
    pd = pytest.importorskip("pandas")
    data = load_iris()
    frame = pd.DataFrame(data.data.astype(np.float32), columns=data.feature_names)
    fitted = xgboost.XGBClassifier(n_estimators=5, max_depth=2).fit(frame, data.target)
    model = ciro.from_xgboost(fitted, frame)
    assert (model.run(frame)["label"] == fitted.predict(frame)).all()
    assert fitted.get_booster().feature_names == data.feature_names


@pytest.mark.parametrize("task", ["classifier", "regressor", "booster"])
def test_lightgbm(task):
    lightgbm = pytest.importorskip("lightgbm")
    X, y = load_breast_cancer(return_X_y=True)
    X = X.astype(np.float32)
    kind = lightgbm.LGBMRegressor if task == "regressor" else lightgbm.LGBMClassifier
    fitted = kind(n_estimators=10, max_depth=3, verbose=-1).fit(X, y)
    model = ciro.from_lightgbm(fitted.booster_ if task == "booster" else fitted, X)
    if task == "regressor":
        np.testing.assert_allclose(model.run(X)[0].ravel(), fitted.predict(X), atol=1e-3)
    else:
        assert (model.run(X)["label"] == fitted.predict(X)).all()
    proves(model, X[:1])


@pytest.mark.parametrize(
    ("function", "module", "extra"),
    [
        (ciro.from_sklearn, "skl2onnx", "sklearn"),
        (ciro.from_xgboost, "onnxmltools", "xgboost"),
        (ciro.from_lightgbm, "onnxmltools", "lightgbm"),
        (ciro.from_torch, "torch", "torch"),
        (ciro.from_keras, "tf2onnx", "keras"),
    ],
)
def test_a_missing_exporter_names_its_extra(monkeypatch, function, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"`ciro.from_{extra}` needs `{module}`: pip install 'ciro\[{extra}\]'"):
        function(object(), np.zeros((1, 2)))


def test_calibration_rows_are_spread():
    from ciro.frameworks._common import CALIBRATION_ROWS, spread

    rows = np.arange(10_000)[:, None]
    chosen = spread(rows)
    assert len(chosen) == CALIBRATION_ROWS and chosen[0] == 0 and chosen[-1] == 9_999
    assert len(spread(rows[:7])) == 7
    with pytest.raises(ValueError, match=r"expected X of shape \[samples, features\], got \[3\]"):
        from ciro.frameworks._common import table

        table(np.zeros(3), "from_xgboost")
