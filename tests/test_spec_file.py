from pathlib import Path

import pytest

from expectations.errors import CannotAsk
from infra.spec_file import read_spec

GOOD = """\
model: {name: house-price, task: regression, owner: olga}
candidate: {train: train:fit}
data:
  target: price
  sources:
    houses: {path: houses.csv}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "release.yaml"
    path.write_text(text)
    return path


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(CannotAsk) as error:
        read_spec(written(folder, text))
    return [problem.removeprefix(f"{folder}/release.yaml:") for problem in error.value.problems]


def test_six_lines_are_a_spec_and_defaults_complete_it(tmp_path):
    spec = read_spec(written(tmp_path, GOOD)).spec
    assert (spec.risk.tier, spec.data.split.test, spec.comparison.margin) == (2, 0.25, 0.02)


def test_all_errors_are_told_at_once_with_line_and_nearest_name(tmp_path):
    text = GOOD.replace("target:", "tarjet:").replace("task: regression", "task: regresion")
    found = problems(tmp_path, text)
    assert "3: data.target is missing." in found
    assert "4: data.tarjet is not a key of a release spec. Did you mean 'target'?" in found
    assert any(line.startswith("1: model.task:") and "found 'regresion'" in line for line in found)


def test_a_key_that_stands_twice_is_an_error(tmp_path):
    assert problems(tmp_path, GOOD + "seed: 1\nseed: 2\n") == ["8: seed stands twice; keep one of them."]


@pytest.mark.parametrize("cron", ["99 99 * * *", "a b c d e", "H 4 * * *", "0 4 * *"])
def test_a_schedule_that_is_none_is_told_before_it_is_served(tmp_path, cron):
    [problem] = problems(tmp_path, GOOD + f"monitoring: {{release_cron: '{cron}'}}\n")
    assert "monitoring.release_cron" in problem
    assert read_spec(written(tmp_path, GOOD + "monitoring: {release_cron: '0 2 * * MON'}\n"))


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: [", "\x00"])
def test_what_is_no_spec_is_told_in_a_sentence(tmp_path, text):
    assert len(problems(tmp_path, text)) == 1


def test_a_pickle_wants_an_explicit_yes(tmp_path):
    [problem] = problems(tmp_path, GOOD.replace("{train: train:fit}", "{pickle: model.pkl}"))
    assert "use skops, or say trust: true" in problem


def test_a_password_in_clear_is_refused_and_not_repeated(tmp_path):
    text = GOOD.replace("{path: houses.csv}", "{url: 'postgresql://ro:s3cret@db/x', query: select 1}")
    [problem] = problems(tmp_path, text)
    assert "write ${VARIABLE}" in problem
    assert "s3cret" not in problem


def test_the_identity_follows_the_code_that_the_candidate_imports(tmp_path):
    (tmp_path / "train.py").write_text("from parts import model\n")
    (tmp_path / "parts.py").write_text("model = 1\n")
    (tmp_path / "unrelated.py").write_text("x = 1\n")
    path = written(tmp_path, GOOD)
    first = read_spec(path).digest
    (tmp_path / "unrelated.py").write_text("x = 2\n")
    assert read_spec(path).digest == first
    (tmp_path / "parts.py").write_text("model = 2\n")
    assert read_spec(path).digest != first


@pytest.mark.parametrize("shares", [[0.5, 0.1, 1.0], [0.1, 0.5], [0.1, 0.1, 1.0], []])
def test_a_rollout_grows_and_ends_with_everybody(tmp_path, shares):
    steps = [{"share": share} for share in shares]
    [problem] = problems(tmp_path, GOOD + f"rollout: {{steps: {steps}}}\n")
    assert "must grow and end at 1.0" in problem
