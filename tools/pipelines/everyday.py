#!/usr/bin/env python3
"""Everyday models of scikit-learn, XGBoost and LightGBM, for `tools/cases/cases.py`.

usage: everyday.py FOLDER [NAME ...]      (needs: pip install -r bindings/python/tests/requirements.txt)

Trains each on a data set of scikit-learn and writes FOLDER/NAME/{model.onnx,calibration.npz,inputs.npz,expected.npz} with
onnxruntime's answers for samples that do not calibrate. What a converter refuses is said, and left out:

    tools/pipelines/everyday.py FOLDER && tools/cases/cases.py CIRO FOLDER
"""

import pathlib
import sys
import warnings

import numpy as np
import onnxruntime as ort
from lightgbm import LGBMClassifier, LGBMRegressor
from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
from skl2onnx import to_onnx, update_registered_converter
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.cross_decomposition import PLSRegression
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA, KernelPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingRegressor,
)
from sklearn.feature_selection import SelectKBest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    BayesianRidge,
    GammaRegressor,
    HuberRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.mixture import GaussianMixture
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, LocalOutlierFactor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    Binarizer,
    KBinsDiscretizer,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC, SVR, LinearSVC, NuSVR, OneClassSVM
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier, XGBRegressor

warnings.filterwarnings("ignore")
OPSETS = {"": 17, "ai.onnx.ml": 3}
GIVEN, CALIBRATING = 24, 400

WINE, IRIS, CANCER, DIABETES, DIGITS = (
    load(return_X_y=True) for load in (load_wine, load_iris, load_breast_cancer, load_diabetes, load_digits)
)


def with_gaps(data):
    """A data set of which every fifteenth value or so is missing."""
    x = data[0].copy()
    x[np.random.RandomState(0).rand(*x.shape) < 0.07] = np.nan
    return x, data[1]


def categories(count=600):
    """Two columns of codes, and four numbers of unlike magnitudes."""
    random = np.random.RandomState(1)
    codes = np.column_stack([random.randint(0, 5, count), random.randint(0, 3, count)])
    x = random.randn(count, 4) * [1, 10, 100, 0.1] + [0, 5, 1000, 0]
    score = (codes[:, 0] == 2) + 0.7 * (codes[:, 1] == 1) + x[:, 0] + x[:, 2] / 300 - 3
    return np.column_stack([codes, x]), (score + random.randn(count) * 0.2 > 0.5).astype(int)


CODES = categories()
GAPS = {name: with_gaps(data) for name, data in (("wine", WINE), ("cancer", CANCER), ("diabetes", DIABETES))}


def logistic():
    return LogisticRegression(max_iter=2000)


def forest():
    return RandomForestClassifier(10, max_depth=5, random_state=0)


def columns(scaler, encoder):
    numbers = make_pipeline(SimpleImputer(), scaler)
    return ColumnTransformer([("numbers", numbers, [2, 3, 4, 5]), ("codes", encoder, [0, 1])])


def one_hot(scaler):
    return columns(scaler, OneHotEncoder(handle_unknown="ignore"))


def scaled(*steps):
    return make_pipeline(StandardScaler(), *steps)


