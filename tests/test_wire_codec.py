"""Laws of the wire: what is encoded decodes to itself, and no bytes at all bring a 500 or a hang."""

import gzip
import json
import struct
import time
import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from wire_desk import SmallDesk
from wire_server import call, car_request, json_of, scorers

from infra.gateway.contract import Answered, Turned
from infra.gateway.desk.arm import as_input
from infra.gateway.wire.app import App
from infra.gateway.wire.bodies import compression, deflated, inflated
from infra.gateway.wire.limits import Limits
from infra.gateway.wire.tensors import KNOWN, from_binary, from_json, to_binary, to_json
from infra.gateway.wire.v2 import Inference, Names, encode, read_inference, refuse_misspelt, write_answer

NUMBERS = [kind for kind in KNOWN.values() if kind.name != "BYTES"]
numbers = st.sampled_from(NUMBERS).flatmap(
    lambda kind: st.tuples(st.just(kind.name), arrays.arrays(kind.dtype, st.integers(1, 9)))
)
texts = st.lists(st.text(), min_size=1, max_size=9).map(lambda found: ("BYTES", np.array(found, dtype=object)))
columns = numbers | texts


def told(values):
    """What JSON can tell of an array: what is not finite becomes missing."""
    if values.dtype.kind != "f":
        return values
    return np.where(np.isfinite(values), values, np.nan)


@given(columns)
def test_json_comes_back_as_it_was(column):
    kind, values = column
    for nested in (values, values.reshape(-1, 1)):
        sent = encode(to_json(values) if nested.ndim == 1 else [[one] for one in to_json(values)])
        found = from_json("x", kind, list(nested.shape), sent)
        assert found.dtype == values.dtype
        assert np.array_equal(found, told(values), equal_nan=values.dtype.kind == "f")


@given(columns)
def test_bytes_come_back_as_they_were(column):
    kind, values = column
    found = from_binary("x", kind, [len(values)], to_binary(values))
    assert found.dtype == values.dtype
    assert found.tobytes() == values.tobytes() if kind != "BYTES" else found.tolist() == values.tolist()
    assert found.flags.aligned
    assert found.flags.owndata


@given(st.lists(columns, min_size=1, max_size=5), st.booleans(), st.data())
def test_an_answer_read_as_a_request_has_the_same_tensors(made, binary, data):
    rows = min(len(values) for _, values in made)
    outputs = {f"o{at}": values[:rows].reshape(rows, 1) for at, (kind, values) in enumerate(made) if kind != "FP16"}
    kept = {name: values for name, values in outputs.items() if values.dtype.str[1:] in ("f8", "f4", "i8", "O", "b1")}
    if not kept:
        return
    wanted = tuple((name, data.draw(st.booleans())) for name in kept)
    asked = Inference({}, rows, None, None, wanted, binary)
    body, length = write_answer("m", "r", asked, Answered(kept, "r1", "champion"))
    head = msgspec.json.decode(body if length is None else body[:length])
    assert (head["model_name"], head["model_version"], head["id"]) == ("m", "r1", "r")
    again = encode({"inputs": head["outputs"]})
    sent = again + (b"" if length is None else body[length:])
    found = read_inference(sent, None if length is None else len(again), Names(dict.fromkeys(kept, ""), ()), Limits())
    assert found.rows == rows
    for name, in_binary in wanted:
        expected = kept[name].ravel() if in_binary else told(kept[name].ravel())
        assert np.array_equal(found.tensors[name], expected, equal_nan=expected.dtype.kind == "f")


@given(st.binary(max_size=2000), st.sampled_from([b"gzip", b"deflate"]))
def test_what_is_compressed_comes_back_up_to_its_bound(body, encoding):
    assert inflated(deflated(body, encoding), encoding, len(body)) == body
    if body:
        with pytest.raises(Turned) as caught:
            inflated(deflated(body, encoding), encoding, len(body) - 1)
        assert caught.value.status == 413


app = App(SmallDesk(scorers()))
PATHS = [f"/v2/models/cars/{action}" for action in ("infer", "records", "feedback", "reports")]
CARS = json.dumps(car_request()).encode()


def answered(reply):
    assert reply[0] != 500
    assert reply[0] == 200 or json_of(reply)["error"]


