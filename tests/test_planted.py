"""The table that faults are planted in, and the list of them. Each check's own tests see its faults caught."""

from collections import Counter

import numpy as np
from planted.base import POSITIVE, TARGET, Planted, clean
from planted.every import FAULTS
from planted.run import against, findings_of, subject_of

from expectations.meanings import meaning_of
from expectations.tiers import TIERS


def test_the_clean_table_is_what_it_says():
    frame = clean(np.random.default_rng(0))
    assert frame.shape == (4000, 9)
    assert 0.3 < (frame[TARGET] == POSITIVE).mean() < 0.7
    assert not frame.duplicated().any()


def test_every_check_has_two_kinds_of_faults_that_it_must_catch():
    kinds = Counter(fault.caught_by for fault in FAULTS)
    # A fault of `interactions` needs a second model: tests/test_interactions.py plays it.
    assert {step for step, count in kinds.items() if count >= 2} >= set(TIERS[4].checks) - {"interactions"}
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 25


def test_nothing_is_said_of_a_clean_model_and_every_gate_has_words(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    found = findings_of(subject_of(Planted("clean", "", ""), tmp_path, seed=77))
    assert against(found) == []
    assert {one.step for one in found} == set(TIERS[3].checks)
    without = {one.expectation for one in found if one.outcome == "passed" and not meaning_of(one.expectation)}
    assert without == set()
