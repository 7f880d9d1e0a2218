"""The dossier in its other forms: JSON by a published schema, JUnit XML, the model card."""

import json
from pathlib import Path
from xml.etree import ElementTree as Tree

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_dossier import FINDINGS, FULL, RELEASE, SPEC

from expectations.dossier import Dossier
from expectations.verdicts import Finding, Outcome
from tasks.dossier import build_document
from tasks.junit import junit_xml
from tasks.model_card import build_card, limits_of_use

PUBLISHED = Path("docs/dossier.schema.json")


def test_the_published_schema_is_that_of_the_code():
    assert json.loads(PUBLISHED.read_text()) == Dossier.model_json_schema()


def test_every_document_keeps_the_schema():
    for given_, outcome in ((FULL, Outcome.FAILED), ({}, Outcome.INCONCLUSIVE)):
        document = build_document(RELEASE, SPEC, {"rows": 9}, given_, FINDINGS, outcome)
        jsonschema.validate(document, json.loads(PUBLISHED.read_text()))


def test_a_document_with_a_figure_that_is_a_text_does_not():
    document = build_document(RELEASE, SPEC, None, FULL, FINDINGS, Outcome.FAILED)
    document["evidence"]["quality"]["metrics"][0]["value"] = "good"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, json.loads(PUBLISHED.read_text()))


def finding(outcome, name="e", words="w"):
    return Finding("quality", name, outcome, "critical", "at least 1", words, "mend it")


def test_junit_counts_what_stops_and_what_could_not_be_asked():
    told = [finding(one) for one in Outcome]
    root = Tree.fromstring(junit_xml("r", told))
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "6",
        "failures": "2",
        "errors": "1",
        "skipped": "1",
    }
    assert "mend it" in root.find(".//failure").text
    assert root.find(".//system-out").text == "warning: expected at least 1, found w"


@given(st.text(), st.text())
def test_whatever_a_finding_says_is_xml(name, words):
    root = Tree.fromstring(junit_xml(name, [finding(Outcome.FAILED, name, words)]))
    assert root.get("failures") == "1"


def test_a_card_says_what_nobody_stated():
    card = build_card(SPEC, None, FULL)
    assert card["intended_use"] == "not stated in the spec"
    assert card["quality"] == {"rmse": [1.5, 1.0, 2.0]}


def test_limits_begin_with_what_the_model_is_not_for():
    told = limits_of_use({"model": {"out_of_scope": "houses outside Ames"}}, FULL)
    assert told[0] == "Not for: houses outside Ames"
    assert told[1].startswith("Of usual records 2.0% get an answer")
