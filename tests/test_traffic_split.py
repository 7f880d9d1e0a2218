"""Who gets the challenger: sticky, growing with the share, another for every rollout, groups first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2_contingency

from expectations.state import Group, Stage
from infra.gateway.contract import Asked
from infra.gateway.desk.split import goes_to_challenger, in_groups, key_of, point, seed_of, text

KEYS = st.text(max_size=20)
SHARES = st.floats(0, 1)
MANY = [f"customer {number}" for number in range(20_000)]


def asked(key=None, **columns):
    tensors = {name: np.array(values, dtype=object) for name, values in columns.items()}
    return Asked("m", tensors, max((len(one) for one in tensors.values()), default=1), "id", key)


def goes(share, key, salt="s", **columns):
    return goes_to_challenger(Stage(share), seed_of(salt), key, asked(**columns))


@given(KEYS, SHARES, SHARES, st.text())
def test_whoever_was_on_the_challenger_stays_there_as_the_share_grows(key, one, other, salt):
    less, more = sorted([one, other])
    assert goes(less, key, salt) <= goes(more, key, salt)
    assert not goes(0.0, key, salt)
    assert goes(1.0, key, salt)


@given(KEYS, SHARES, st.text())
def test_the_same_key_always_goes_the_same_way(key, share, salt):
    assert goes(share, key, salt) == goes(share, key, salt)
    assert 0 <= point(key, seed_of(salt)) < 1


@pytest.mark.parametrize("salt", ["r1", "r2", ""])
@pytest.mark.parametrize("share", [0.01, 0.05, 0.25, 0.5])
def test_as_many_go_as_the_share_says(share, salt):
    found = sum(goes(share, key, salt) for key in MANY)
    assert binomtest(found, len(MANY), share).pvalue > 1e-4


def test_without_a_key_chance_decides():
    found = sum(goes(0.25, None) for _ in MANY)
    assert binomtest(found, len(MANY), 0.25).pvalue > 1e-6


def test_points_are_even_over_the_whole_line():
    counts = np.histogram([point(key, seed_of("s")) for key in MANY], bins=100, range=(0, 1))[0]
    expected = len(MANY) / 100
    # 99 degrees of freedom: a fair hash is over 161 once in ten thousand salts.
    assert ((counts - expected) ** 2 / expected).sum() < 161


def test_who_tries_one_release_says_nothing_of_who_tries_the_next():
    ways = np.array([[goes(0.25, key, "r1"), goes(0.25, key, "r2")] for key in MANY])
    table = [[int((~a & ~b).sum()), int((~a & b).sum())] for a, b in [(ways[:, 0], ways[:, 1])]]
    table.append([int((ways[:, 0] & ~ways[:, 1]).sum()), int(ways.all(axis=1).sum())])
    assert chi2_contingency(table).pvalue > 1e-4


NORTH = Stage(0.0, groups=(Group("region", ("north",)), Group("customer", ("7", "8"))))


@pytest.mark.parametrize(
    ("columns", "challenger"),
    [
        ({"region": ["north"]}, True),
        ({"region": ["south"]}, False),
        ({"region": ["south"], "customer": [7.0]}, True),
        ({"region": ["north", "south"]}, False),
        ({"region": ["north", "south"], "customer": [1, 8]}, True),
        ({}, False),
    ],
)
def test_a_group_goes_first_and_a_batch_is_in_it_only_as_a_whole(columns, challenger):
    assert goes_to_challenger(NORTH, 0, "key", asked(**columns)) is challenger


def test_who_is_in_no_group_goes_by_the_share():
    stage = Stage(1.0, groups=NORTH.groups)
    assert goes_to_challenger(stage, 0, "key", asked(region=["south"]))
    assert not in_groups(NORTH.groups, asked(region=["south"]).tensors)


def test_a_shadow_answers_nobody():
    assert not goes_to_challenger(Stage(1.0, shadow=True, groups=NORTH.groups), 0, "key", asked(region=["north"]))


def test_the_headers_key_goes_before_the_column():
    columns = {"customer": ["c9", "c10"]}
    assert key_of(asked("k", **columns), "customer") == "k"
    assert key_of(asked(**columns), "customer") == "c9"
    assert key_of(asked(**columns), "region") is None
    assert key_of(asked(**columns), None) is None


@pytest.mark.parametrize("missing", ["", np.nan])
def test_a_missing_value_is_no_key(missing):
    assert key_of(asked(customer=[missing]), "customer") is None


@pytest.mark.parametrize("value", [7, 7.0, np.float64(7), np.int64(7), "7", b"7"])
def test_one_customer_has_one_key_however_it_is_sent(value):
    assert text(value) == "7"
