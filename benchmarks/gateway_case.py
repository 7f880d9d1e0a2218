"""What every server of the gateway benchmark serves: one model for house prices, as an estimator and as graphs."""

import json
import runpy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.records import PACKAGE_SIGNATURE
from expectations.spec import Guards
from infra.evidence_store import put_json
from infra.gateway.trial import found, say_yes
from infra.ledger import Ledger
from infra.local_store import LocalStore
from infra.packages import golden_records, keep_package
from infra.runtime import Scorer
from infra.signatures import sign_files, signable_package
from tasks.convert import convert
from tasks.guards.build import Rows, build_guards
from tasks.guards.core import Core

AMES = Path(__file__).parents[1] / "examples" / "ames"
MODEL, BARE, TARGET, TOLERANCE = "ames", "ames-bare", "Sale_Price", 1e-5
NUMBERS = (
    *("Gr_Liv_Area", "Total_Bsmt_SF", "Garage_Area", "Year_Built", "Lot_Area", "First_Flr_SF"),
    *("Full_Bath", "TotRms_AbvGrd", "Fireplaces"),
)
TEXTS = ("Neighborhood", "Bldg_Type", "Central_Air")
TRAIN, CALIBRATION = 1500, 600
Tensor = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """`folder` holds model.joblib and core.onnx; `package` is the guarded graph; `rows` were seen by nobody, and
    `expected` is what the estimator says of them."""

    folder: Path
    package: bytes
    golden: pd.DataFrame
    rows: pd.DataFrame
    expected: npt.NDArray[np.float64]


