"""The dossier stands alone, tells everything, and lets no name become markup."""

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from expectations.records import Evidence, metric_rows, plain_json
from expectations.tiers import TIERS
from expectations.verdicts import Finding, Outcome
from tasks.dossier import STEPS, build_document, worst_records
from tasks.dossier_page import render
from tasks.dossier_plots import build_plots

NAN, EVIL = float("nan"), "<script>alert('$x')</script>"
RELEASE = {
    "id": "r-1",
    "model": "m",
    "as_of": "2026-01-01",
    "candidate": "sha256:1",
    "champion": None,
    "versions": {"numpy": "2.4"},
    "approvals_needed": 2,
    "next_step": "Wait for two approvals.",
}
SPEC = {"model": {"name": "m", "task": "regression", "positive": None}, "comparison": {"margin": 0.02}}


def evidence(step: str, rows: list[tuple[str, float, float, float, int, int]], **columns: Any) -> Evidence:
    return Evidence(step, metric_rows(rows), pd.DataFrame(columns), {"note": NAN})


def build_dossier(release, spec, manifest, given, findings, outcome):
    document = build_document(release, spec, manifest, given, findings, outcome)
    return render(document, spec, given, findings, outcome), document


FULL = {
    "data": evidence("data", [(f"drift:{EVIL}", 0.3, 0.2, 0.4, 9, 0)], column=[EVIL], nulls_share=[0.1]),
    "conversion": evidence("conversion", [("max_difference", NAN, NAN, NAN, 3, 1)], difference=[0.0, 1e-7, np.inf]),
    "quality": evidence(
        "quality", [("rmse", 1.5, 1.0, 2.0, 3, 9)], actual=[1.0, 2.0], predicted=[1.5, NAN], error=[0.5, NAN]
    ),
    "package": evidence("package", [("max_difference", 0.0, NAN, NAN, 3, 1)]),
    "guards": evidence("guards", [("rejected", 0.02, 0.01, 0.03, 3, 1)]),
    "latency": evidence(
        "latency", [("p50_ms", 0.1, NAN, NAN, 2, 1)], latency_ms=[0.1, 0.2], sklearn_latency_ms=[1.0, 2.0]
    ),
    "comparison": evidence(
        "comparison", [("improvement", 0.1, -0.1, 0.2, 2, 1)], champion_loss=[1, 2], candidate_loss=[2, 1]
    ),
    "compression": evidence(
        "compression",
        [("alternatives", 1.0, NAN, NAN, 9, 0)],
        name=["candidate", EVIL, "guessing", "int8 weights"],
        status=["measured", "measured", "measured", "not applicable"],
        skill=[0.9, 0.89, -0.1, NAN],
        skill_difference=[0.0, -0.01, -1.0, NAN],
        lower=[0.0, -0.02, -1.1, NAN],
        upper=[0.0, 0.0, -0.9, NAN],
        onnx_bytes=[9.5e6, 17_000.0, 900.0, NAN],
        note=["", "", "", "trees multiply no matrices"],
    ),
    "tides": evidence("tides", [("height", 3.0, NAN, NAN, 2, 1)], moon=["new", EVIL]),
}
FINDINGS = [
    Finding("data", f"no drift of {EVIL}", outcome, "critical", "little", f"much {EVIL}", f"remedy for {outcome.value}")
    for outcome in Outcome
]


def page(given: dict[str, Evidence] = FULL, findings: list[Finding] = FINDINGS, spec: dict[str, Any] = SPEC) -> str:
    return build_dossier(RELEASE, spec, None, given, findings, Outcome.FAILED)[0]


def test_the_page_loads_nothing_from_anywhere() -> None:
    spec = {**SPEC, "data": {"sources": {"rows": {"url": "https://example.org/x", "origin": "http://example.org"}}}}

    html = page(spec=spec)

    loads = re.findall(r"""(?:src|href|action|srcset|data)\s*=\s*["']([^"']*)|url\(([^)]*)\)|@import""", html)
    assert loads
    assert all(one.startswith(("#", "data:image/svg+xml;base64,")) for one, _ in loads)
    assert "<script" not in html


