"""Origins, licences, packages, the lock and the bill of materials."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted.base import SPEC, Planted
from planted.provenance import FAULTS
from planted.run import again, against, findings_of, subject_of
from pydantic import ValidationError

from expectations.errors import CannotAsk
from expectations.judge import judge
from expectations.options.provenance import LICENCES, Provenance
from expectations.records import metric_rows, plain_json
from expectations.spec import ReleaseSpec
from expectations.suites.provenance import provenance_suite
from expectations.verdicts import Outcome
from infra.environment import Installed, distributions_of, installed, needed_by
from infra.spec_file import modules_used, read_spec
from tasks.bom import bill_of, bom_problems, build_bom
from tasks.licences import allowed, licence_of, spdx
from tasks.lock import departures, read_lock
from tasks.qualification.provenance import MOST_NAMED, SCORES, THERE, TRAINS, measure, measure_provenance, roles_of

NAN = float("nan")
DATA = {"kind": "source", "name": "loans", "origin": "a bank", "licence": "MIT", "digest": "sha256:" + "0" * 64}
HERE = {
    "good": Installed("good", "1.0", "MIT"),
    "gnu": Installed("gnu", "2.0", "GPL-3.0-only"),
    "mute": Installed("mute", "3.0"),
    "aside": Installed("aside", "4.0", "GPL-3.0-only"),
}
ROLES = {"good": SCORES, "gnu": TRAINS, "mute": TRAINS, "aside": THERE}


def measured(things=(DATA,), here=HERE, roles=ROLES, pins=None, **asked):
    return measure_provenance(list(things), here, roles, pins, Provenance.model_validate(asked))


def outcomes(evidence, tier=3):
    spec = ReleaseSpec.model_validate({**SPEC, "risk": {**SPEC["risk"], "tier": tier}})
    bom = metric_rows([("bom_problems", 0.0, NAN, NAN, 1, 0)])
    whole = type(evidence)(evidence.step, pd.concat([evidence.metrics, bom]), evidence.records, evidence.facts)
    suite = provenance_suite(spec, [str(name) for name in whole.metrics["metric"]])
    return {one.expectation: one.outcome.value for one in judge(whole, suite, strict=True)}


# Licences.


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("MIT", "MIT"),
        ("mit", "MIT"),
        ("MIT (R package modeldata)", "MIT"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("Mozilla Public License 2.0 (MPL 2.0)", "MPL-2.0"),
        ("GNU General Public License v2 or later (GPLv2+)", "GPL-2.0-or-later"),
        ("(MIT OR GPL-2.0-only) AND ISC", "(MIT OR GPL-2.0-only) AND ISC"),
        ("Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception"),
        ("LicenseRef-own", "LicenseRef-own"),
        *((nothing, "") for nothing in ("", " ", "unknown", "MIT AND", "AND", "whatever it takes", "?")),
    ],
)
def test_what_people_write_becomes_an_spdx_expression_or_nothing(text, expression):
    assert spdx(text) == expression


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("MIT OR GPL-2.0-only", True),
        ("MIT AND GPL-2.0-only", False),
        ("(MIT OR GPL-2.0-only) AND ISC", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("MIT-0", True),
        ("CC-BY-NC-4.0", False),
        ("", False),
    ],
)
def test_of_a_choice_one_is_enough_and_of_several_all_are_needed(expression, holds):
    assert allowed(expression, LICENCES) is holds


@given(st.text(max_size=30))
def test_no_text_breaks_the_reading_of_a_licence(text):
    found = spdx(text)
    assert found == spdx(found)


def test_a_distribution_tells_its_licence_by_expression_classifier_field_or_file():
    file = "Redistribution and use in source and binary forms, ... to endorse or promote products ..."
    classifier = "License :: OSI Approved :: MIT License"
    assert licence_of(Installed("a", "1", "ISC", (classifier,), "GPL-3")) == "ISC"
    assert licence_of(Installed("a", "1", "", (classifier, "License :: OSI Approved :: BSD License"))) == (
        "MIT OR BSD-3-Clause"
    )
    assert licence_of(Installed("a", "1", "", ("License :: OSI Approved",), "", file)) == "BSD-3-Clause"
    assert licence_of(Installed("a", "1")) == ""


# The environment and its lock.


def test_what_is_installed_here_is_what_python_says():
    here = installed()
    assert here["numpy"].version == np.__version__
    assert licence_of(here["scikit-learn"]) == "BSD-3-Clause"
    assert {"numpy", "scipy", "joblib"} <= needed_by(["scikit-learn"], here)
    assert "pytest" not in needed_by(["scikit-learn"], here)
    assert distributions_of(["sklearn", "no_such_module"]) == {"scikit-learn"}
    roles = roles_of(here, ["scikit-learn"])
    assert (roles["onnxruntime"], roles["pytest"]) == (SCORES, THERE)


def test_extras_are_followed_and_markers_that_do_not_apply_are_not():
    here = {
        "a": Installed("a", "1", requires=("b[more]", "c; python_version < '3'", "not a requirement !")),
        "b": Installed("b", "1", requires=("d; extra == 'more'", "e; extra == 'other'")),
        **{name: Installed(name, "1") for name in "cde"},
    }
    assert needed_by(["a"], here) == {"a", "b", "d"}


def test_a_lock_is_read_with_hashes_markers_and_comments(tmp_path):
    (tmp_path / "lock").write_text(
        "# head\nNumPy==2.4.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n"
        "old==1 ; python_version < '3'\npandas==3.1.1 ; python_version >= '3' # why\n--index-url https://x\nloose>=1\n"
    )
    assert read_lock(tmp_path / "lock") == {"numpy": "2.4.0", "pandas": "3.1.1"}
    (tmp_path / "empty").write_text("")
    for name in ("empty", "absent"):
        with pytest.raises(CannotAsk):
            read_lock(tmp_path / name)


def test_the_projects_own_lock_can_be_read():
    assert read_lock(Path(__file__).parent.parent / "requirements.lock")["onnx"]


def test_another_version_departs_and_so_does_what_is_used_and_not_locked():
    here = {"a": "1", "b": "2", "c": "3"}
    assert departures(["a", "c"], here, {"a": "1", "b": "9"}) == {"b": "the lock says 9", "c": "not in the lock"}
    assert departures(["a"], here, here) == {}


# What is found.


def test_what_is_known_and_allowed_passes_and_without_a_lock_none_is_compared():
    found = outcomes(measured(here={"good": HERE["good"]}))
    assert set(found.values()) == {"passed"}
    assert not any("lock" in name for name in found)


@pytest.mark.parametrize(("tier", "word"), [(1, "warned"), (2, "warned"), (3, "failed"), (4, "failed")])
def test_unknown_origin_or_licence_is_warned_of_and_stops_where_much_is_at_stake(tier, word):
    things = [DATA, {**DATA, "name": "b", "origin": " "}, {**DATA, "name": "c", "licence": "unknown"}]
    found = outcomes(measured([*things, {**DATA, "name": "d", "licence": "CC-BY-NC-4.0"}]), tier)
    for name in ("unknown_origin:b", "unknown_licence:c", "licence_not_allowed:d"):
        assert found[name] == word


def test_only_what_is_used_must_have_an_allowed_licence():
    found = outcomes(measured())
    assert found["package_licence_not_allowed:gnu"] == "failed"
    assert found["package_licence_unknown:mute"] == "warned"
    assert not any("aside" in name for name in found)
    mended = outcomes(measured(licences=["MIT", "gpl-*"], package_licences={"mute": "MIT"}))
    assert set(mended.values()) == {"passed"}


@pytest.mark.parametrize(
    ("rule", "hit"),
    [("good", True), ("GO*", True), ("good==1.0", True), ("good<1.0", False), ("good>=0.9,<2", True), ("bad", False)],
)
def test_a_denied_package_stops_at_every_tier(rule, hit):
    found = outcomes(measured(denied=[rule]), tier=1)
    assert (found.get("package_denied:good") == "failed") is hit


def test_a_package_that_is_on_no_list_of_allowed_ones_is_denied():
    assert measured(packages=["g*"]).records.query("wrong.str.contains('denied')")["name"].tolist() == ["mute", "aside"]


def test_a_rule_that_nobody_can_read_is_an_error():
    with pytest.raises(ValidationError, match="is no package, nor one with versions"):
        Provenance(denied=("good>=one",))


def test_of_many_departures_the_table_tells_and_of_a_few_each():
    many = {f"p{at}": Installed(f"p{at}", "1", "MIT") for at in range(MOST_NAMED + 1)}
    pins = {name: "2" for name in many}
    found = measured(here=many, roles={}, pins=pins)
    assert outcomes(found)["package_departs_from_lock"] == "failed"
    assert found.metrics.set_index("metric").loc["package_departs_from_lock", "value"] == MOST_NAMED + 1
    few = outcomes(measured(here={"good": HERE["good"]}, pins={"good": "2"}))
    assert few["package_departs_from_lock:good"] == "failed"


def test_an_asset_that_is_not_there_is_told():
    assert outcomes(measured([{**DATA, "digest": ""}]))["asset_missing:loans"] == "failed"


# The bill of materials.


def test_a_bill_is_what_the_schema_takes_and_the_same_each_time():
    quality = metric_rows(
        [("roc_auc", 0.9, 0.8, 1.0, 100, 0), ("odd", NAN, NAN, NAN, 0, 0), ("mean", 1, NAN, NAN, 5, 0)]
    )
    things = [DATA, {**DATA, "kind": "asset", "name": "words.txt", "licence": "by agreement"}]
    found = measured(things, licences=["*"])
    about = {"name": "m", "version": "m-1", "graph": DATA["digest"], "as_of": "2026-01-01T00:00:00"}
    spec = plain_json({**SPEC, "model": {**SPEC["model"], "description": "Who pays back."}})
    bom = build_bom(about, found.records, spec, quality)
    assert bom_problems(bom) == []
    assert json.dumps(bom) == json.dumps(build_bom(about, found.records, spec, quality))
    card = bom["metadata"]["component"]["modelCard"]
    assert [one["type"] for one in card["quantitativeAnalysis"]["performanceMetrics"]] == ["roc_auc", "mean"]
    assert card["considerations"]["useCases"] == ["Who pays back."]
    assert len(card["considerations"]["ethicalConsiderations"]) == 8
    names = {one["name"]: one for one in bom["components"]}
    assert names["words.txt"]["licenses"] == [{"license": {"name": "by agreement"}}]
    assert names["loans"]["licenses"] == [{"license": {"id": "MIT"}}]
    assert names["good"]["scope"] == "required"


def test_a_wrong_bill_is_told_of():
    assert bom_problems({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "no_such_key": 1})


@pytest.mark.parametrize(
    ("url", "sound"),
    [
        ("https://example.org/a%20b?c=d#e", True),
        ("data/öffentlich.csv", True),
        ("two words", False),
        ("100%", False),
        ("a|b", False),
    ],
)
def test_what_is_no_iri_is_told_of(url, sound):
    component = {"type": "data", "name": "d", "externalReferences": [{"type": "website", "url": url}]}
    bill = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": [component]}
    assert (bom_problems(bill) == []) is sound


def test_a_date_that_is_none_is_told_of():
    bill = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "metadata": {"timestamp": "yesterday"}}
    assert "yesterday" in bom_problems(bill)[0]


def test_the_code_beside_a_spec_tells_what_it_imports(tmp_path):
    (tmp_path / "train.py").write_text("import yaml\nfrom parts import fit\n")
    (tmp_path / "parts.py").write_text("from sklearn.linear_model import Ridge as fit\n")
    (tmp_path / "release.yaml").write_text(json.dumps(SPEC | {"candidate": {"train": "train:fit"}}))
    assert {"yaml", "sklearn"} <= modules_used(read_spec(tmp_path / "release.yaml"))


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SEATRIAL_HOME", str(tmp_path_factory.mktemp("home")))
        yield subject_of(Planted("clean", "provenance", "", train="logistic"), tmp_path_factory.mktemp("clean"))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.name)
def test_a_planted_fault_is_caught(fault, clean):
    found = against(findings_of(again(clean, fault), fault.caught_by))
    assert any(fault.says in one.expectation for one in found), found
    assert any(one.outcome is Outcome.FAILED for one in found)


def test_of_a_clean_release_nothing_is_said_and_its_bill_is_right(clean):
    assert against(findings_of(clean, "provenance", "risk")) == []
    bill = json.loads(bill_of(clean, {"provenance": measure(clean)}) or b"")
    assert bom_problems(bill) == []
    assert bill["metadata"]["component"]["modelCard"]["modelParameters"]["modelArchitecture"] == ("LogisticRegression")