@given(st.sampled_from(PATHS), st.binary(max_size=300), st.sampled_from(["", "gzip", "deflate"]), st.binary(max_size=5))
def test_no_bytes_bring_a_500(path, body, encoding, length):
    headers = [("content-encoding", encoding)] if encoding else []
    answered(call(app, "POST", path, body, headers))
    headers.append(("inference-header-content-length", length.decode("latin-1")))
    answered(call(app, "POST", path, body, headers))


@given(st.integers(0, len(CARS) - 1), st.binary(min_size=0, max_size=4), st.integers(0, 6))
def test_no_damage_to_a_request_brings_a_500(at, other, cut):
    body = CARS[:at] + other + CARS[at + cut :]
    answered(call(app, "POST", PATHS[0], body))
    packed = gzip.compress(CARS)
    at %= len(packed)
    answered(call(app, "POST", PATHS[0], packed[:at] + other + packed[at + cut :], [("content-encoding", "gzip")]))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["year", "weight kg", "make", "x"])
sent_inputs = st.fixed_dictionaries(
    {
        "name": NAMES | values,
        "shape": st.lists(st.integers(-1, 3), max_size=3) | st.just([2]) | values,
        "datatype": st.sampled_from([*KNOWN, "BF16"]) | values,
    },
    optional={
        "data": st.lists(values, max_size=3) | st.lists(st.lists(values, max_size=2), max_size=3) | values,
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": st.integers(-1, 20) | values}) | values,
    },
)
requests = st.fixed_dictionaries(
    {"inputs": st.lists(sent_inputs, max_size=4) | values},
    optional={
        "id": st.text() | values,
        "parameters": st.fixed_dictionaries({}, optional={"key": values, "binary_data_output": values}) | values,
        "outputs": st.lists(st.fixed_dictionaries({"name": st.sampled_from(["prediction", "flags", "x"])})) | values,
    },
)


@given(requests, st.binary(max_size=20))
def test_no_request_that_looks_like_one_brings_a_500(request, rest):
    head = json.dumps(request).encode()
    answered(call(app, "POST", PATHS[0], head))
    answered(call(app, "POST", PATHS[0], head + rest, [("inference-header-content-length", str(len(head)))]))


@given(st.lists(st.dictionaries(NAMES, values, max_size=4), max_size=4) | values)
def test_no_records_bring_a_500(records):
    answered(call(app, "POST", PATHS[1], json.dumps({"records": records}).encode()))


@pytest.mark.parametrize("opening", [b"[", b'{"inputs":', b'{"inputs":[{"parameters":', b'{"a":{"b":['])
def test_json_nested_without_end_is_refused(opening):
    for path in PATHS:
        assert call(app, "POST", path, opening * 100_000)[0] == 400


def column(datatype, data, name="year"):
    """The reply to one column of this datatype, the others being right."""
    asked = car_request()
    for item in asked["inputs"]:
        if item["name"] == name:
            item |= {"datatype": datatype, "data": data}
    return call(app, "POST", PATHS[0], json.dumps(asked).encode())


