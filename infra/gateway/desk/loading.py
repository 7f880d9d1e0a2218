"""A release made ready to answer: fetched, its signature verified, proven by its golden records, warmed, and timed.

Everything that a release needs is kept in this account's home too, so that it can be loaded while the store is away.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.errors import CannotAsk
from expectations.serving_spec import Serving
from infra.blob_cache import copy_of
from infra.evidence_store import get_json
from infra.gateway.contract import DATATYPES, Tensor
from infra.gateway.desk.arm import Arm
from infra.gateway.desk.pool import Pool
from infra.gateway.live.lookups import LiveLookups
from infra.packages import open_package, replay
from infra.runtime import Scorer
from infra.signatures import check_signature, signable_package
from infra.store import Store
from infra.trust import Trust

# A hop to a thread costs about 0.1 ms, so what takes less than this is answered at once, holding up the others.
INLINE_MS = 0.3
WARM_RUNS, FEWEST_RUNS, MOST_SECONDS = 30, 3, 0.1
KINDS = {"string": "BYTES", "int64": "INT64", "float": "FP32", "double": "FP64"}
# What is left empty where a record is not trusted.
ANSWERS = ("prediction", "probabilities", "lower", "upper", "conformal_set")


@dataclass(frozen=True)
class Named:
    """A release as the ledger names it: the digests of its package, of its dossier's document, and of the bundle that
    signs the package."""

    release: str
    package: str
    document: str
    signature: str


@dataclass(frozen=True, eq=False)
class Loaded:
    """A release that can answer. `inline_rows`: so many records at once are answered on the event loop."""

    arm: Arm
    rules: Serving
    spec: Mapping[str, Any]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    inline_rows: int
    single_ms: float
    lookups: LiveLookups | None = None
    pool: Pool = field(default_factory=Pool)

    @property
    def release(self) -> str:
        """Its name."""
        return self.arm.release

    @property
    def signature(self) -> Mapping[str, Any]:
        """What its graph says of itself."""
        return self.arm.scorer.signature


class Copies:
    """The blobs of a store, kept in this account's home at the first reading; each is checked whenever it is read."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get_blob(self, digest: str) -> bytes:
        """The bytes of a digest. Raises Missing or Corrupt."""
        return self.blob_path(digest).read_bytes()

    def blob_path(self, digest: str) -> Path:
        """The copy with the bytes of a digest. Raises Missing or Corrupt."""
        return copy_of(digest, lambda file: file.write(self._store.get_blob(digest)))


def load(copies: Copies, named: Named, trust: Trust) -> Loaded:
    """The release, ready. Raises CannotAsk, in words, where anything of it is not what the ledger says, or where its
    package is not signed by a key that is trusted."""
    spec = _spec(copies, named)
    # Before onnxruntime reads a byte of the graph.
    _expect_signature(copies, named, trust)
    rules = Serving.model_validate(spec.get("serving") or {})
    scorer = open_package(copies, named.package)
    golden = get_json(copies, get_json(copies, named.package)["golden"])
    if wrong := replay(scorer, golden):
        raise CannotAsk(
            f"{named.release}: {len(wrong)} golden record(s) of its package get another answer here; the first is "
            f"number {wrong[0]}. It does not serve."
        )
    _expect_guards(named.release, scorer, rules)
    rows = pd.DataFrame(golden["columns"])
    single_ms, inline_rows = measure_speed(scorer, rows)
    outputs = _outputs(scorer, rows, rules)
    lookups = LiveLookups(_lookups(scorer.signature, spec))
    lookups.warm()
    arm = Arm(named.release, scorer, inline_rows >= 1, lookups.fill if lookups else None)
    return Loaded(arm, rules, spec, _inputs(scorer), outputs, inline_rows, single_ms, lookups)


def _spec(copies: Copies, named: Named) -> Mapping[str, Any]:
    if not named.package or not named.document:
        raise CannotAsk(f"{named.release}: expected a package and a dossier in the ledger, found none. Release again.")
    document = get_json(copies, named.document)
    spec = document.get("spec") if isinstance(document, dict) else None
    if not isinstance(spec, dict):
        raise CannotAsk(f"{named.release}: expected its spec in its dossier, found none. Release again.")
    return spec


def _expect_signature(copies: Copies, named: Named, trust: Trust) -> None:
    if not named.signature:
        raise CannotAsk(
            "expected a signature of its package in its verdict, found none: it was judged before packages were "
            "signed. Release it again with a new --as-of."
        )
    check_signature(copies, signable_package(copies, named.package), named.signature, trust)


def _lookups(signature: Mapping[str, Any], spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """The signature without those live lookups that the spec says are frozen, as a trial's does."""
    frozen = {told["source"] for told in (spec.get("data") or {}).get("lookups", ()) if not told.get("live")}
    live = [told for told in signature.get("live_lookups", ()) if told["source"] not in frozen]
    return {**signature, "live_lookups": live}


def _expect_guards(release: str, scorer: Scorer, rules: Serving) -> None:
    if rules.on_distrust != "flag" and "trusted" not in scorer.outputs:
        raise CannotAsk(
            f"{release}: its spec says serving.on_distrust: {rules.on_distrust}, and its package has no guards to ask."
        )


def measure_speed(scorer: Scorer, rows: pd.DataFrame) -> tuple[float, int]:
    """(milliseconds of one record, how many records at once stay under `INLINE_MS`), medians of warm runs."""
    if rows.empty:
        return float("inf"), 0
    one, some = scorer.feed(rows.head(1)), scorer.feed(pd.concat([rows] * (1 + 99 // len(rows))).head(100))
    single = _median_ms(scorer, one, WARM_RUNS)
    if single >= INLINE_MS:
        return single, 0
    hundred = _median_ms(scorer, some, FEWEST_RUNS)
    each = max((hundred - single) / 99, 1e-5)
    return single, 1 + int((INLINE_MS - single) / each)


def _median_ms(scorer: Scorer, feed: dict[str, npt.NDArray[Any]], runs: int) -> float:
    took: list[float] = []
    while len(took) < runs and (len(took) < FEWEST_RUNS or sum(took) < MOST_SECONDS):
        # Of this thread alone: beside a busy event loop, waiting for the interpreter takes longer than a small model.
        began = time.thread_time()
        scorer.run(feed)
        took.append(time.thread_time() - began)
    return float(np.median(took) * 1000)


def _inputs(scorer: Scorer) -> tuple[Tensor, ...]:
    """What a caller sends; live values are looked up here."""
    items = [item for item in scorer.signature["inputs"] if "live" not in item]
    return tuple(Tensor(item["input"], KINDS[item["type"]], (-1, 1), item["column"]) for item in items)


def _outputs(scorer: Scorer, rows: pd.DataFrame, rules: Serving) -> tuple[Tensor, ...]:
    """As callers get them."""
    found = {name: values for name, values in scorer.answers(rows).items() if is_given(name, rules)}
    return tuple(
        Tensor(name, DATATYPES[as_served(name, values, rules).dtype], (-1, *values.shape[1:]))
        for name, values in found.items()
    )


def is_given(name: str, rules: Serving) -> bool:
    """Whether callers get this output."""
    return rules.outputs != "label" or name in ("prediction", "trusted")


def as_served(name: str, values: npt.NDArray[Any], rules: Serving) -> npt.NDArray[Any]:
    """Whole numbers as labels have no way to say "empty": where a record may be refused they go as doubles."""
    if rules.on_distrust != "flag" and name in ANSWERS and values.dtype.kind == "i":
        return values.astype(np.float64)
    return values