def make_case(folder: Path) -> Case:
    """The boosting of examples/ames on 12 of its columns: nine numbers and three texts."""
    frame = pd.read_parquet(AMES / "houses.parquet").sample(frac=1, random_state=0, ignore_index=True)
    # People send numbers; that a column holds whole ones is of no matter here.
    features = frame[[*NUMBERS, *TEXTS]].astype(dict.fromkeys(NUMBERS, np.float64))
    target = frame[TARGET].to_numpy(np.float64)
    train, calibration = features[:TRAIN], features[TRAIN : TRAIN + CALIBRATION].reset_index(drop=True)
    rows = features[TRAIN + CALIBRATION :].reset_index(drop=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = runpy.run_path(str(AMES / "train.py"))["boosting"](train, target[:TRAIN])
        core, _ = convert(estimator, train, MODEL, TOLERANCE)
        parts = Rows(train, target[:TRAIN]), Rows(calibration, target[TRAIN : TRAIN + CALIBRATION])
        package, _ = build_guards(Core(core, Scorer(core).signature, False), *parts, Guards())
        expected = estimator.predict(rows)
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(estimator, folder / "model.joblib")
    (folder / "core.onnx").write_bytes(core)
    return Case(folder, package, train.head(20), rows, expected)


def released(case: Case) -> Path:
    """A store with two models, the package and the bare graph, as champions; the account's home is beside it."""
    store = LocalStore(case.folder / "store")
    ledger = Ledger(store, case.folder / "home")
    signer = found(ledger)
    for model, graph in ((MODEL, case.package), (BARE, (case.folder / "core.onnx").read_bytes())):
        for kind, body in _steps(store, case.folder / "home", graph, case.golden, model):
            ledger.decide_and_append(lambda _, kind=kind, model=model, body=body: (kind, model, body))
        say_yes(ledger, model, f"{model}-1", signer)
        first = {"release": f"{model}-1", "without_rollout": "the first that serves"}
        ledger.decide_and_append(lambda _, model=model, first=first: ("promoted", model, first))
    return case.folder / "store"


def _steps(
    store: LocalStore, home: Path, graph: bytes, golden: pd.DataFrame, model: str
) -> list[tuple[str, dict[str, Any]]]:
    """What a release leaves in the ledger."""
    digest, blobs = keep_package(store, graph, golden_records(Scorer(graph), golden))
    blobs[PACKAGE_SIGNATURE] = sign_files(store, signable_package(store, digest), home)
    blobs |= {"package": digest, "document": put_json(store, {"spec": {"model": {"name": model}, "serving": {}}})}
    mine, document = {"release": f"{model}-1"}, {"dossier_digest": blobs["document"]}
    who = {"developers": ["dev"], "approvals_needed": 1}
    judged = {"outcome": "passed", "champion_compared": None, "approvals_needed": 1, "package_digest": digest}
    return [
        ("release started", {**mine, "spec_digest": model, "as_of": "2026-01-01T00:00:00", **who}),
        ("release judged", {**mine, **judged, "blobs": blobs, **document}),
    ]


def v2_json(rows: pd.DataFrame) -> bytes:
    """A request of the Open Inference Protocol, one tensor a column.

    The content types are for MLServer and KServe's SDK, which make a frame of it; ours needs none.
    """
    inputs = [_tensor(name, rows[name]) | {"data": rows[name].tolist()} for name in rows.columns]
    return json.dumps({"parameters": {"content_type": "pd"}, "inputs": inputs}).encode()


def prediction_json(rows: pd.DataFrame) -> bytes:
    """The same, asking for one output of the package's."""
    return json.dumps({**json.loads(v2_json(rows)), "outputs": [{"name": "prediction"}]}).encode()


def v2_binary(rows: pd.DataFrame) -> tuple[bytes, int]:
    """The same with the binary tensor extension, answers in binary too: the body, and how long its JSON is."""
    parts = [_bytes(rows[name]) for name in rows.columns]
    inputs = [
        _tensor(name, rows[name]) | {"parameters": {"binary_data_size": len(part)}}
        for name, part in zip(rows.columns, parts, strict=True)
    ]
    head = json.dumps({"parameters": {"binary_data_output": True}, "inputs": inputs}).encode()
    return head + b"".join(parts), len(head)


def _tensor(name: str, column: "pd.Series[Any]") -> Tensor:
    text = name in TEXTS
    about: Tensor = {"name": name, "shape": [len(column)], "datatype": "BYTES" if text else "FP64"}
    return about | ({"parameters": {"content_type": "str"}} if text else {})


def _bytes(column: "pd.Series[Any]") -> bytes:
    if column.name not in TEXTS:
        return column.to_numpy("<f8").tobytes()
    return b"".join(len(text).to_bytes(4, "little") + text for text in (value.encode() for value in column))


def v2_prediction(body: bytes, names: Sequence[str] = ("prediction",)) -> npt.NDArray[np.float64]:
    """The numbers in a JSON answer: the output of one of these names, else the first."""
    outputs = json.loads(body)["outputs"]
    chosen = next((output for output in outputs if output["name"] in names), outputs[0])
    return np.asarray(chosen["data"], np.float64).ravel()


def split_json(rows: pd.DataFrame) -> bytes:
    """As mlflow's scoring server asks for a frame."""
    return json.dumps({"dataframe_split": {"columns": list(rows.columns), "data": rows.to_numpy().tolist()}}).encode()


def mlflow_prediction(body: bytes) -> npt.NDArray[np.float64]:
    """The numbers in mlflow's answer."""
    return np.asarray(json.loads(body)["predictions"], np.float64).ravel()


def records_json(rows: pd.DataFrame) -> bytes:
    """For BentoML's argument `rows`: one object a record."""
    return json.dumps({"rows": rows.to_dict("records")}).encode()


def columns_json(rows: pd.DataFrame) -> bytes:
    """For BentoML's argument `columns`: one list a column."""
    return json.dumps({"columns": rows.to_dict("list")}).encode()


def plain_prediction(body: bytes) -> npt.NDArray[np.float64]:
    """The numbers in a bare list."""
    return np.asarray(json.loads(body), np.float64).ravel()