WHOLE = [(f"UINT{bits}", 0, 2**bits - 1) for bits in (8, 16, 32, 64)]
WHOLE += [(f"INT{bits}", -(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)]


@pytest.mark.parametrize(("datatype", "least", "most"), WHOLE)
def test_whole_numbers_hold_what_their_datatype_holds_and_no_more(datatype, least, most):
    assert column(datatype, [least, most])[0] == 200
    for beyond in (least - 1, most + 1, 1.5, "1", True):
        reply = column(datatype, [1, beyond])
        assert reply[0] == 400
        assert json_of(reply)["error"].startswith("year: ")


@pytest.mark.parametrize(("datatype", "most"), [("FP16", 65504), ("FP32", 3.4e38), ("FP64", 1.7e308)])
def test_fractions_hold_what_their_datatype_holds_and_no_more(datatype, most):
    assert column(datatype, [-most, most])[0] == 200
    assert column(datatype, [1, "x"])[0] == 400
    beyond = json.dumps(car_request()).replace("2000.0", f"{most * 10}" if most < 1e308 else "1e400")
    reply = call(app, "POST", PATHS[0], beyond.replace("FP64", datatype).encode())
    assert reply[0] == 400
    assert "year: " in json_of(reply)["error"]


@pytest.mark.parametrize("datatype", ["FP64", "FP32", "FP16", "INT64", "UINT8", "BOOL"])
def test_a_missing_number_is_told_as_missing(datatype):
    answer = json_of(column(datatype, [None, 1] if datatype != "BOOL" else [None, True]))
    flags = next(item for item in answer["outputs"] if item["name"] == "flags")
    assert flags["data"][:2] == [True, False]


def test_a_missing_text_is_told_as_missing():
    answer = json_of(column("BYTES", ["Saab", None], "make"))
    reasons = next(item["data"] for item in answer["outputs"] if item["name"] == "reasons")
    assert [bits & 1 for bits in reasons] == [0, 1]


def test_large_whole_numbers_do_not_change_beside_missing_ones():
    assert column("INT64", [2**53, None])[0] == 200
    reply = column("INT64", [2**53 + 1, None])
    assert "year: whole numbers beyond 2^53" in json_of(reply)["error"]


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_nan_is_no_json_and_the_refusal_says_what_to_send(word):
    reply = call(app, "POST", PATHS[0], CARS.replace(b"2000.0", word.encode()))
    assert reply[0] == 400
    assert "send null for what is missing" in json_of(reply)["error"]


def test_what_is_not_finite_is_answered_as_null():
    outputs = {"upper": np.array([[np.inf], [1.0]]), "lower": np.array([[np.nan], [-np.inf]], dtype=np.float32)}
    asked = Inference({}, 2, None, None, (), False)
    body, _ = write_answer("m", "r", asked, Answered(outputs, "r1", "champion"))
    assert [item["data"] for item in msgspec.json.decode(body)["outputs"]] == [[None, 1.0], [None, None]]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x01\x00\x00\x00a", "expected 2 texts"),
        (b"\xff\xff\xff\xffa", "expected 2 texts"),
        (b"\x01\x00", "expected 2 texts"),
        (b"", "expected 2 texts"),
        (b"\x00\x00\x00\x00" * 3, "expected 2 texts"),
        (b"\x00\x00\x00\x00\x01\x00\x00\x00\xff", "text 1 is not UTF-8"),
    ],
)
def test_texts_that_do_not_fit_their_lengths_are_refused(data, words):
    with pytest.raises(Turned, match=words) as caught:
        from_binary("make", "BYTES", [2], data)
    assert caught.value.status == 400


def test_a_huge_shape_takes_no_memory():
    for datatype in KNOWN:
        for read, data in ((from_json, b"[1]"), (from_binary, b"1")):
            with pytest.raises(Turned):
                read("x", datatype, [10**15], data)


def test_true_is_any_byte_but_zero():
    assert from_binary("x", "BOOL", [3], b"\x00\x01\x07").tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        (b"", b""),
        (b"br, *", b""),
        (b"gzip", b"gzip"),
        (b"deflate", b"deflate"),
        (b"deflate, gzip", b"gzip"),
        (b"gzip;q=0.2, deflate;q=0.5", b"deflate"),
        (b"gzip;q=0", b""),
        (b"GZIP ; q=1.0", b"gzip"),
        (b"gzip;q=nonsense", b""),
    ],
)
def test_an_answer_is_compressed_as_the_caller_likes_best(accepted, chosen):
    assert compression(accepted) == chosen


def test_little_endian_is_what_the_protocol_says():
    assert to_binary(np.array([1.5])) == struct.pack("<d", 1.5)
    assert to_binary(np.array(["é"], dtype=object)) == b"\x02\x00\x00\x00\xc3\xa9"
    assert zlib.decompress(deflated(b"x", b"deflate")) == b"x"


@pytest.mark.parametrize("values", [[1.5], [np.nan], [np.inf], [-np.inf], [2.0**63], [-(2.0**64)], [np.uint64(2**63)]])
def test_what_int64_cannot_hold_is_refused_and_not_made_another_number(values):
    with pytest.raises(Turned, match="rooms: expected whole numbers"):
        as_input("rooms", np.array(values), "int64", 1)


@pytest.mark.parametrize("values", [[-(2.0**63)], [3.0], [np.uint64(2**63 - 1)], [np.int8(-1)], [True]])
def test_what_int64_holds_is_taken(values):
    assert as_input("rooms", np.array(values), "int64", 1)[0, 0] == values[0]


def test_thousands_of_unknown_names_are_not_compared_for_ever():
    known = {f"column {at}": "FP64" for at in range(1000)}
    began = time.process_time()
    refuse_misspelt("inputs", [f"{at} other" * 9 for at in range(100_000)], known)
    assert time.process_time() - began < 2
