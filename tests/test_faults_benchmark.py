"""Does the table of planted faults tell what a fault brings about from what came by chance?"""

import pytest

from benchmarks.bench_faults import AGAIN, SEED, others, tell_chance


def fault(name, unrelated, seed=SEED):
    return {"name": name, "seed": seed, "unrelated": unrelated}


@pytest.mark.parametrize(
    ("in_others", "unrelated", "by_chance"),
    [([[], [], []], [], ["slices"]), ([[], ["slices", "leakage"], []], ["slices"], []), ([["costs"]], [], ["slices"])],
)
def test_an_alarm_that_other_tables_repeat_is_the_faults_and_any_other_is_chance(in_others, unrelated, by_chance):
    faults = [fault("proxy", ["slices"]), fault("quiet", [])]
    again = [fault("proxy", found) for found in in_others] + [fault("another", ["slices"])]
    tell_chance(faults, again)
    assert [(one["unrelated"], one["by_chance"]) for one in faults] == [(unrelated, by_chance), ([], [])]


def test_only_faults_with_an_unrelated_alarm_are_planted_again_in_tables_of_other_seeds():
    asked = others([fault("proxy", ["slices"]), fault("quiet", [])])
    assert [name for name, _ in asked] == ["proxy"] * AGAIN
    assert len({SEED, *(seed for _, seed in asked)}) == AGAIN + 1
