"""Answers in a feature, in a gap, in the test rows, in the model's memory, and from the future."""

import numpy as np
import pandas as pd

from planted.base import POSITIVE, TARGET, Planted, answered, clean, loans


def answer_encoded(rng):
    """A column that was filled in once the answer was known, and seldom wrong."""
    frame = clean(rng)
    known = np.where(rng.random(len(frame)) < 0.01, rng.random(len(frame)), frame[TARGET] == POSITIVE)
    return frame.assign(closing_code=np.round(known * 40 + rng.normal(0, 3, len(frame)), 2))


def answer_in_gaps(rng):
    """A reason is written down mostly of those who did not repay."""
    frame = clean(rng)
    gap = np.where(frame[TARGET] == POSITIVE, 0.9, 0.1)
    return frame.assign(days_late=np.where(rng.random(len(frame)) < gap, np.nan, rng.integers(1, 90, len(frame))))


def noise(rng):
    """Twenty more columns that say nothing: what there is to learn of them is who is in the training data."""
    frame = clean(rng)
    return frame.assign(**{f"noise{at}": rng.normal(size=len(frame)).round(3) for at in range(20)})


def twins(rng):
    """A fifth of the rows was taken in twice, under another number."""
    frame = clean(rng)
    frame = pd.concat([frame, frame.sample(frac=0.25, random_state=1)], ignore_index=True)
    return frame.assign(entry=rng.permutation(len(frame)).astype(float))


def near_twins(rng):
    """The same, after somebody rounded incomes anew."""
    frame = clean(rng)
    again = frame.sample(frac=0.25, random_state=1).assign(income=lambda rows: rows["income"] + 1)
    return pd.concat([frame, again], ignore_index=True)


def customers(rng):
    """Customers come back, three times on average, as they were."""
    frame = loans(rng, 4000)
    who = rng.integers(0, 1300, len(frame))
    alike = frame[["income", "age", "town", "job", "group"]].iloc[who].reset_index(drop=True)
    return answered(frame.assign(**alike, customer_id=[f"c{one}" for one in who]), rng)


def future(rng):
    """The year of the last payment, which lies after the loan was given."""
    frame = clean(rng)
    given = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1000, len(frame)), unit="D")
    last = given.year + rng.integers(0, 4, len(frame))
    return frame.assign(given=given, last_payment_year=last.astype(float))


# One neighbour alone is always sure, however wrong, and changes with the nearest record.
SURE = ("calibration", "robustness", "gaming", "stability")
TIMED = {"data": {"sources": {"loans": {"event_time": "given"}}}}
FAULTS: tuple[Planted, ...] = (
    # All importance is in that feature.
    Planted(
        "a feature encodes the answer", "leakage", "too_good:closing_code", answer_encoded, related=("explanations",)
    ),
    Planted("gaps tell the answer", "leakage", "alone_of_gaps", answer_in_gaps, train="imputed"),
    Planted(
        "a fifth of the rows is there twice", "leakage", "surely_duplicates", twins, {"data": {"ignore": ["entry"]}}
    ),
    Planted("rows are there twice, nearly", "leakage", "near_duplicates", near_twins),
    Planted(
        "nearest neighbours hold the records", "leakage", "records_inside_the_model", train="memorising", related=SURE
    ),
    Planted("a forest knows its records by heart", "leakage", "by_heart", train="by_heart"),
    Planted("a forest on columns that say nothing tells members", "leakage", "membership_auc", noise, train="by_heart"),
    Planted(
        "customers are on both sides", "leakage", "key_on_both_sides", customers, {"data": {"ignore": ["customer_id"]}}
    ),
    Planted("a feature is from the future", "leakage", "later_than_event:last_payment_year", future, TIMED),
)