MODELS = {
    "columns_logistic": lambda: (make_pipeline(one_hot(StandardScaler()), logistic()), CODES),
    "columns_forest": lambda: (make_pipeline(one_hot(StandardScaler()), forest()), CODES),
    "columns_ridge": lambda: (make_pipeline(one_hot(RobustScaler()), RidgeClassifier()), CODES),
    "columns_boosting": lambda: (
        make_pipeline(columns(MinMaxScaler(), OrdinalEncoder()), GradientBoostingClassifier(n_estimators=20)),
        CODES,
    ),
    "imputed_svc": lambda: (make_pipeline(SimpleImputer(), StandardScaler(), SVC(probability=True)), GAPS["wine"]),
    "svc_poly": lambda: (scaled(SVC(kernel="poly")), IRIS),
    "svc_sigmoid": lambda: (scaled(SVC(kernel="sigmoid")), IRIS),
    "svr": lambda: (scaled(SVR()), DIABETES),
    "nu_svr": lambda: (make_pipeline(MinMaxScaler(), NuSVR()), DIABETES),
    "neighbours": lambda: (scaled(KNeighborsClassifier(5)), IRIS),
    "neighbours_weighted": lambda: (scaled(KNeighborsClassifier(5, weights="distance")), WINE),
    "neighbours_regressor": lambda: (scaled(KNeighborsRegressor(7)), DIABETES),
    "perceptron": lambda: (scaled(MLPClassifier((32, 16), max_iter=400, random_state=0)), WINE),
    "gaussian_process": lambda: (
        GaussianProcessRegressor(RBF(2.0) + WhiteKernel(0.1), normalize_y=True),
        (StandardScaler().fit_transform(DIABETES[0])[:150], DIABETES[1][:150]),
    ),
    "gaussian_bayes": lambda: (GaussianNB(), WINE),
    "multinomial_bayes": lambda: (MultinomialNB(), DIGITS),
    "bernoulli_bayes": lambda: (make_pipeline(Binarizer(threshold=8.0), BernoulliNB()), DIGITS),
    "complement_bayes": lambda: (ComplementNB(), DIGITS),
    "linear_discriminant": lambda: (LinearDiscriminantAnalysis(), WINE),
    "quadratic_discriminant": lambda: (QuadraticDiscriminantAnalysis(), IRIS),
    "stacking": lambda: (
        StackingClassifier([("forest", forest()), ("linear", scaled(logistic()))], logistic()),
        CANCER,
    ),
    "voting_regressor": lambda: (
        VotingRegressor([("forest", RandomForestRegressor(8, random_state=0)), ("linear", LinearRegression())]),
        DIABETES,
    ),
    "calibrated": lambda: (CalibratedClassifierCV(forest(), cv=3), CANCER),
    "isolation_forest": lambda: (IsolationForest(n_estimators=30, random_state=0), CANCER),
    "outlier_factor": lambda: (
        LocalOutlierFactor(n_neighbors=10, novelty=True),
        (StandardScaler().fit_transform(IRIS[0]), IRIS[1]),
    ),
    "one_class_svm": lambda: (scaled(OneClassSVM(nu=0.1)), WINE),
    "pca": lambda: (scaled(PCA(8), logistic()), DIGITS),
    "kernel_pca": lambda: (scaled(KernelPCA(5, kernel="rbf"), logistic()), IRIS),
    "truncated_svd": lambda: (make_pipeline(TruncatedSVD(6, random_state=0), forest()), DIGITS),
    "polynomial_lasso": lambda: (scaled(PolynomialFeatures(2), Lasso(0.1)), DIABETES),
    "quantiles_logistic": lambda: (make_pipeline(QuantileTransformer(n_quantiles=100), logistic()), CANCER),
    "quantiles_forest": lambda: (make_pipeline(QuantileTransformer(n_quantiles=100), forest()), CANCER),
    "bins_logistic": lambda: (
        make_pipeline(KBinsDiscretizer(n_bins=5, encode="onehot-dense"), logistic()),
        WINE,
    ),
    "bins_boosting": lambda: (
        make_pipeline(KBinsDiscretizer(n_bins=8, encode="ordinal"), GradientBoostingClassifier(n_estimators=20)),
        CANCER,
    ),
    "power_logistic": lambda: (make_pipeline(PowerTransformer(), logistic()), CANCER),
    "imputed_power_logistic": lambda: (
        make_pipeline(SimpleImputer(), PowerTransformer(), logistic()),
        GAPS["wine"],
    ),
    "imputed_power_forest": lambda: (make_pipeline(SimpleImputer(), PowerTransformer(), forest()), GAPS["wine"]),
    "scaled_imputed_logistic": lambda: (scaled(SimpleImputer(), logistic()), GAPS["wine"]),
    "scaled_imputed_forest": lambda: (scaled(SimpleImputer(), forest()), GAPS["wine"]),
    "best_features": lambda: (make_pipeline(SelectKBest(k=5), StandardScaler(), logistic()), CANCER),
    "normalized": lambda: (make_pipeline(Normalizer(), logistic()), DIGITS),
    "union": lambda: (make_pipeline(make_union(StandardScaler(), PCA(3)), forest()), WINE),
    "ada_boost": lambda: (AdaBoostClassifier(n_estimators=10, random_state=0), WINE),
    "bagging": lambda: (BaggingClassifier(DecisionTreeClassifier(max_depth=4), n_estimators=8, random_state=0), WINE),
    "bagging_ridge": lambda: (BaggingRegressor(Ridge(), n_estimators=5, random_state=0), DIABETES),
    "extra_trees": lambda: (ExtraTreesClassifier(20, max_depth=7, random_state=0), DIGITS),
    "one_against_rest": lambda: (OneVsRestClassifier(logistic()), IRIS),
    "one_against_one": lambda: (OneVsOneClassifier(LinearSVC()), IRIS),
    "k_means": lambda: (scaled(KMeans(n_clusters=5, random_state=0, n_init=3)), IRIS),
    "gaussian_mixture": lambda: (GaussianMixture(n_components=3, random_state=0), IRIS),
    "poisson": lambda: (scaled(PoissonRegressor()), DIABETES),
    "gamma": lambda: (scaled(GammaRegressor()), DIABETES),
    "huber": lambda: (make_pipeline(RobustScaler(), HuberRegressor()), DIABETES),
    "bayesian_ridge": lambda: (scaled(BayesianRidge()), DIABETES),
    "gradient_descent": lambda: (scaled(SGDClassifier(loss="modified_huber", random_state=0)), CANCER),
    "least_squares": lambda: (PLSRegression(3), DIABETES),
    "xgboost_missing": lambda: (XGBClassifier(n_estimators=20, max_depth=4), GAPS["cancer"]),
    "xgboost_classes": lambda: (scaled(XGBClassifier(n_estimators=10, max_depth=3)), WINE),
    "xgboost_regressor": lambda: (XGBRegressor(n_estimators=30, max_depth=4), GAPS["diabetes"]),
    "xgboost_tweedie": lambda: (XGBRegressor(n_estimators=20, objective="reg:tweedie"), DIABETES),
    "lightgbm_missing": lambda: (LGBMClassifier(n_estimators=20, verbose=-1), GAPS["cancer"]),
    "lightgbm_classes": lambda: (LGBMClassifier(n_estimators=10, verbose=-1), WINE),
    "lightgbm_regressor": lambda: (LGBMRegressor(n_estimators=30, verbose=-1), GAPS["diabetes"]),
    "lightgbm_calibrated": lambda: (CalibratedClassifierCV(LGBMClassifier(n_estimators=10, verbose=-1), cv=3), CANCER),
}


