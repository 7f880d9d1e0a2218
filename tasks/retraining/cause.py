"""Does the fault lie upstream: a column that is gone, in another unit or written otherwise, a look-up that is broken?

Then a model that is trained anew would learn the fault. What people do otherwise than before is no such fault.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from expectations.records import Evidence, metric_rows
from infra.packages import open_package
from tasks.check import TRAIN, Check, Subject, not_applicable
from tasks.guards.plan import KINDS, LIVE_KINDS
from tasks.job import read_part
from tasks.qualification.areas import sure_share
from tasks.qualification.columns import is_number
from tasks.retraining.recent import hidden_of, new_rows, newest_inputs
from tasks.retraining.units import distance, explained, noise

Row = tuple[str, float, float, float, int, int]
NAN = float("nan")
# The chance of a false word on one question: so few that a hundred columns ask for years.
CHANCE = 1e-4
REQUIRED = 100
MOST_TRAIN = 20_000
# Whole numbers of so many kinds at most may be codes.
MOST_CODES = 50
# Texts of which more than this share are seen once are no categories.
DISTINCT = 0.5
# How seldom a code may be in training, so that its absence says something.
COMMON = 0.02


@dataclass
class Found:
    """What was measured of one column: rows of metrics, and a sentence for each that is a fault if it is one."""

    rows: list[Row] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)

    def add(self, metric: str, value: float, n: int, words: str) -> None:
        """One figure, and what it would mean."""
        self.rows.append((metric, value, NAN, NAN, n, REQUIRED))
        self.told[metric] = words


def measure_cause(step: str, train: pl.DataFrame, recent: pl.DataFrame, reasons: pl.Series | None = None) -> Evidence:
    """How the columns of `recent` are written, beside training's: what people cannot have changed.

    `reasons` (n,) int: the bits that say why an answer is not trusted. Every share is what it surely is at least.
    """
    found = Found()
    for name in recent.columns:
        _column(found, train[name] if name in train.columns else None, recent[name])
    if reasons is not None:
        _lookups(found, reasons.drop_nulls())
    return Evidence(step, metric_rows(found.rows), pd.DataFrame(), {"told": found.told, "records": len(recent)})


def _column(found: Found, old: pl.Series | None, new: pl.Series) -> None:
    if old is None:
        return
    name, n = new.name, len(new)
    texts = not is_number(old.to_pandas())
    held = _text(new) if texts else _number(new)
    given = new.cast(pl.String, strict=False).fill_null("") != ""
    _gaps(found, old, given)
    if texts:
        _spelling(found, _text(old).drop_nulls(), held.drop_nulls())
        return
    odd = int((given & held.is_null() & (new.cast(pl.String, strict=False).str.to_lowercase() != "nan")).sum())
    found.add(f"unreadable:{name}", sure_share(odd, n, CHANCE), n, f"{name}: texts where numbers are due")
    before, now = _number(old).drop_nulls().to_numpy(), held.drop_nulls().to_numpy()
    _units(found, name, before, now)
    _codes(found, name, before, now)


def _text(values: pl.Series) -> pl.Series:
    text = values.cast(pl.String)
    return text.set(text == "", None)


def _number(values: pl.Series) -> pl.Series:
    return values.cast(pl.Float64, strict=False).fill_nan(None)


def _gaps(found: Found, old: pl.Series, given: pl.Series) -> None:
    name, n = given.name, len(given)
    before = 1 - sure_share(len(old) - old.null_count(), len(old), CHANCE)
    gone = max(0.0, sure_share(int((~given).sum()), n, CHANCE) - before)
    found.add(f"gone:{name}", gone, n, f"{name}: it is missing now, and was not in training")


def _spelling(found: Found, old: pl.Series, new: pl.Series) -> None:
    """Values that training never saw; and those of them that it knows by another spelling."""
    name, n = new.name, len(new)
    if old.n_unique() > DISTINCT * len(old):
        # Written by somebody: each is new.
        return
    strange = new.filter(~new.is_in(old.unique().implode()))
    found.add(f"never_seen:{name}", sure_share(len(strange), n, CHANCE), n, f"{name}: of values that are all new")
    known = _plain(old.unique()).implode()
    respelled = int(_plain(strange).is_in(known).sum())
    words = f"{name}: the same values are written otherwise, such as {strange[0]!r}" if len(strange) else ""
    found.add(f"respelled:{name}", sure_share(respelled, n, CHANCE), n, words)


def _plain(texts: pl.Series) -> pl.Series:
    """Without case, blanks, signs, and a number's empty decimals."""
    return texts.str.to_lowercase().str.replace(r"\.0+$", "").str.replace_all(r"[^\pL\pN]", "")


