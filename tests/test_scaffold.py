"""What `seatrial init` writes works as it is, and nothing is ever overwritten."""

import importlib.util
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from expectations.errors import CannotAsk
from expectations.spec import ReleaseSpec
from infra.scaffold import detect_task, write_project
from tasks.convert import convert

HOUSES = {"area": [50.0, None, 80.0, 95.5] * 6, "town": ["a", "b", None, "a"] * 6, "garden": [True, False] * 12}


def houses(folder: Path, target: list[Any], name: str = "houses.csv") -> Path:
    path = folder / name
    pd.DataFrame({**HOUSES, "answer": target}).to_csv(path, index=False)
    return path


def spec_in(folder: Path) -> ReleaseSpec:
    return ReleaseSpec.model_validate(yaml.safe_load((folder / "release.yaml").read_text(encoding="utf-8")))


def trainer(folder: Path) -> Any:
    found = importlib.util.spec_from_file_location("scaffolded_train", folder / "train.py")
    assert found
    assert found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module.train


@pytest.mark.parametrize(
    ("target", "task", "positive"),
    [
        ([1.5, 2.25, 3.0, 4.0] * 6, "regression", None),
        (list(range(24)), "regression", None),
        ([0, 0, 0, 1] * 6, "binary", 1),
        ([0, None, 0, 1] * 6, "binary", 1),
        (["no", "no", "yes", "no"] * 6, "binary", "yes"),
        ([True, False, True, True] * 6, "binary", False),
        ([1, 2, 3, 3] * 6, "multiclass", None),
        (["x", "y", "z", "z"] * 6, "multiclass", None),
    ],
)
def test_the_task_and_the_positive_label_are_told_from_the_target(
    tmp_path: Path, target: list[Any], task: str, positive: Any
) -> None:
    data = houses(tmp_path, target)

    write_project(tmp_path / "made", "house-price", data, "answer", None)

    spec = spec_in(tmp_path / "made")
    assert (spec.model.task, spec.model.positive) == (task, positive)
    assert type(spec.model.positive) is type(positive)


@pytest.mark.parametrize("target", [[1.5, 2.25, 3.0, 4.0] * 6, ["no", "no", "yes", "no"] * 6, ["x", "y", "z", "z"] * 6])
def test_the_written_train_function_trains_on_numbers_texts_flags_and_nulls(tmp_path: Path, target: list[Any]) -> None:
    data = houses(tmp_path, target)

    write_project(tmp_path / "made", "house-price", data, "answer", None)

    model = trainer(tmp_path / "made")(pd.DataFrame(HOUSES), pd.Series(target))
    assert len(model.predict(pd.DataFrame(HOUSES))) == 24


@pytest.mark.parametrize(
    ("task", "target"),
    [("regression", [1.5, 2.25, 3.0, 4.0] * 6), ("binary", [0, 0, 0, 1] * 6), ("multiclass", ["x", "y", "z", "z"] * 6)],
)
def test_the_trained_pipeline_answers_alike_as_onnx_missing_texts_included(
    tmp_path: Path, task: str, target: list[Any]
) -> None:
    write_project(tmp_path / "made", "house-price", None, None, task)

    model = trainer(tmp_path / "made")(pd.DataFrame(HOUSES), pd.Series(target))

    _, evidence = convert(model, pd.DataFrame(HOUSES), "house-price", 1e-4)
    values = evidence.metrics.set_index("metric")["value"]
    assert values["label_mismatches"] == 0
    assert values["max_difference"] < 1e-4


def test_the_data_is_found_from_the_folder_and_not_copied(tmp_path: Path) -> None:
    data = houses(tmp_path, [1.5, 2.25, 3.0, 4.0] * 6)

    files = write_project(tmp_path / "deep" / "made", "house-price", data, "answer", None)

    path = spec_in(tmp_path / "deep" / "made").data.rows.path
    assert path is not None
    assert (tmp_path / "deep" / "made" / path).resolve() == data.resolve()
    assert sorted(file.name for file in files) == sorted(file.name for file in (tmp_path / "deep" / "made").iterdir())


def test_parquet_is_read_too(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "y"]}).to_parquet(tmp_path / "t.parquet")

    write_project(tmp_path / "made", "m", tmp_path / "t.parquet", "b", None)

    assert spec_in(tmp_path / "made").model.positive == "x"


@pytest.mark.parametrize("task", [None, "regression", "binary", "multiclass"])
def test_without_data_the_placeholder_is_valid_short_and_explained(tmp_path: Path, task: str | None) -> None:
    write_project(tmp_path, "house-price", None, None, task)

    lines = (tmp_path / "release.yaml").read_text(encoding="utf-8").splitlines()
    assert spec_in(tmp_path).model.task == (task or "regression")
    # Eight of them are the questions that nobody likes.
    assert len(lines) < 45
    leaves = [line for line in lines if ": " in line and not line.startswith("#")]
    assert [line for line in leaves if " # " not in line and "#" not in line] == []


@pytest.mark.parametrize("column", ["no", "1", "a: b", "# c", 'quo"te', "größe", "{name}", "null"])
def test_a_strange_column_name_reads_back_as_it_is(tmp_path: Path, column: str) -> None:
    pd.DataFrame({"x": [1, 2, 3], column: [0, 1, 1]}).to_csv(tmp_path / "t.csv", index=False)

    write_project(tmp_path / "made", "m", tmp_path / "t.csv", column, None)

    assert spec_in(tmp_path / "made").data.target == column


@pytest.mark.parametrize("file", ["release.yaml", "train.py", "identities.yaml", "README.md"])
def test_an_existing_file_is_never_overwritten_and_nothing_else_is_written(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_text("mine")

    with pytest.raises(CannotAsk, match="exists already"):
        write_project(tmp_path, "house-price", None, None, None)

    assert [path.name for path in tmp_path.iterdir()] == [file]
    assert (tmp_path / file).read_text() == "mine"


def test_an_unknown_target_is_refused_with_the_nearest_names(tmp_path: Path) -> None:
    data = houses(tmp_path, [0, 1] * 12)

    with pytest.raises(CannotAsk, match=r"no column 'Answr'\. The nearest: 'answer'"):
        write_project(tmp_path / "made", "house-price", data, "Answr", None)

    assert not (tmp_path / "made").exists()


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "not.parquet").write_text("no table")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00\x81")

    for name in ("away.csv", "empty.csv", "not.parquet", "bytes.csv"):
        with pytest.raises(CannotAsk, match="cannot be read"):
            write_project(tmp_path / "made", "m", tmp_path / name, "x", None)
    with pytest.raises(CannotAsk, match="ends in"):
        write_project(tmp_path / "made", "m", tmp_path / "table.xlsx", "x", None)


def test_a_task_that_the_target_cannot_have_is_refused(tmp_path: Path) -> None:
    data = houses(tmp_path, ["x", "y", "z", "z"] * 6)

    for task, words in {"regression": "not numbers", "binary": "exactly two"}.items():
        with pytest.raises(CannotAsk, match=words):
            write_project(tmp_path / "made", "m", data, "answer", task)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("mine")

    with pytest.raises(CannotAsk) as refused:
        write_project(tmp_path, "House Price", None, None, "guessing")

    assert len(refused.value.problems) == 3
    assert "'house-price'" in refused.value.problems[0]


def test_whole_numbers_are_classes_up_to_twenty_and_measures_beyond() -> None:
    assert detect_task(pd.Series(range(20))) == "multiclass"
    assert detect_task(pd.Series(range(21))) == "regression"
