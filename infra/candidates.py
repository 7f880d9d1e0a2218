"""Candidates: opened only after their types were read and allowed, never by running what a file says."""

import importlib.util
import re
import zipfile
from pathlib import Path
from typing import Any

from expectations.errors import CannotAsk

# Classes of scikit-learn and the plain descriptions of numpy; functions are never allowed by pattern.
ALLOWED = re.compile(
    r"^sklearn\.(\w+\.)*_?[A-Z]\w*$|^numpy\.dtype$"
    r"|^sklearn\.compose\._column_transformer\.make_column_selector$"
    # Histogram gradient boosting with categories keeps this one call; a partial of another function names it.
    r"|^functools\.partial$|^sklearn\.utils\.validation\.check_array$|^collections\.OrderedDict$"
)
# They read their models by code of their own, so each is trusted by name; and each is an extra.
BOOSTERS = ("lightgbm", "xgboost")


def open_skops(path: Path, trusted_types: tuple[str, ...] = (), name: str = "") -> Any:
    """The estimator in a skops file. Raises CannotAsk where it is none, or holds types that nobody allowed.

    `name` is what its user calls the file, if it is a copy.
    """
    import skops.io

    said = name or path.name

    try:
        found = skops.io.get_untrusted_types(file=path)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CannotAsk(
            f"{said}: expected a skops file, found something else ({reason}). "
            "Write it with skops.io.dump(estimator, path)."
        ) from None
    strange = sorted(name for name in found if not ALLOWED.match(name) and name not in trusted_types)
    packages = {name.partition(".")[0] for name in found}
    if strange and {name.partition(".")[0] for name in strange} <= set(BOOSTERS):
        raise CannotAsk(
            f"{said}: holds a model that only {' and '.join(sorted(packages & set(BOOSTERS)))} can read, by code "
            "that is not checked here. It converts; if you trust who made the file, add to the spec:\n"
            f"candidate:\n  trusted_types: [{', '.join(strange)}]"
        )
    if strange:
        raise CannotAsk(
            f"{said}: holds types that are not scikit-learn's: {', '.join(strange)[:500]}. They can be neither "
            "converted nor trusted unseen; use scikit-learn's own, or name them in candidate.trusted_types."
        )
    for package in sorted(packages & set(BOOSTERS)):
        if importlib.util.find_spec(package) is None:
            raise CannotAsk(f"{said}: needs {package}, which is not here: pip install 'seatrial[boosters]'.")
    try:
        estimator = skops.io.load(path, trusted=found)
    except (ImportError, AttributeError) as error:
        raise CannotAsk(
            f"{said}: holds a type that is not installed here ({' '.join(str(error).split())[:200]}). What a release "
            "holds is of installed packages; use scikit-learn's own transformers, and compute the rest in the source."
        ) from None
    if not callable(getattr(estimator, "predict", None)):
        raise CannotAsk(f"{said}: expected an estimator with predict(), found {type(estimator).__name__}.")
    return estimator


def scan_pickle(path: Path) -> None:
    """Raises CannotAsk where a scanner finds calls in a pickle that no model needs.

    joblib lays arrays between the pickle's own codes, where no scanner reads on: of such a file only the part before
    the first array is seen, and `trust: true` is all the more what it says.
    """
    from picklescan.scanner import SafetyLevel, scan_file_path

    scan = scan_file_path(str(path))
    dangerous = sorted(f"{item.module}.{item.name}" for item in scan.globals if item.safety == SafetyLevel.Dangerous)
    if dangerous:
        raise CannotAsk(f"{path.name}: the pickle calls {', '.join(dangerous)}; it was not opened.")
    if scan.scan_err and path.suffix != ".joblib":
        raise CannotAsk(f"{path.name}: cannot be scanned to its end, so it was not opened; save the model with skops.")
