import numpy as np
import pytest
from planted.base import Planted, clean
from planted.run import against, findings_of, subject_of

FAULTS: list[Planted] = []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.name)
def test_a_planted_fault_is_caught_by_its_check(fault, tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    found = against(findings_of(subject_of(fault, tmp_path), fault.caught_by))
    assert any(fault.says in one.expectation for one in found), found


def test_the_clean_table_is_what_it_says():
    frame = clean(np.random.default_rng(0))
    assert frame.shape == (4000, 9)
    assert 0.3 < (frame["repaid"] == "yes").mean() < 0.7
    assert not frame.duplicated().any()
