import os
import pickle
import sys
from functools import partial

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from expectations.errors import CannotAsk
from infra import workshop
from infra.candidates import open_skops, scan_pickle

FITTED = LinearRegression().fit(np.arange(6.0).reshape(-1, 1), np.arange(6.0))


class Attack:
    def __reduce__(self):
        return os.system, ("touch pwned",)


def test_a_skops_file_of_scikit_learns_own_types_is_opened(tmp_path):
    skops.io.dump(FITTED, tmp_path / "m.skops")
    assert open_skops(tmp_path / "m.skops").predict([[2.0]])[0] == pytest.approx(2)


def test_a_type_that_nobody_allowed_is_refused_by_name(tmp_path):
    skops.io.dump(FunctionTransformer(os.getcwd), tmp_path / "m.skops")
    with pytest.raises(CannotAsk, match="getcwd"):
        open_skops(tmp_path / "m.skops")


def test_what_cannot_predict_is_no_candidate(tmp_path):
    skops.io.dump(StandardScaler(), tmp_path / "m.skops")
    with pytest.raises(CannotAsk, match="found StandardScaler"):
        open_skops(tmp_path / "m.skops")


def test_a_trusted_pickle_is_scanned_and_comes_out_as_skops(tmp_path):
    joblib.dump(FITTED, tmp_path / "m.joblib")
    scan_pickle(tmp_path / "m.joblib")
    workshop.unpickle(tmp_path / "m.joblib", tmp_path / "m.skops", 1)
    assert open_skops(tmp_path / "m.skops").predict([[2.0]])[0] == pytest.approx(2)


def test_a_pickle_that_calls_the_system_is_not_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(Attack()))
    with pytest.raises(CannotAsk, match="was not opened"):
        scan_pickle(tmp_path / "m.pkl")
    assert not (tmp_path / "pwned").exists()


def test_a_file_that_is_no_pickle_is_told(tmp_path):
    (tmp_path / "m.pkl").write_text("no pickle at all")
    with pytest.raises(CannotAsk, match="Mend it"):
        workshop.unpickle(tmp_path / "m.pkl", tmp_path / "m.skops", 1)


def test_code_that_takes_too_long_is_ended(tmp_path):
    (tmp_path / "slow.py").write_text("import time\ndef table():\n    time.sleep(60)\n")
    with pytest.raises(CannotAsk, match="took longer"):
        workshop.table_reader(0.05)("slow:table", tmp_path, tmp_path / "t.parquet")


def test_a_partial_is_only_as_trusted_as_the_function_in_it(tmp_path):
    harmful = FunctionTransformer(partial(os.system, "true"))
    skops.io.dump(make_pipeline(harmful, LinearRegression()), tmp_path / "m.skops")
    with pytest.raises(CannotAsk, match="system"):
        open_skops(tmp_path / "m.skops")


def test_a_trusted_type_of_a_module_that_is_not_here_is_told_in_words(tmp_path, monkeypatch):
    (tmp_path / "own_steps.py").write_text("def squares(x):\n    return x * x\n")
    with monkeypatch.context() as here:
        here.syspath_prepend(tmp_path)
        steps = __import__("own_steps")
        skops.io.dump(make_pipeline(FunctionTransformer(steps.squares), FITTED), tmp_path / "m.skops")
    monkeypatch.delitem(sys.modules, "own_steps")
    with pytest.raises(CannotAsk, match=r"not installed here .*own_steps"):
        open_skops(tmp_path / "m.skops", ("own_steps.squares",))
