"""Clients of the protocol that are not ours ask a real gateway."""

import asyncio

import numpy as np
import pandas as pd
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException
from wire_server import MAKE, WEIGHT, YEAR, scorers, serving


@pytest.fixture(scope="module")
def gateway():
    with serving() as running:
        yield running


@pytest.fixture
def client(gateway):
    with triton.InferenceServerClient(gateway.host, concurrency=4) as made:
        yield made


ROWS = pd.DataFrame({"year": YEAR, "weight kg": WEIGHT, "make": MAKE})


def inputs(binary=True, module=triton, make=MAKE):
    made = [
        module.InferInput("year", [2, 1], "FP64").set_data_from_numpy(np.array([YEAR]).T, binary_data=binary),
        module.InferInput("weight kg", [2], "FP32"),
        module.InferInput("make", [2], "BYTES").set_data_from_numpy(np.array(make, dtype=object), binary_data=binary),
    ]
    made[1].set_data_from_numpy(np.array(WEIGHT, dtype=np.float32), binary_data=binary)
    return made


def same(result, names=None):
    expected = scorers()["cars"].answers(ROWS)
    for name in names or expected:
        found = result.as_numpy(name)
        assert found.dtype == expected[name].dtype, name
        assert np.array_equal(found, expected[name]), name
    return True


def test_health_metadata_and_versions_are_what_triton_asks_for(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("cars")
    assert client.is_model_ready("cars", "r1")
    assert not client.is_model_ready("cars", "r2")
    assert not client.is_model_ready("bikes")
    assert client.get_server_metadata()["name"] == "seatrial"
    told = client.get_model_metadata("cars", "r1")
    assert told["versions"] == ["r1"]
    assert [item["name"] for item in told["inputs"]] == ["year", "weight kg", "make"]
    assert {"name": "prediction", "datatype": "FP64", "shape": [-1, 1]} in told["outputs"]


@pytest.mark.parametrize("answer", [None, "gzip", "deflate"])
@pytest.mark.parametrize("request_", [None, "gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
def test_tensors_come_back_as_the_package_says_however_they_travel(client, binary, request_, answer):
    result = client.infer(
        "cars",
        inputs(binary),
        request_compression_algorithm=request_,
        response_compression_algorithm=answer,
        request_id="mine",
    )
    assert same(result)
    assert result.get_response()["id"] == "mine"
    assert result.get_response()["model_version"] == "r1"
    assert result.get_response()["parameters"] == {"arm": "champion"}


def test_outputs_come_in_the_order_and_the_form_that_were_asked_for(client):
    asked = [
        triton.InferRequestedOutput("trusted", binary_data=False),
        triton.InferRequestedOutput("flags", binary_data=True),
        triton.InferRequestedOutput("prediction", binary_data=False),
    ]
    result = client.infer("cars", inputs(), outputs=asked, model_version="r1")
    told = result.get_response()["outputs"]
    assert [item["name"] for item in told] == ["trusted", "flags", "prediction"]
    assert ["data" in item for item in told] == [True, False, True]
    assert same(result, ["trusted", "flags", "prediction"])


def test_texts_come_back_too(client):
    names = [item["name"] for item in client.get_model_metadata("wine")["inputs"]]
    values = np.array([[1.0]])
    asked = [triton.InferInput(name, [1, 1], "FP64").set_data_from_numpy(values) for name in names]
    expected = scorers()["wine"].answers(pd.DataFrame({name: [1.0] for name in names}))["prediction"]
    for outputs in (None, [triton.InferRequestedOutput("prediction", binary_data=False)]):
        found = client.infer("wine", asked, outputs=outputs).as_numpy("prediction")
        assert [[text.decode() if isinstance(text, bytes) else text for text in row] for row in found] == expected


def test_a_key_travels_as_a_parameter_and_as_a_header(client):
    by_parameter = client.infer("cars", inputs(), parameters={"key": "ann"})
    by_header = client.infer("cars", inputs(), headers={"x-seatrial-key": "bob"})
    assert by_parameter.get_response()["parameters"]["notes"] == "key ann"
    assert by_header.get_response()["parameters"]["notes"] == "key bob"


def test_many_requests_at_once_each_get_their_own_answer(client):
    waiting = [client.async_infer("cars", inputs(), request_id=f"r{at}") for at in range(20)]
    assert [one.get_result().get_response()["id"] for one in waiting] == [f"r{at}" for at in range(20)]


@pytest.mark.parametrize("how", [None, "gzip", "deflate"])
def test_the_asynchronous_client_gets_the_same(gateway, how):
    async def ask():
        async with triton_aio.InferenceServerClient(gateway.host) as client:
            assert await client.is_server_ready()
            ways = {"request_compression_algorithm": how, "response_compression_algorithm": how}
            return await asyncio.gather(*(client.infer("cars", inputs(), **ways) for _ in range(5)))

    assert all(same(result) for result in asyncio.run(ask()))


def broken(name, values, kind="FP64"):
    sent = triton.InferInput(name, list(values.shape), kind)
    return sent.set_data_from_numpy(values)


@pytest.mark.parametrize(
    ("model", "change", "status", "words"),
    [
        ("bikes", {}, "404", "bikes"),
        ("cars", {0: broken("jear", np.zeros(2))}, "400", "jear (did you mean year?)"),
        ("cars", {0: broken("year", np.zeros(3))}, "400", "weight kg: expected 3 rows, as year has, found 2"),
        (
            "cars",
            {0: broken("year", np.zeros((1, 2)))},
            "400",
            "year: expected shape [rows] or [rows, 1], found [1, 2]",
        ),
        ("cars", {0: broken("year", np.array([b"a", b"b"]), "BYTES")}, "400", "year: expected numbers, found texts"),
        ("cars", {2: broken("make", np.zeros(2))}, "400", "make: expected texts (BYTES), found numbers"),
    ],
)
def test_errors_reach_the_client_with_the_name_of_what_is_wrong(client, model, change, status, words):
    asked = inputs()
    for place, other in change.items():
        asked[place] = other
    with pytest.raises(InferenceServerException) as caught:
        client.infer(model, asked)
    assert caught.value.status() == status
    assert words in caught.value.message()


def test_what_is_not_served_is_told_so(client):
    for ask in (client.get_model_repository_index, client.get_cuda_shared_memory_status, client.get_log_settings):
        with pytest.raises(InferenceServerException, match="no such path"):
            ask()
