"""A caller of the gateway: one connection, records in, every output back."""

import http.client
import json
import math
from typing import Any
from urllib.parse import urlsplit

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from expectations.errors import Away, CannotAsk
from infra.gateway.wire.tensors import datatype_name, from_binary, to_binary
from infra.gateway.wire.tensors import to_json as as_values
from infra.runtime import Scorer

HEADER = "Inference-Header-Content-Length"


class Client:
    """Asks one model over HTTP, as the Open Inference Protocol says. Not for several threads at once."""

    def __init__(self, url: str, model: str) -> None:
        address = urlsplit(url)
        self._connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
        self._path = f"/v2/models/{model}/infer"

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def answers(self, scorer: Scorer, frame: pd.DataFrame, batch: int = 1000) -> dict[str, npt.NDArray[Any]]:
        """Every output by its name for all rows of `frame`, as `Scorer.answers` gives them; in the binary form."""
        feed = feed_of_caller(scorer, frame)
        parts = [
            self._batch({name: values[at : at + batch] for name, values in feed.items()})
            for at in range(0, max(len(frame), 1), batch)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in scorer.outputs}

    def _batch(self, feed: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        raw = {name: to_binary(values) for name, values in feed.items()}
        inputs = [
            _tensor(name, values, parameters={"binary_data_size": len(raw[name])}) for name, values in feed.items()
        ]
        told = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
        head, body = self.post(b"".join([told, *raw.values()]), {HEADER: str(len(told))})
        answer, rest = json.loads(body[: int(head[HEADER])]), body[int(head[HEADER]) :]
        found = {}
        for item in answer["outputs"]:
            size = item["parameters"]["binary_data_size"]
            flat = from_binary(item["name"], item["datatype"], [math.prod(item["shape"])], rest[:size])
            found[item["name"]] = flat.reshape(item["shape"])
            rest = rest[size:]
        return found

    def post(self, body: bytes, headers: dict[str, str]) -> tuple[http.client.HTTPMessage, bytes]:
        """One request and its answer. Raises Away where there is none, and CannotAsk where it is a refusal."""
        try:
            self._connection.request("POST", self._path, body, headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise Away(f"the gateway gave no answer: {error!r}.") from None
        if answer.status != 200:
            raise CannotAsk(f"the gateway refused ({answer.status}): {content[:300].decode(errors='replace')}")
        return answer.headers, content


def feed_of_caller(scorer: Scorer, frame: pd.DataFrame) -> dict[str, npt.NDArray[Any]]:
    """The graph's inputs that a caller sends; live values are the gateway's to find."""
    sent = {item["input"] for item in scorer.signature["inputs"] if item["column"] in scorer.sent}
    return {name: values for name, values in scorer.feed(frame).items() if name in sent}


def json_request(feed: dict[str, npt.NDArray[Any]]) -> bytes:
    """A request's body as most callers write it: JSON alone, with null for what is missing."""
    inputs = [_tensor(name, values, data=as_values(values.reshape(-1))) for name, values in feed.items()]
    return msgspec.json.encode({"inputs": inputs})


def _tensor(name: str, values: npt.NDArray[Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype_name(values), "shape": list(values.shape), **more}
