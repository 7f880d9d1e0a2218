"""Faults of origin: what may not be used, or what nobody knows the origin of."""

from planted.base import Planted

SOURCE = {"path": "loans.parquet", "origin": "made for a test", "licence": "CC0-1.0"}


def _source(**changed):
    return {"data": {"sources": {"loans": {**SOURCE, **changed}}}}


FAULTS: tuple[Planted, ...] = (
    Planted("data without a licence", "provenance", "unknown_licence:loans", spec=_source(licence="")),
    Planted(
        "data that may not be sold", "provenance", "licence_not_allowed:loans", spec=_source(licence="CC-BY-NC-4.0")
    ),
    Planted("data of unknown origin", "provenance", "unknown_origin:loans", spec=_source(origin=" ")),
    Planted(
        "a forbidden package",
        "provenance",
        "package_denied:scikit-learn",
        spec={"checks": {"provenance": {"denied": ["scikit-learn>=1"]}}},
    ),
    Planted(
        "an environment that departs from the lock",
        "provenance",
        "package_departs_from_lock",
        spec={"checks": {"provenance": {"lock": "pins.txt"}}},
        files={"pins.txt": "numpy==1.0.0\nonnxruntime==1.28.0 \\\n    --hash=sha256:00\n"},
    ),
)
