"""What no graph can be, by name: known from the classes alone, so it can be told before an expensive training."""

from collections.abc import Iterator
from typing import Any

from tasks.conversion.registry import own_converters
from tasks.conversion.voting import ensemble_of
from tasks.conversion.words import why_not

SOLVES = "solves an optimisation anew for every record"
MANIFOLD = "places a record among all training rows by its neighbours' graph"
SEVERAL = "predicts several targets, and a release has one"

# Class: why not, and the nearest that works.
REFUSED = {
    "AdditiveChi2Sampler": ("has no converter", "Nystroem or RBFSampler"),
    "Birch": ("has no converter", "KMeans"),
    "ClassifierChain": (SEVERAL, "one model for each target"),
    "DictVectorizer": ("takes dictionaries, and a graph takes columns", "OneHotEncoder"),
    "DictionaryLearning": (SOLVES, "PCA or FactorAnalysis"),
    "FeatureHasher": ("takes dictionaries, and a graph takes columns", "OneHotEncoder with max_categories"),
    "HashingVectorizer": ("hashes words, which no operator of the ONNX standard does", "TfidfVectorizer"),
    "Isomap": (MANIFOLD, "KernelPCA or Nystroem"),
    "LatentDirichletAllocation": (SOLVES, "TruncatedSVD"),
    "LocallyLinearEmbedding": (MANIFOLD, "KernelPCA or Nystroem"),
    "MiniBatchDictionaryLearning": (SOLVES, "PCA or FactorAnalysis"),
    "MiniBatchNMF": (SOLVES, "PCA or TruncatedSVD"),
    "MultiOutputClassifier": (SEVERAL, "one model for each target"),
    "NMF": (SOLVES, "PCA or TruncatedSVD"),
    "PolynomialCountSketch": ("convolves by Fourier transforms", "PolynomialFeatures or Nystroem"),
    "RandomTreesEmbedding": ("gives sparse leaves", "RandomForest or ExtraTrees as the model itself"),
    "SparseCoder": (SOLVES, "PCA or FactorAnalysis"),
}
# Refused by how they are set.
SPLITTERS = ("CountVectorizer", "TfidfVectorizer")
# Parsed by their parts.
CONTAINERS = ("Pipeline", "ColumnTransformer", "FeatureUnion")
LIBRARIES = ("sklearn", "lightgbm", "xgboost", "skl2onnx")


def refusals(estimator: Any) -> list[str]:
    """A sentence for every estimator inside that has no form in ONNX: what, why, what instead. Trained or not."""
    voting = ensemble_of(estimator)
    members = [] if voting is None else [(name, one) for name, one in voting.estimators if one != "drop"]
    named = [f"Member {name}: {told}" for name, one in members for told in refusals(one)]
    found = dict.fromkeys(told for one in estimators_inside(estimator) if (told := _refusal(one)))
    return [*named, *(told for told in found if not any(told in one for one in named))]


def reason_of(error: Exception, estimator: Any) -> str:
    """The sentence of a converter that refused; of any other failure what it was, shortened, and what to use."""
    words = " ".join(str(error).split())
    if isinstance(error, NotImplementedError):
        return f"The candidate cannot be converted to ONNX: {words[:400]}"
    found = f"{type(error).__name__}: {words[:200]}"
    return f"{type(estimator).__name__} cannot be converted to ONNX: {found} Instead: {nearest(estimator)}."


def estimators_inside(estimator: Any) -> Iterator[Any]:
    """It and all that its parameters hold: the steps of pipelines, the estimators of ensembles and wrappers."""
    seen: set[int] = set()
    for one in (estimator, *_parameters(estimator)):
        if id(one) not in seen:
            seen.add(id(one))
            yield one


def _parameters(estimator: Any) -> list[Any]:
    if not callable(getattr(estimator, "get_params", None)) or isinstance(estimator, type):
        return []
    held = estimator.get_params(deep=True).values()
    return [one for one in held if callable(getattr(one, "get_params", None)) and hasattr(one, "fit")]


def _refusal(estimator: Any) -> str:
    kind = type(estimator)
    library = kind.__module__.split(".")[0]
    if library not in LIBRARIES:
        return (
            f"{kind.__name__} is a class of {library}, and nothing says what it does as ONNX. Instead: transformers "
            "and models of scikit-learn, LightGBM or XGBoost; what remains, computed in the data source."
        )
    told = why_not(estimator) if kind.__name__ in SPLITTERS else REFUSED.get(kind.__name__)
    if told:
        why, instead = told
        return f"{kind.__name__} cannot be converted to ONNX: it {why}. Instead: {instead}."
    if kind.__name__ in CONTAINERS or _converts(kind):
        return ""
    return f"{kind.__name__} cannot be converted to ONNX: it has no converter. Instead: {nearest(estimator)}."


def _converts(kind: type) -> bool:
    from skl2onnx._supported_operators import sklearn_operator_name_map

    return kind in {one.estimator for one in own_converters()} or kind in sklearn_operator_name_map


def nearest(estimator: Any) -> str:
    """What to use for an estimator of which nothing more is known."""
    from sklearn.base import is_classifier, is_outlier_detector, is_regressor

    if is_classifier(estimator):
        return "HistGradientBoostingClassifier, RandomForestClassifier or LogisticRegression"
    if is_regressor(estimator):
        return "HistGradientBoostingRegressor, RandomForestRegressor or Ridge"
    if is_outlier_detector(estimator):
        return "IsolationForest"
    return "PCA, SelectKBest or SplineTransformer, or the columns computed in the data source"