def _units(found: Found, name: str, old: Any, new: Any) -> None:
    change = explained(old, new)
    part = "" if change is None or change.share == 1 else f"{change.share:.0%} of "
    words = f"{name}: {part}its values are {change.words}" if change else ""
    found.add(f"unit_changed:{name}", change.distance if change else 0.0, len(new), words)


def _codes(found: Found, name: str, old: Any, new: Any) -> None:
    """Whole numbers that all became one more, or one less: the code of one thing is that of another now."""
    kinds = np.unique(old)
    if not len(new) or not 2 < len(kinds) <= MOST_CODES or (kinds % 1).any():
        return
    value, words = 0.0, ""
    for step in (1, -1):
        first, last = (kinds[0], kinds[-1] + 1) if step > 0 else (kinds[-1], kinds[0] - 1)
        came = sure_share(int((new == last).sum()), len(new), CHANCE)
        alike = distance(np.sort(old) + step, np.sort(new)) <= noise(len(old), len(new))
        left = alike and np.mean(old == first) >= COMMON and not (new == first).any()
        if left and came > value:
            value, words = came, f"{name}: its codes are {step:+d} to training's; {first:g} is gone, {last:g} is new"
    found.add(f"codes_moved:{name}", value, len(new), words)


def _lookups(found: Found, reasons: pl.Series) -> None:
    for kind in LIVE_KINDS:
        bit = 1 << KINDS.index(kind)
        hits = int(((reasons.cast(pl.Int64) // bit) % 2 == 1).sum())
        words = f"look-ups: the live source's values are {kind}; see that it answers"
        found.add(f"lookup:{kind}", sure_share(hits, len(reasons), CHANCE), len(reasons), words)


def _of_requests(subject: Subject) -> Evidence:
    """What gateways were asked lately, beside what the model that serves was trained on."""
    serving, before = subject.champion(), subject.champion_manifest()
    if serving is None or before is None:
        return not_applicable("requests", "nothing serves yet, so nothing was asked.")
    recent = newest_inputs(subject, serving)
    if not len(recent.rows):
        return not_applicable("requests", f"there is nothing to compare: no row in {recent.words}.")
    train = _sample(subject, before)
    inputs = recent.rows.drop("output.reasons", strict=False)
    reasons = recent.rows["output.reasons"] if "output.reasons" in recent.rows.columns else None
    sent = open_package(subject.job.store(), serving.package_digest).sent
    if not inputs.columns and reasons is None:
        return not_applicable("requests", f"inputs are not written down (serving.log): {', '.join(sent)}.")
    evidence = measure_cause("requests", train, inputs, reasons)
    return _shown(subject, evidence, {"from": recent.words, "not_compared": list(recent.hidden)})


def _of_new_rows(subject: Subject) -> Evidence:
    """The rows that came to the sources since the champion's snapshot, beside its training rows."""
    before = subject.champion_manifest()
    if before is None:
        return not_applicable("new_rows", "nothing serves yet, so all rows are new.")
    rows = new_rows(subject)
    if len(rows) < REQUIRED:
        return not_applicable("new_rows", f"{len(rows):,} rows are new: too few to say how they are written.")
    data = subject.job.spec.data
    left_out = [name for name in (data.rows.event_time, *data.ignore) if name]
    rows = rows.drop(left_out, strict=False)
    evidence = measure_cause("new_rows", _sample(subject, before), rows)
    return _shown(subject, evidence, {"from": f"{len(rows):,} new rows"})


def _sample(subject: Subject, manifest: Mapping[str, Any]) -> pl.DataFrame:
    rows = read_part(subject.job.store(), manifest, TRAIN)
    some = rows if len(rows) <= MOST_TRAIN else rows.sample(MOST_TRAIN, random_state=subject.job.spec.seed)
    return pl.from_pandas(some)


def _shown(subject: Subject, evidence: Evidence, more: dict[str, Any]) -> Evidence:
    """Of a hidden column no value is told."""
    hidden = hidden_of(subject)
    told = {
        metric: f"{metric.partition(':')[2]}: {metric.partition(':')[0].replace('_', ' ')}"
        if metric.partition(":")[2] in hidden
        else words
        for metric, words in evidence.facts["told"].items()
    }
    return Evidence(evidence.step, evidence.metrics, evidence.records, {**evidence.facts, **more, "told": told})


def _depends_on(_subject: Subject, at: str) -> dict[str, Any]:
    return {"at": at}


def check_requests(at: str) -> Check:
    """Asked at a moment: what gateways write down is another thing at the next."""
    return Check("requests", _of_requests, partial(_depends_on, at=at))


NEW_ROWS = Check("new_rows", _of_new_rows, lambda subject: {"data": subject.manifest["content_digest"]})