def test_names_never_become_markup() -> None:
    release = {key: EVIL for key in RELEASE} | {"versions": {EVIL: EVIL}}
    spec = {"model": {"name": EVIL, "task": "regression"}, "data": {"sources": {EVIL: {"origin": EVIL}}}}
    given = {**FULL, EVIL: evidence(EVIL, [(EVIL, 1.0, NAN, NAN, 1, 1)], **{EVIL: [EVIL]})}

    html, _ = build_dossier(release, spec, {EVIL: EVIL}, given, FINDINGS, Outcome.FAILED)

    assert "<script" not in html
    assert "alert('" not in html
    assert "&lt;script&gt;" in html


def test_everything_that_did_not_pass_stands_with_what_to_do() -> None:
    html = page()

    asked = [finding for finding in FINDINGS if finding.outcome is not Outcome.PASSED]
    assert [finding.remedy for finding in asked if finding.remedy not in html] == []
    order = [html.index(f"remedy for {word}") for word in ("failed", "errored", "inconclusive", "warned")]
    assert order == sorted(order)


def test_every_outcome_is_a_word_and_not_only_a_colour() -> None:
    html = page()

    assert [one.value for one in Outcome if f"</span> {one.value}</span>" not in html] == []


@pytest.mark.parametrize("absent", [*STEPS, "all"])
def test_absent_evidence_is_said_to_be_unknown(absent: str) -> None:
    given = {step: one for step, one in FULL.items() if absent not in (step, "all")}

    html, document = build_dossier(RELEASE, SPEC, None, given, [], Outcome.INCONCLUSIVE)

    assert any("not measured" in sentence for sentence in document["unknown"])
    assert "not measured" in html


def test_empty_evidence_makes_a_page_without_plots() -> None:
    empty = {step: Evidence(step, metric_rows([]), pd.DataFrame()) for step in STEPS}
    bare = {step: Evidence(step, pd.DataFrame(), pd.DataFrame()) for step in STEPS}

    assert "<img" not in page(empty, [])
    assert "<img" not in page(bare, [])


def test_not_applicable_is_not_unknown() -> None:
    finding = Finding("comparison", "a champion", Outcome.NOT_APPLICABLE, "critical", "", "a first release")
    given = {step: one for step, one in FULL.items() if step != "comparison"}

    steps = (*TIERS[2].checks, "coverage")
    rest = [Finding(step, step, Outcome.NOT_APPLICABLE, "critical", "", "nothing") for step in steps]

    _, document = build_dossier(RELEASE, SPEC, None, given, [finding, *rest], Outcome.PASSED)

    assert document["unknown"] == []


def test_an_unknown_step_gets_its_tables() -> None:
    html = page()

    assert "Tides" in html
    assert "height" in html
    assert "moon" in html


def test_neither_nan_nor_infinity_reaches_the_json() -> None:
    _, document = build_dossier(
        RELEASE, {**SPEC, "x": np.float64("inf")}, {"n": np.array([NAN])}, FULL, FINDINGS, Outcome.FAILED
    )

    again = json.loads(json.dumps(document, allow_nan=False))
    assert again == document
    assert document["evidence"]["conversion"]["metrics"][0]["value"] is None


def test_json_values_are_plain() -> None:
    given = {
        "a": np.int64(1),
        "b": pd.NaT,
        "c": pd.Timestamp("2026-01-01"),
        "d": {2, 1},
        "e": Outcome.PASSED,
        3: np.bool_(True),
    }

    assert plain_json(given) == {"a": 1, "b": None, "c": "2026-01-01T00:00:00", "d": [1, 2], "e": "passed", "3": True}


def test_the_json_holds_all_metrics_and_the_twenty_worst_records() -> None:
    many = evidence("quality", [(f"m{at}", 1.0, NAN, NAN, 1, 1) for at in range(50)], cost=[*range(100), NAN])

    _, document = build_dossier(RELEASE, SPEC, None, {"quality": many}, [], Outcome.PASSED)

    told = document["evidence"]["quality"]
    assert len(told["metrics"]) == 50
    assert told["records"]["count"] == 101
    assert [record["cost"] for record in told["records"]["worst"]] == [None, *range(99, 80, -1)]


