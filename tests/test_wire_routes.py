"""What each path, method and header gets, and records answered in words."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from wire_desk import SmallDesk, about_of
from wire_server import MAKE, WEIGHT, YEAR, call, car_request, json_of, scorers

from infra.gateway.contract import Answered, Turned
from infra.gateway.wire.app import App
from infra.gateway.wire.limits import Limits
from infra.gateway.wire.records import UNGUARDED, Words, answers

CARS = json.dumps(car_request()).encode()
RECORDS = [{"year": year, "weight kg": kg, "make": make} for year, kg, make in zip(YEAR, WEIGHT, MAKE, strict=True)]
INFER = "/v2/models/cars/infer"
WORDS = "/v2/models/cars/records"


@pytest.fixture
def desk():
    return SmallDesk(scorers())


@pytest.fixture
def app(desk):
    return App(desk, Limits(rows=100))


def record(app, records, **more):
    return call(app, "POST", WORDS, json.dumps({"records": records, **more}).encode())


READ = ["/v2", "/v2/health/live", "/v2/models", "/v2/models/cars", "/v2/models/cars/versions/r1", "/metrics"]


@pytest.mark.parametrize("path", READ)
def test_what_is_read_is_read_by_get_and_head_alone(app, path):
    assert call(app, "GET", path)[0] == call(app, "HEAD", path)[0] == 200
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "NONSENSE"):
        status, headers, body = call(app, method, path)
        assert (status, headers["allow"]) == (405, "GET, HEAD")
        assert json.loads(body) == {"error": "expected GET or HEAD here."}


@pytest.mark.parametrize("path", [INFER, WORDS, "/v2/models/cars/feedback", "/v2/models/bikes/reports"])
def test_what_is_written_is_written_by_post_alone(app, path):
    for method in ("GET", "HEAD", "PUT", "OPTIONS"):
        status, headers, _ = call(app, method, path)
        assert (status, headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/", 200),
        ("/v2/models/cars/", 200),
        ("/v2//models", 404),
        ("/v2/models//", 404),
        ("/v2/models/cars//", 404),
        ("/v2/models/cars/versions//ready", 404),
        ("//v2", 404),
        ("/", 404),
        ("", 404),
        ("/V2", 404),
        ("/v2/models/c%61rs", 200),
        ("/v2/models/cars%2Fready", 404),
        ("/%762", 200),
        ("/v2/models/cars%", 404),
        ("/v2/models/%FF", 400),
        ("/v2/models/../models/cars", 404),
        ("/v2/models/bikes/infer/more", 404),
        ("/v2/models/cars/versions/r1/feedback", 404),
        ("/v2/models/cars/versions/r2", 404),
        ("/v2/models/" + "x" * 5000, 404),
    ],
)
def test_a_path_is_exactly_its_parts_each_decoded_once(app, path, status):
    assert call(app, "GET", path)[0] == status


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=UTF-8", 200),
        ('application/json;charset="utf-8"', 200),
        ("application/octet-stream", 200),
        ("application/json; charset=latin-1", 415),
        ("application/x-www-form-urlencoded", 415),
        ("text/plain", 415),
        ("application/xml", 415),
    ],
)
def test_a_body_is_said_to_be_json_or_bytes(app, kind, status):
    assert call(app, "POST", INFER, CARS, [("content-type", kind)])[0] == status


@pytest.mark.parametrize(
    "name", ["Authorization", "Content-Encoding", "Content-Type", "Inference-Header-Content-Length", "X-Seatrial-Key"]
)
def test_a_header_that_decides_something_is_there_once(app, name):
    reply = call(app, "POST", INFER, CARS, [(name, "1"), (name, "1")])
    assert reply[0] == 400
    assert json_of(reply)["error"] == f"the header {name.lower()} is there twice."
    assert call(app, "POST", INFER, CARS, [("accept", "a"), ("accept", "b")])[0] == 200


def test_a_request_has_the_id_that_it_brought_or_a_new_one(app, desk):
    brought = call(app, "POST", INFER, json.dumps(car_request(id="a-1")).encode())
    assert (json_of(brought)["id"], brought[1]["x-request-id"], desk.asked[0].request_id) == ("a-1",) * 3
    made = {json_of(call(app, "POST", INFER, CARS))["id"] for _ in range(50)}
    assert len(made) == 50
    assert all(len(one) == 16 for one in made)


@pytest.mark.parametrize(("given", "header"), [("é\r\nx: y", "%C3%A9%0D%0Ax%3A%20y"), ("a b", "a%20b"), ("", None)])
def test_an_id_that_no_header_can_hold_is_encoded_there(app, given, header):
    reply = call(app, "POST", INFER, json.dumps(car_request(id=given)).encode())
    assert header is None or (json_of(reply)["id"], reply[1]["x-request-id"]) == (given, header)
    assert json_of(reply)["id"]


def test_ids_and_keys_have_a_length(app):
    assert call(app, "POST", INFER, json.dumps(car_request(id="x" * 129)).encode())[0] == 400
    assert call(app, "POST", INFER, json.dumps(car_request(parameters={"key": "x" * 257})).encode())[0] == 400
    assert call(app, "POST", INFER, CARS, [("x-seatrial-key", "x" * 257)])[0] == 400
    assert call(app, "POST", INFER, CARS, [("x-seatrial-key", "\xff")])[0] == 400


@pytest.mark.parametrize(("key", "known"), [("ann", "ann"), (7, "7"), ("", None), (None, None)])
def test_the_key_reaches_the_desk_as_text(app, desk, key, known):
    call(app, "POST", INFER, json.dumps(car_request(parameters={"key": key})).encode())
    assert desk.asked[0].key == known
    record(app, RECORDS, key=key)
    assert desk.asked[0].key == known


@pytest.mark.parametrize("key", [True, 1.5, [], {}])
def test_a_key_that_is_no_key_is_refused(app, key):
    reply = call(app, "POST", INFER, json.dumps(car_request(parameters={"key": key})).encode())
    assert (reply[0], "parameter key" in json_of(reply)["error"]) == (400, True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"outputs": [{"name": "predictoin"}]}, "unknown outputs: predictoin (did you mean prediction?)."),
        ({"outputs": [{"name": "flags"}, {"name": "flags"}]}, "outputs that are there twice: flags."),
        ({"inputs": []}, "no rows"),
        ({"inputs": car_request()["inputs"] * 2}, "inputs that are there twice: year, weight kg, make."),
        ({"inputs": car_request()["inputs"][:2]}, "missing inputs: make."),
        ({"parameters": {"binary_data_output": 1}}, "parameter binary_data_output: expected true or false, found 1."),
    ],
)
def test_a_request_that_cannot_be_right_is_told_why(app, change, words):
    reply = call(app, "POST", INFER, json.dumps({**car_request(), **change}).encode())
    assert reply[0] == 400
    assert words in json_of(reply)["error"]


def test_a_column_that_only_a_challenger_takes_is_known(desk):
    desk.abouts["cars"] = newer = about_of("cars", scorers()["cars"])
    object.__setattr__(newer, "versions", ("r1", "r2"))
    wine = about_of("cars", scorers()["wine"])
    found = desk.about
    desk.about = lambda model, version=None: wine if version == "r2" else found(model, version)
    asked = car_request()
    asked["inputs"].append({"name": "ash", "shape": [2], "datatype": "FP64", "data": [1, 2]})
    assert call(App(desk), "POST", INFER, json.dumps(asked).encode())[0] == 200


def test_chunks_are_one_body(app):
    assert call(app, "POST", INFER, chunks=[CARS[:10], b"", CARS[10:]])[0] == 200


def test_a_fault_of_the_gateway_is_a_500_in_json_that_tells_nothing_more(desk, caplog):
    async def fails(asked):
        raise RuntimeError("secret")

    desk.answer = fails
    status, _, body = call(App(desk), "POST", INFER, CARS)
    assert (status, json.loads(body)) == (500, {"error": "something went wrong here; the gateway's log says what."})
    assert "secret" in caplog.text


def test_what_the_desk_refuses_is_passed_on(desk):
    async def busy(asked):
        raise Turned(503, "no package yet.", after=7)

    desk.answer = busy
    status, headers, body = call(App(desk), "POST", INFER, CARS)
    assert (status, headers["retry-after"], json.loads(body)) == (503, "7", {"error": "no package yet."})


def test_a_gateway_that_is_not_ready_says_so(desk):
    desk.ready = lambda: False
    assert call(App(desk), "GET", "/v2/health/ready")[::2] == (503, b'{"ready":false}')
    assert call(App(desk), "GET", "/v2/health/live")[0] == 200


def test_a_long_body_is_decoded_beside_the_loop_to_the_same_answer(desk):
    replies = [call(App(desk, Limits(aside_from_bytes=size)), "POST", INFER, CARS) for size in (10, 10_000)]
    assert json_of(replies[0])["outputs"] == json_of(replies[1])["outputs"]


def test_feedback_and_reports_reach_the_desk(app, desk):
    truths = [{"request_id": "a", "truth": 1.5}, {"request_id": "b", "row": 3, "truth": "class 1", "value": 9.5}]
    reply = call(app, "POST", "/v2/models/cars/feedback", json.dumps({"truths": truths}).encode())
    assert (reply[0], json_of(reply)) == (200, {"taken": 2})
    said = json.dumps({"words": "odd prices", "request_id": "a"}).encode()
    assert call(app, "POST", "/v2/models/cars/reports", said)[0] == 202
    assert desk.taken == [
        ("cars", "anonymous", {"request_id": "a", "row": 0, "truth": 1.5, "value": None}),
        ("cars", "anonymous", {"request_id": "b", "row": 3, "truth": "class 1", "value": 9.5}),
        ("cars", "anonymous", "odd prices", "a"),
    ]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("feedback", {"truths": []}, 400),
        ("feedback", {"truths": [{"request_id": "a", "truth": 1}] * 101}, 413),
        ("feedback", {"truths": [{"request_id": "", "truth": 1}]}, 400),
        ("feedback", {"truths": [{"request_id": "a"}]}, 400),
        ("feedback", {"truths": [{"request_id": "a", "truth": None}]}, 400),
        ("feedback", {"truths": [{"request_id": "a", "truth": 1, "row": -1}]}, 400),
        ("feedback", {"truths": [{"request_id": "a", "thruth": 1, "truth": 1}]}, 400),
        ("reports", {"words": ""}, 400),
        ("reports", {"words": "x" * 10_001}, 400),
        ("reports", {}, 400),
    ],
)
def test_what_is_given_back_has_a_form(app, desk, path, body, status):
    assert call(app, "POST", f"/v2/models/cars/{path}", json.dumps(body).encode())[0] == status
    assert desk.taken == []


@pytest.mark.parametrize("path", ["infer", "records", "feedback", "reports"])
def test_a_model_that_is_not_here_is_told_before_the_body_is_read(app, path):
    reply = call(app, "POST", f"/v2/models/bikes/{path}", chunks=[])
    assert (reply[0], json_of(reply)) == (404, {"error": "no model bikes here."})


def test_records_of_a_regression_get_a_number_its_interval_and_reasons(app):
    reply = record(app, [*RECORDS, {"year": None, "weight kg": 2000, "make": "Tesla"}], id="mine")
    told = json_of(reply)
    expected = scorers()["cars"].answers(pd.DataFrame(RECORDS))
    assert {key: told[key] for key in told if key != "answers"} == {
        "model": "cars", "release": "r1", "id": "mine", "arm": "champion", "notes": []
    }  # fmt: skip
    for at, one in enumerate(told["answers"][:2]):
        assert one["prediction"] == expected["prediction"][at, 0]
        assert one["interval"] == [expected["lower"][at, 0], expected["upper"][at, 0]]
        assert (one["trusted"], one["reasons"] == []) == (bool(expected["trusted"][at, 0]),) * 2
    assert told["answers"][2]["trusted"] is False
    assert {"missing:year", "unknown:make"} <= set(told["answers"][2]["reasons"])


def test_records_of_classes_get_a_label_probabilities_and_the_set(app):
    columns = [item["column"] for item in scorers()["wine"].signature["inputs"]]
    reply = call(app, "POST", "/v2/models/wine/records", json.dumps({"records": [dict.fromkeys(columns, 1)]}).encode())
    (one,) = json_of(reply)["answers"]
    expected = scorers()["wine"].answers(pd.DataFrame([dict.fromkeys(columns, 1.0)]))
    classes = ["class 0", "class 1", "class 2"]
    assert one["prediction"] == expected["prediction"][0, 0]
    assert one["probabilities"] == dict(zip(classes, expected["probabilities"][0].tolist(), strict=True))
    assert one["conformal_set"] == [
        name for name, held in zip(classes, expected["conformal_set"][0], strict=True) if held
    ]
    assert one["trusted"] is False
    assert one["reasons"]


def test_what_another_release_may_need_is_let_be(app):
    more = record(app, [{**one, "mood of the seller": "good"} for one in RECORDS])
    assert more[0] == 200
    assert json_of(more)["answers"] == json_of(record(app, RECORDS))["answers"]


@pytest.mark.parametrize(
    ("records", "status", "words"),
    [
        ([], 400, "no rows"),
        (RECORDS * 51, 413, "102 rows; one request may have 100"),
        ([{}], 400, "missing inputs: year, weight kg, make."),
        ([{"jear": 1, "weight kg": 1, "make": "x"}], 400, "unknown columns: jear (did you mean year?)."),
        ([{**RECORDS[0], "mood of the seller": [1]}], 400, "at $.records[0]"),
        ([RECORDS[0], {"year": 1}], 400, "weight kg: record 1 lacks it"),
        ([RECORDS[0], {"year": 1, "weight kg": 1, "mark": "x"}], 400, "make: record 1 lacks it"),
        ([{**RECORDS[0], "year": "2000"}], 400, "year: expected numbers, found texts in record 0."),
        ([RECORDS[0], {**RECORDS[1], "make": 7}], 400, "make: expected texts, found numbers in record 1."),
        ([{**RECORDS[0], "year": []}], 400, "at $.records[0]"),
        ([{**RECORDS[0], "year": 10**400}], 400, "year: a number is too large."),
        (7, 400, "Expected array, got int - at $.records."),
    ],
)
def test_records_that_cannot_be_right_are_told_why(app, records, status, words):
    reply = record(app, records)
    assert reply[0] == status
    assert words in json_of(reply)["error"]


def test_all_values_of_a_column_may_be_missing(app):
    reply = record(app, [dict.fromkeys(RECORDS[0])])
    assert json_of(reply)["answers"][0]["reasons"][:3] == ["missing:year", "missing:weight kg", "missing:make"]


def test_an_interval_without_ends_is_told_as_null():
    outputs = {"prediction": np.ones((1, 1)), "lower": np.full((1, 1), -np.inf), "upper": np.full((1, 1), np.inf)}
    app = App(SmallDesk(scorers()))

    async def answer(asked):
        return Answered(outputs, "r1", "fallback", ("the champion failed.",))

    app.actions.desk.answer = answer
    told = json_of(record(app, [RECORDS[0]]))
    assert told["answers"] == [{"prediction": 1, "interval": [None, None], "trusted": None, "reasons": [UNGUARDED]}]
    assert (told["arm"], told["notes"]) == ("fallback", ["the champion failed."])


def test_a_release_that_does_not_tell_its_words_is_answered_with_numbers():
    outputs = {
        "prediction": np.array([[1]]),
        "probabilities": np.array([[0.25, 0.75]]),
        "trusted": np.array([[False]]),
        "flags": np.array([[False, True]]),
    }
    told = answers(Answered(outputs, "r0", "fallback"), Words())
    assert told == [
        {
            "prediction": 1,
            "probabilities": {"class 0": 0.25, "class 1": 0.75},
            "trusted": False,
            "reasons": ["reason 1"],
        }
    ]


def test_every_path_and_limit_is_told_in_the_docs(app):
    told = (Path(__file__).parent.parent / "docs" / "gateway.md").read_text()
    for path in json_of(call(app, "GET", "/openapi.json"))["paths"]:
        if "/versions/" not in path and "wine" not in path:
            assert f"`{path.replace('cars', 'NAME')}`" in told, path
    limits = Limits()
    sizes = [f"{size >> 20} MiB" for size in (limits.body_bytes, limits.decompressed_bytes, limits.buffered_bytes)]
    times = [f"{time:.0f} s" for time in (limits.header_seconds, limits.body_seconds, limits.write_seconds)]
    counts = [f"{limits.rows:,} rows", f"{limits.waiting} requests", f"{limits.connections:,} connections"]
    for words in (*sizes, *times, *counts, f"{limits.pipelined} requests", f"within {limits.stop_seconds} s"):
        assert words in told, words
