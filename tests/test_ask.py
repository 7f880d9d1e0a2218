"""The page above the form: what a person needs to decide, and nothing that a text in the data can turn it into."""

import pytest
from waiting import COMPARISON, FINDINGS, document

from expectations.state import Release
from expectations.verdicts import Finding, Outcome
from tasks.ask import MOST_TOLD, Answer, build_question, form, question_id

DIGEST = "sha256:" + "d" * 64
RELEASE = Release(
    "houses-2", "houses", "2026-01-01", "spec", ("dev",), 1, "", dossier_digest=DIGEST, package_digest="p"
)


def page(told=None, place="/store/dossiers/houses-2.html", needed="1 more", reason=""):
    return build_question(RELEASE, told or document(COMPARISON), place, needed, reason)


def test_it_says_the_verdict_the_gates_the_comparison_and_where_the_dossier_is():
    text = page()
    assert "**Verdict: ! warned.**" in text
    assert "Needed: **1 more**" in text
    assert "| data | \\! warned | 1 passed, 1 warned |" in text
    assert "| rmse of houses-1, which serves | 34,088 |" in text
    assert "| improvement | 0.3991 | 0.1032 to 0.5802, on 742 records |" in text
    assert "`/store/dossiers/houses-2.html`" in text
    assert DIGEST in text


def test_what_did_not_pass_is_told_before_the_figures():
    text = page()
    assert text.index("Read these first") < text.index("Beside what serves")
    assert "at most 10 % nulls" in text


def test_a_first_release_has_nothing_beside_it():
    assert "no version serves yet" in page(document())


def test_a_release_that_was_not_compared_says_so():
    told = document()
    told["evidence"] = {}
    assert "Not measured" in page(told)


def test_what_is_not_known_is_told():
    told = {**document(), "unknown": ["Latency: not measured."]}
    assert "- Not known: Latency: not measured." in page(told)


def test_it_is_said_why_it_is_asked_again():
    assert page(reason="the one-time code is not vera's.").startswith("> **Asked again:** the one-time code")
    assert "Asked again" not in page()


@pytest.mark.parametrize(
    "text", ["<script>x</script>", "[a](http://x)", "![a](http://x)", "a | b", "**a**", "`a`", "a\n# b"]
)
def test_no_text_of_a_dossier_is_markdown_or_html(text):
    plain, odd = (
        page(),
        page(document(COMPARISON, [*FINDINGS, Finding(*[text] * 2, Outcome.FAILED, "critical", text, text)])),
    )
    # What it adds is rows of cells; in them each special character is a character.
    added = [line for line in odd.splitlines() if line not in plain.splitlines()]
    assert len(added) == 2
    for line in added:
        bare = line.replace("\\\\", "")
        for special in "<>[]()*`#":
            assert bare.count(special) == bare.count(f"\\{special}")
        assert bare.count("|") - bare.count("\\|") in (4, 5)


def test_of_many_reasons_some_are_told_and_the_rest_is_counted():
    many = [Finding("data", f"e{n}", Outcome.FAILED, "critical", "none", str(n)) for n in range(MOST_TOLD + 3)]
    text = page(document(COMPARISON, many))
    assert text.count("| ✕ failed | data | none |") == MOST_TOLD
    assert "and 3 more in the dossier" in text


def test_a_place_on_the_web_is_a_link():
    assert "](https://example.com/d.html)" in page(place="https://example.com/d.html")


def test_the_form_names_the_dossier_and_allows_two_decisions():
    asked = form(RELEASE, "page")
    schema = asked.model_json_schema()
    assert schema["properties"]["decision"]["enum"] == ["approve", "reject"]
    assert schema["properties"]["dossier"]["default"] == DIGEST
    assert schema["required"] == ["decision", "name", "one_time_code"]
    assert schema["properties"]["one_time_code"]["format"] == "password"


def test_an_answer_has_one_name_and_only_the_code_does_not_change_it():
    told = {"decision": "approve", "name": "vera", "one_time_code": "1", "comment": "", "dossier": "d"}
    first = question_id("run", 1, Answer(**told))
    assert first == question_id("run", 1, Answer(**{**told, "one_time_code": "2"}))
    for key in ("name", "comment", "dossier"):
        assert first != question_id("run", 1, Answer(**{**told, key: "x"}))
    assert first != question_id("run", 1, Answer(**{**told, "decision": "reject"}))
    assert first != question_id("run", 2, Answer(**told))
