"""Were the uncomfortable questions answered in words of the team's own?

A form that is filled in to be filled in is no assessment: an empty answer, the placeholder that `seatrial init` wrote,
the question given back, and one text for several questions all count as no words.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from expectations.records import Evidence, metric_rows
from expectations.risk import PLACEHOLDER, QUESTIONS, WORDS, Risk, tier_words
from expectations.tiers import ANSWERS_FROM
from tasks.check import Check, Subject, not_applicable

NAN = float("nan")
# Two letters or more, a number, or one sign of a script that puts no spaces between words.
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\d+|[^\W\d_]{2,}")


def measure(subject: Subject) -> Evidence:
    """The answers of the spec; below tier 2 only where there are any."""
    risk = subject.job.spec.risk
    answers = risk.answers.model_dump()
    if risk.level < ANSWERS_FROM and not any(answers.values()):
        return not_applicable("risk", f"tier {risk.level} asks no questions; {tier_words(risk.told())}")
    found = measure_risk(answers)
    return Evidence(found.step, found.metrics, found.records, {"tier": tier_words(risk.told()), **found.facts})


def measure_risk(answers: Mapping[str, str]) -> Evidence:
    """`own_words:KEY` of each question: distinct words of the answer that stand neither in the question nor in the
    placeholder; 0 for an answer that another question got too."""
    same = Counter(_words_in_order(answer) for answer in answers.values())
    rows = [_row(key, answers.get(key, ""), same) for key in QUESTIONS]
    metrics = metric_rows([(f"own_words:{row['key']}", float(row["own_words"]), NAN, NAN, 1, 0) for row in rows])
    records = pd.DataFrame(rows).sort_values("own_words", kind="stable", ignore_index=True)
    answered = sum(row["own_words"] >= WORDS for row in rows)
    return Evidence("risk", metrics, records, {"questions": len(rows), "answered": answered})


def unanswered(risk: Risk) -> list[str]:
    """A sentence for each question that would stop a release at this tier."""
    if risk.level < ANSWERS_FROM:
        return []
    rows = measure_risk(risk.answers.model_dump()).records.to_dict("records")
    return [
        f"risk.answers.{row['key']}: {row['wrong'] or 'too short'}; expected {WORDS} words of your own or more. "
        f"{row['question']}"
        for row in rows
        if row["own_words"] < WORDS
    ]


def _row(key: str, answer: str, same: Mapping[tuple[str, ...], int]) -> dict[str, Any]:
    wrong = _wrong(answer, same)
    own = 0 if wrong else len(own_words(answer, QUESTIONS[key]))
    return {"key": key, "question": QUESTIONS[key], "answer": answer, "own_words": own, "wrong": wrong}


def _wrong(answer: str, same: Mapping[tuple[str, ...], int]) -> str:
    if not answer.strip():
        return "empty"
    if not own_words(answer, ""):
        return "the placeholder"
    return "the same text answers several questions" if same[_words_in_order(answer)] > 1 else ""


def own_words(answer: str, question: str) -> set[str]:
    """The distinct words that stand neither in the question nor in the placeholder."""
    return set(_words_in_order(answer)) - set(_words_in_order(f"{question} {PLACEHOLDER}"))


def _words_in_order(text: str) -> tuple[str, ...]:
    return tuple(WORD.findall(text.casefold()))


def _on_spec(_subject: Subject) -> dict[str, Any]:
    return {}


QUESTION = "What could go wrong, and was it thought of?"
CHECK = Check("risk", measure, _on_spec, "Risk assessment", QUESTION)
