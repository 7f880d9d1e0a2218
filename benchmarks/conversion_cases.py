"""Every estimator of scikit-learn that a tabular release could hold, on data that it is made for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

ROWS, HELD_OUT = 300, 200
NUMBERS = ["income", "age", "rooms", "share", "score"]
# Transformers of other things than tables (images, graphs, targets, dictionaries), and those that cannot transform
# rows that they were not fitted on.
NOT_TABULAR = {
    "DictVectorizer": "takes dictionaries",
    "FeatureHasher": "takes dictionaries",
    "KNeighborsTransformer": "makes a graph of neighbours",
    "RadiusNeighborsTransformer": "makes a graph of neighbours",
    "KernelCenterer": "takes a kernel matrix",
    "LabelBinarizer": "transforms the target",
    "LabelEncoder": "transforms the target",
    "MultiLabelBinarizer": "transforms the target",
    "PatchExtractor": "takes images",
    "PLSSVD": "has no predict and needs several targets",
    "SparseCoder": "takes a dictionary instead of learning",
    "TSNE": "cannot transform new rows",
}


@dataclass(frozen=True)
class Case:
    """One estimator to be trained on `features` and `target`; `held_out` is scored."""

    kind: str
    name: str
    variant: str
    make: Callable[[], Any]
    features: pd.DataFrame
    target: Any
    held_out: pd.DataFrame

    @property
    def key(self) -> str:
        """`Name` or `Name (variant)`."""
        return f"{self.name} ({self.variant})" if self.variant else self.name


def cases() -> list[Case]:
    """All of them: classifiers (binary and of three classes), regressors, outlier detectors, transformers."""
    return [*_classifiers(), *_regressors(), *_outliers(), *_transformers()]


def numbers(seed: int, rows: int) -> pd.DataFrame:
    """Continuous and whole columns of unlike scales: (rows, 5)."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "income": rng.lognormal(10, 0.5, rows),
            "age": rng.integers(18, 90, rows),
            "rooms": rng.integers(1, 9, rows),
            "share": rng.uniform(0, 1, rows),
            "score": rng.normal(0, 1, rows),
        }
    )


def scaled(seed: int, rows: int) -> pd.DataFrame:
    """The same, standardised, as kernels and networks want it."""
    base, frame = numbers(0, ROWS), numbers(seed, rows)
    return (frame - base.mean()) / base.std()


def _signal(frame: pd.DataFrame) -> pd.Series:
    return (np.log(frame["income"]) - 10) * 2 + frame["age"] / 30 + frame["share"] * frame["rooms"] / 4 + frame["score"]


def _noisy(seed: int, rows: int) -> Any:
    return _signal(numbers(seed, rows)).to_numpy() + np.random.default_rng(seed + 100).normal(0, 0.3, rows)


def _classes(count: int) -> Any:
    value = _noisy(0, ROWS)
    return np.array(["low", "middle", "high"])[:count][
        np.searchsorted(np.quantile(value, [0.55, 0.8][: count - 1]), value)
    ]


def _frames(kind: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    if kind == "text":
        return _texts(1, ROWS), _texts(2, HELD_OUT)
    if kind == "towns":
        return _towns(1, ROWS), _towns(2, HELD_OUT)
    if kind == "counts":
        return numbers(0, ROWS)[["age", "rooms"]].mod(7).assign(x=3), numbers(2, HELD_OUT)[["age", "rooms"]].mod(
            7
        ).assign(x=3)
    if kind == "positive":
        base = numbers(0, ROWS)
        return ((numbers(s, n) - base.min()).clip(lower=0) / base.std() for s, n in ((0, ROWS), (2, HELD_OUT)))  # type: ignore[return-value]
    if kind == "continuous":
        return _holes(scaled(0, ROWS)[["income", "share", "score"]]), _holes(
            scaled(2, HELD_OUT)[["income", "share", "score"]]
        )
    if kind == "missing":
        return _holes(numbers(0, ROWS)), _holes(numbers(2, HELD_OUT))
    if kind == "one":
        return numbers(0, ROWS)[["income"]], numbers(2, HELD_OUT)[["income"]]
    make = scaled if kind == "scaled" else numbers
    return make(0, ROWS), make(2, HELD_OUT)


def _holes(frame: pd.DataFrame) -> pd.DataFrame:
    holes = np.random.default_rng(7).random(frame.shape) < 0.1
    return frame.astype(np.float64).mask(holes)


def _towns(seed: int, rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "town": rng.choice(["Ames", "Boone", "Nevada", "Ogden"], rows, p=[0.6, 0.3, 0.07, 0.03]),
            "street": rng.choice(["gravel", "paved"], rows),
        }
    )