def register():
    """Tells skl2onnx of the boosters."""
    options = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
    classes, values = calculate_linear_classifier_output_shapes, calculate_linear_regressor_output_shapes
    update_registered_converter(XGBClassifier, "XgbC", classes, convert_xgboost, options=options)
    update_registered_converter(XGBRegressor, "XgbR", values, convert_xgboost)
    update_registered_converter(LGBMClassifier, "LgbC", classes, convert_lightgbm, options=options)
    update_registered_converter(LGBMRegressor, "LgbR", values, convert_lightgbm, options={"split": None})


def write(folder, model, data):
    """Trains a model and writes it with samples and answers."""
    x, y = data[0].astype(np.float32), data[1]
    model.fit(x, y)
    options = {id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None
    try:
        onnx = to_onnx(model, x[:1], options=options, target_opset=OPSETS)
    except NameError:  # A model without that option.
        onnx = to_onnx(model, x[:1], target_opset=OPSETS)
    x = x[np.random.RandomState(2).permutation(len(x))]
    given, calibration = x[:GIVEN], x[GIVEN : GIVEN + CALIBRATING]
    session = ort.InferenceSession(onnx.SerializeToString())
    answers = session.run(None, {session.get_inputs()[0].name: given})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(onnx.SerializeToString())
    np.savez(folder / "calibration.npz", in_0=calibration[:, None, :])
    np.savez(folder / "inputs.npz", in_0=given[:, None, :])
    np.savez(folder / "expected.npz", **{f"out_{at}": answer for at, answer in enumerate(answers)})


def main(root, names):
    register()
    for name, make in MODELS.items():
        if names and name not in names:
            continue
        try:
            write(root / name, *make())
        except (NotImplementedError, RuntimeError, ValueError) as error:
            print(f"{name}: {str(error).splitlines()[0]}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2:])
