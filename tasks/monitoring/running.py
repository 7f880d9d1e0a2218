"""The state of watching one release: what is kept from look to look, as large after a year as after a minute."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from expectations.sequential.accounts import Account, begin, begin_anew, go_on, is_calm
from expectations.sequential.kept_accounts import account_as_json, account_from_json
from expectations.sequential.standing import Judged, Standing, judge_account, not_applicable, not_measured
from tasks.monitoring.counting import Counted
from tasks.monitoring.yardsticks import Yardsticks


@dataclass(frozen=True, eq=False)
class Running:
    """An account of each alarm, and what could not be measured in the last tick, in sentences."""

    accounts: Mapping[str, Account]
    problems: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """`running_from_json` is the inverse, bit for bit."""
        accounts = {name: account_as_json(one) for name, one in self.accounts.items()}
        return {"accounts": accounts, "problems": {name: list(words) for name, words in self.problems.items()}}


def running_from_json(yardsticks: Yardsticks, told: Mapping[str, Any]) -> Running:
    """What `Running.as_json` gave. Raises CannotAsk where it is of other yardsticks."""
    asked = yardsticks.asked()
    accounts = {name: account_from_json(one, told["accounts"][name]) for name, one in asked.items()}
    return Running(accounts, {name: tuple(words) for name, words in told["problems"].items()})


def start(yardsticks: Yardsticks) -> Running:
    """Before the first tick."""
    return Running({name: begin(asked) for name, asked in yardsticks.asked().items()})


def advance(yardsticks: Yardsticks, running: Running, counted: Counted, when: int) -> Running:
    """After one more tick, of the UTC second `when`; ticks come in order, each once."""
    asked = yardsticks.asked()
    ticks = {name: counted.ticks(name, when) for name in running.accounts}
    accounts = {name: go_on(asked[name], one, ticks[name]) for name, one in running.accounts.items()}
    # Where nothing of it came, as truths do not with each tick, what could not be measured before still cannot.
    same = {name: words for name, words in running.problems.items() if not ticks[name].count.any()}
    return Running(accounts, {**same, **counted.problems})


def judge_running(yardsticks: Yardsticks, running: Running) -> list[Judged]:
    """An answer for each alarm that is watched, also for those of which nothing can be measured."""
    asked = yardsticks.asked()
    found = [judge_account(name, asked[name], one) for name, one in running.accounts.items()]
    told = [_with_problems(one, running.problems.get(one.alarm, ())) for one in found]
    told += [not_measured(name, why) for name, why in yardsticks.not_measured().items()]
    return [*told, *(not_applicable(name, why) for name, why in yardsticks.not_applicable.items())]


def _with_problems(judged: Judged, problems: tuple[str, ...]) -> Judged:
    """What could not be measured is not quiet."""
    if not problems:
        return judged
    standing = Standing.CANNOT_TELL if judged.standing is Standing.QUIET else judged.standing
    return replace(judged, standing=standing, words=f"{judged.words} Not measured: {' '.join(problems)}")


def calm(yardsticks: Yardsticks, running: Running, alarm: str) -> bool:
    """May this alarm end?"""
    return alarm not in running.problems and is_calm(yardsticks.asked()[alarm], running.accounts[alarm])


def ended(yardsticks: Yardsticks, running: Running, alarm: str) -> Running:
    """The alarm has ended: a new round of it begins."""
    anew = begin_anew(yardsticks.asked()[alarm], running.accounts[alarm])
    return replace(running, accounts={**running.accounts, alarm: anew})
