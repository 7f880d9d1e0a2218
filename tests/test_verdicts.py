from hypothesis import given
from hypothesis import strategies as st

from expectations.verdicts import Outcome, worst


def test_the_worst_of_nothing_is_inconclusive():
    assert worst([]) is Outcome.INCONCLUSIVE


def test_inconclusive_errored_and_failed_let_nothing_through():
    assert [o for o in Outcome if o.lets_through] == [Outcome.NOT_APPLICABLE, Outcome.PASSED, Outcome.WARNED]


@given(st.lists(st.sampled_from(Outcome), min_size=1), st.lists(st.sampled_from(Outcome), min_size=1))
def test_worst_does_not_depend_on_order_or_grouping(left, right):
    assert worst([*left, *right]) == worst([*right, *left]) == worst([worst(left), worst(right)])