def _texts(seed: int, rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    words = ["late", "payment", "Of", "the", "loan", "house", "won't", "pay", "42", "größe"]
    return pd.DataFrame({"note": [" ".join(rng.choice(words, rng.integers(1, 9))) for _ in range(rows)]})


def _all(kind: str) -> dict[str, Any]:
    from sklearn.utils import all_estimators

    return dict(all_estimators(type_filter=kind))


def _each(names: str, value: Any) -> dict[str, Any]:
    return {name: value for name in names.split()}


def _classifiers() -> Iterator[Case]:
    data = {
        **_each("BernoulliNB ComplementNB MultinomialNB", "positive"),
        "CategoricalNB": "counts",
        **_each(
            "GaussianProcessClassifier KNeighborsClassifier LabelPropagation LabelSpreading "
            "MLPClassifier NuSVC SVC RadiusNeighborsClassifier LinearSVC LogisticRegression "
            "LogisticRegressionCV SGDClassifier Perceptron PassiveAggressiveClassifier",
            "scaled",
        ),
        "HistGradientBoostingClassifier": "missing",
    }
    for name in _all("classifier"):
        frame, held_out = _frames(data.get(name, "numbers"))
        for count, variant in ((2, "binary"), (3, "three classes")):
            target = _classes(count)
            if name in ("ClassifierChain", "MultiOutputClassifier"):
                target = (
                    target.reshape(-1, 1) if name == "MultiOutputClassifier" else (target == "low").reshape(-1, 1) * 1
                )
            if name == "SelfTrainingClassifier":
                target = np.searchsorted(["high", "low", "middle"], target)
            if count == 3 and name in ("FixedThresholdClassifier", "TunedThresholdClassifierCV", "ClassifierChain"):
                continue
            yield Case("classifier", name, variant, lambda name=name: _classifier(name), frame, target, held_out)


def _classifier(name: str) -> Any:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    base = make_pipeline(StandardScaler(), LogisticRegression())
    forest = RandomForestClassifier(10, random_state=0)
    arguments: dict[str, Any] = {
        **_each("CalibratedClassifierCV FixedThresholdClassifier MultiOutputClassifier", {"estimator": base}),
        **_each("OneVsOneClassifier OneVsRestClassifier TunedThresholdClassifierCV", {"estimator": base}),
        "ClassifierChain": {"estimator": base},
        "OutputCodeClassifier": {"estimator": base, "random_state": 0},
        "SelfTrainingClassifier": {"estimator": base},
        "StackingClassifier": {"estimators": [("linear", base), ("forest", forest)]},
        "VotingClassifier": {"estimators": [("linear", base), ("bayes", GaussianNB())], "voting": "soft"},
        "RadiusNeighborsClassifier": {"radius": 1.5, "outlier_label": "most_frequent"},
        "AdaBoostClassifier": {"estimator": DecisionTreeClassifier(max_depth=2), "n_estimators": 20},
        "MLPClassifier": {"hidden_layer_sizes": (20,), "max_iter": 100},
        "NuSVC": {"nu": 0.2},
        **_each("RandomForestClassifier ExtraTreesClassifier GradientBoostingClassifier", {"n_estimators": 30}),
        "HistGradientBoostingClassifier": {"max_iter": 30},
    }
    return _made(_all("classifier")[name], arguments.get(name, {}))


def _made(kind: Any, arguments: dict[str, Any]) -> Any:
    import inspect

    free = "random_state" in inspect.signature(kind).parameters
    return kind(**({"random_state": 0} if free else {}) | arguments)


def _regressors() -> Iterator[Case]:
    data = {
        "IsotonicRegression": "one",
        **_each(
            "GaussianProcessRegressor KNeighborsRegressor KernelRidge MLPRegressor NuSVR SVR "
            "RadiusNeighborsRegressor SGDRegressor LinearSVR PassiveAggressiveRegressor "
            "HuberRegressor GammaRegressor PoissonRegressor TweedieRegressor "
            "QuantileRegressor",
            "scaled",
        ),
        "HistGradientBoostingRegressor": "missing",
    }
    for name in _all("regressor"):
        frame, held_out = _frames(data.get(name, "numbers"))
        target = _noisy(0, ROWS)
        if name in ("GammaRegressor", "PoissonRegressor", "TweedieRegressor", "TransformedTargetRegressor"):
            target = np.exp(target / 4)
        if name.startswith(("MultiTask", "MultiOutput", "RegressorChain")):
            target = target.reshape(-1, 1)
        yield Case("regressor", name, "", lambda name=name: _regressor(name), frame, target, held_out)


def _regressor(name: str) -> Any:
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.gaussian_process.kernels import RBF, WhiteKernel
    from sklearn.linear_model import LinearRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    base = make_pipeline(StandardScaler(), Ridge())
    forest = RandomForestRegressor(10, random_state=0)
    arguments: dict[str, Any] = {
        **_each("CCA PLSCanonical", {"n_components": 1}),
        "GaussianProcessRegressor": {"kernel": RBF(2.0) + WhiteKernel(0.1)},
        **_each("MultiOutputRegressor RegressorChain", {"estimator": base}),
        "KernelRidge": {"kernel": "rbf"},
        "IsotonicRegression": {"out_of_bounds": "clip"},
        "RadiusNeighborsRegressor": {"radius": 3.0},
        "StackingRegressor": {"estimators": [("linear", base), ("forest", forest)]},
        "VotingRegressor": {"estimators": [("linear", base), ("forest", forest)]},
        "TransformedTargetRegressor": {"regressor": base, "func": np.log1p, "inverse_func": np.expm1},
        "RANSACRegressor": {"estimator": LinearRegression()},
        "MLPRegressor": {"hidden_layer_sizes": (20,), "max_iter": 100},
        "QuantileRegressor": {"alpha": 0.01},
        "TheilSenRegressor": {"max_subpopulation": 200},
        **_each("RandomForestRegressor ExtraTreesRegressor GradientBoostingRegressor", {"n_estimators": 30}),
        "HistGradientBoostingRegressor": {"max_iter": 30},
    }
    return _made(_all("regressor")[name], arguments.get(name, {}))


def _outliers() -> Iterator[Case]:
    from sklearn.base import OutlierMixin
    from sklearn.utils import all_estimators

    frame, held_out = _frames("scaled")
    for name, kind in all_estimators():
        if issubclass(kind, OutlierMixin):
            arguments = {"LocalOutlierFactor": {"novelty": True}, "IsolationForest": {"n_estimators": 30}}.get(name, {})
            yield Case(
                "outlier detector", name, "", lambda k=kind, a=arguments: _made(k, a), frame, None, held_out * 1.5
            )


def _transformers() -> Iterator[Case]:
    text = ("CountVectorizer", "TfidfVectorizer", "HashingVectorizer")
    both = {*_all("classifier"), *_all("regressor")}
    names = [n for n in _all("transformer") if n not in both and n not in NOT_TABULAR]
    positive = (
        "NMF",
        "MiniBatchNMF",
        "LatentDirichletAllocation",
        "AdditiveChi2Sampler",
        "BernoulliRBM",
        "SkewedChi2Sampler",
    )
    data = {
        **_each(" ".join(text), "text"),
        "TfidfTransformer": "counts",
        **_each("OneHotEncoder OrdinalEncoder TargetEncoder", "towns"),
        **_each("SimpleImputer MissingIndicator", "missing"),
        "KNNImputer": "continuous",
        **_each(" ".join(positive), "positive"),
        **_each("StandardScaler MinMaxScaler RobustScaler MaxAbsScaler SelectKBest", "numbers"),
        **_each("VarianceThreshold PowerTransformer QuantileTransformer KBinsDiscretizer", "numbers"),
        "ColumnTransformer": "numbers",
    }
    for name in [*names, "CountVectorizer", "TfidfVectorizer", "IterativeImputer"]:
        kind = "missing" if name == "IterativeImputer" else data.get(name, "scaled")
        frame, held_out = _frames(kind)
        target = _noisy(0, ROWS) if name != "NeighborhoodComponentsAnalysis" else (_classes(3) == "low") * 1
        yield Case("transformer", name, "", lambda name=name: _transformer(name), frame, target, held_out)


def _transformer(name: str) -> Any:
    """The transformer with a linear model behind it: a number that is off anywhere moves the prediction."""
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline

    made = _bare_transformer(name)
    if name.endswith("Vectorizer"):
        made = ColumnTransformer([("text", made, "note")])
    return make_pipeline(made, Ridge())


def _bare_transformer(name: str) -> Any:
    from sklearn import feature_extraction, impute
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.feature_selection import f_regression
    from sklearn.linear_model import Lasso
    from sklearn.preprocessing import MinMaxScaler, PowerTransformer, StandardScaler

    known = {
        **_all("transformer"),
        "CountVectorizer": feature_extraction.text.CountVectorizer,
        "TfidfVectorizer": feature_extraction.text.TfidfVectorizer,
        "IterativeImputer": impute.IterativeImputer,
    }
    lasso = Lasso(0.01)
    arguments: dict[str, Any] = {
        "ColumnTransformer": {
            "transformers": [("a", StandardScaler(), ["income"]), ("b", MinMaxScaler(), ["age"])],
            "remainder": "passthrough",
        },
        "FeatureUnion": {"transformer_list": [("a", StandardScaler()), ("b", PowerTransformer())]},
        "FunctionTransformer": {"func": np.exp},
        **_each("RFE RFECV SelectFromModel SequentialFeatureSelector", {"estimator": lasso}),
        "SelectKBest": {"k": 2, "score_func": f_regression},
        "SelectPercentile": {"percentile": 60, "score_func": f_regression},
        "GenericUnivariateSelect": {"mode": "k_best", "param": 3, "score_func": f_regression},
        **_each("SelectFdr SelectFpr SelectFwe", {"score_func": f_regression}),
        **_each("GaussianRandomProjection SparseRandomProjection", {"n_components": 3}),
        **_each("PCA IncrementalPCA TruncatedSVD NMF MiniBatchNMF FactorAnalysis", {"n_components": 3}),
        **_each("KernelPCA", {"n_components": 4, "kernel": "rbf"}),
        "OneHotEncoder": {"handle_unknown": "infrequent_if_exist", "min_frequency": 15},
        "OrdinalEncoder": {"handle_unknown": "use_encoded_value", "unknown_value": -1},
        "QuantileTransformer": {"n_quantiles": 50},
        "HashingVectorizer": {"n_features": 32},
        **_each("CountVectorizer TfidfVectorizer", {"token_pattern": "[^ ]+", "lowercase": False}),
        **_each("DictionaryLearning MiniBatchDictionaryLearning", {"n_components": 4, "max_iter": 10}),
        "Birch": {"n_clusters": 4},
        "MissingIndicator": {"features": "all"},
        "RandomTreesEmbedding": {"n_estimators": 10},
    }
    return _made(known[name], arguments.get(name, {}))