def test_the_worst_of_a_comparison_are_those_the_candidate_lost_most_on() -> None:
    rows, by = worst_records(pd.DataFrame({"champion_loss": [9, 1, 5], "candidate_loss": [9, 8, 1]}))

    assert by == "candidate_loss - champion_loss"
    assert list(rows["candidate_loss"]) == [8, 9, 1]


@pytest.mark.parametrize("actual", [["no", "yes", "no"], [0, 1, 0], list("abcdefghijklmnop")])
def test_classes_are_drawn_with_their_counts_in_words(actual: list[Any]) -> None:
    one = evidence("quality", [], actual=actual, predicted=actual, correct=[1.0] * len(actual))
    spec = {"model": {"task": "multiclass"}}

    plots = build_plots(one, spec)

    assert [plot.title for plot in plots] == ["Confusion matrix"]
    assert f"{len(actual)} records" in plots[0].alt
    assert "100.0%" in plots[0].alt


def test_a_binary_model_is_drawn_with_probabilities_and_confusion() -> None:
    one = evidence(
        "quality", [], actual=["no", "yes"], predicted=["no", "no"], correct=[1.0, 0.0], probability=[0.1, NAN]
    )

    plots = build_plots(one, {"model": {"task": "binary", "positive": "yes"}})

    assert len(plots) == 2
    assert all(plot.alt and plot.uri.startswith("data:image/svg+xml;base64,") for plot in plots)


def test_the_same_inputs_give_the_same_page() -> None:
    assert page() == page()


def test_every_plot_has_words_for_those_who_cannot_see_it() -> None:
    images = re.findall(r"<img [^>]*>", page())

    assert len(images) == 6
    assert all(re.search(r'alt="[^"]{30,}"', image) for image in images)


def test_the_frontier_shows_every_alternative_in_kilobytes_and_what_they_come_to() -> None:
    told = Evidence(
        "compression",
        FULL["compression"].metrics,
        FULL["compression"].records,
        {"recommendation": "'x' suffices", "recommended": EVIL, "tolerance": 0.01, "estimates": "10 W a core"},
    )

    html = page({"compression": told})

    assert "&#39;x&#39; suffices" in html
    assert "estimates from 10 W a core" in html
    assert "9,500" in html
    assert "trees multiply no matrices" in html
    assert "guessing" in build_plots(told, SPEC)[0].title


def test_values_of_sensitive_and_protected_columns_are_neither_on_the_page_nor_in_the_document() -> None:
    roles = {"income": ["sensitive"], "race": ["protected"], "town": ["lookup"], "debt": ["sensitive"]}
    spec = {**SPEC, "data": {"target": "debt", "roles": roles, "sources": {}}}
    profile = {
        "column": ["income", "race", "town"],
        "min": ["77001", "Aa-secret", "Aachen"],
        "max": ["77009", "x", "Z"],
    }
    rows = {"income": [77123.0], "race": ["Bb-secret"], "town": ["Bern"], "actual": [88123.0], "absolute_error": [3.0]}
    given = {"data": evidence("data", [], **profile), "quality": evidence("quality", [], **rows)}
    html, document = build_dossier(RELEASE, spec, None, given, [], Outcome.PASSED)
    for text in (html, json.dumps(document)):
        assert not any(value in text for value in ("77001", "77009", "77123", "77,123", "88123", "88,123", "-secret"))
        assert "Aachen" in text
        assert "Bern" in text
        assert "not shown" in text


def test_alarms_stand_beside_their_budgets():
    rows = [("false_alarms:domain", 0.02, 0.01, 0.03, 200, 1), ("refused:1_exchanged", 0.07, 0.05, 0.09, 200, 1)]
    guards = evidence("guards", rows)
    alarms, refused = build_plots(guards, {"guards": {"budgets": {"domain": 0.05}}})
    assert "domain 0.020 of 0.05 allowed" in alarms.alt
    assert "1_exchanged 0.070" in refused.alt
