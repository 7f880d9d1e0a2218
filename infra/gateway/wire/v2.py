"""The Open Inference Protocol v2: a request's body to tensors, an answer to a body.

Source: the protocol's `inference_rest` and its binary tensor data extension (KServe, Triton).
"""

import difflib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy.typing as npt

from infra.gateway.contract import Answered, Tensors, Turned
from infra.gateway.wire.limits import Limits
from infra.gateway.wire.tensors import datatype_name, from_binary, from_json, to_binary, to_json, told

Size = Annotated[int, msgspec.Meta(ge=0)]
ID_LENGTH = 128
KEY_LENGTH = 256
# So many names are told of in one error.
NAMED = 5
# So many pairs of names are looked at for a likeness: tens of milliseconds.
COMPARED = 2_500


class Sent(msgspec.Struct, gc=False):
    """One tensor of a request. Its values are decoded when its datatype is known."""

    name: str
    shape: list[Size]
    datatype: str
    data: msgspec.Raw = msgspec.Raw(b"")
    parameters: dict[str, Any] | None = None


class Wanted(msgspec.Struct, gc=False):
    """One output that a request asks for."""

    name: str
    parameters: dict[str, Any] | None = None


class Request(msgspec.Struct, gc=False):
    """The JSON of an inference request."""

    inputs: list[Sent]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[Wanted] | None = None


@dataclass(frozen=True, slots=True)
class Inference:
    """A request that was read: tensors, their rows, and which outputs to answer with and how."""

    tensors: Tensors
    rows: int
    request_id: str | None
    key: str | None
    outputs: tuple[tuple[str, bool], ...]
    binary: bool


_request = msgspec.json.Decoder(Request)
encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Names:
    """What a model's releases at hand take (by its datatype) and give."""

    inputs: Mapping[str, str]
    outputs: frozenset[str]


def read_inference(body: bytes, header_length: int | None, names: Names, limits: Limits) -> Inference:
    """What a body asks for. `header_length` is how long its JSON is if binary tensors follow. Raises Turned (4xx)."""
    if header_length is not None and header_length > len(body):
        raise Turned(400, f"Inference-Header-Content-Length is {header_length}, the body has only {len(body)} bytes.")
    request = decoded(_request, body if header_length is None else body[:header_length])
    refuse_misspelt("inputs", [item.name for item in request.inputs], names.inputs)
    refuse_unknown("outputs", [item.name for item in request.outputs or ()], names.outputs)
    tensors, rows = _tensors(request.inputs, b"" if header_length is None else body[header_length:], limits)
    parameters = request.parameters or {}
    binary = _flag(parameters, "binary_data_output", False)
    wanted = tuple((item.name, _flag(item.parameters or {}, "binary_data", binary)) for item in request.outputs or ())
    return Inference(tensors, rows, checked_id(request.id), checked_key(parameters.get("key")), wanted, binary)


def decoded(decoder: "msgspec.json.Decoder[Any]", body: bytes) -> Any:
    """A body by its decoder. Raises Turned (400) saying what was expected where."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Turned(400, f"the body: {told(error)}") from None


def _tensors(inputs: Sequence[Sent], rest: bytes, limits: Limits) -> tuple[Tensors, int]:
    found: dict[str, npt.NDArray[Any]] = {}
    rows = checked_rows(inputs[0].shape[0] if inputs and inputs[0].shape else 0, limits)
    at = 0
    for item in inputs:
        if item.shape and item.shape[0] != rows:
            raise Turned(400, f"{item.name}: expected {rows} rows, as {inputs[0].name} has, found {item.shape[0]}.")
        size = _binary_size(item)
        if size is None:
            found[item.name] = from_json(item.name, item.datatype, item.shape, bytes(item.data))
        else:
            found[item.name] = from_binary(item.name, item.datatype, item.shape, rest[at : at + size])
            at += size
    if at != len(rest):
        raise Turned(400, f"the inputs' binary_data_size say {at} bytes after the JSON, found {len(rest)}.")
    return found, rows


def checked_rows(rows: int, limits: Limits) -> int:
    """Raises Turned where there are none (400) or too many (413)."""
    if not rows:
        raise Turned(400, "no rows: expected at least one input with at least one value.")
    if rows > limits.rows:
        raise Turned(413, f"{rows} rows; one request may have {limits.rows}. Send it in parts.")
    return rows


def _binary_size(item: Sent) -> int | None:
    size = (item.parameters or {}).get("binary_data_size")
    if size is None:
        if not item.data:
            raise Turned(
                400, f"{item.name}: expected data, or the parameter binary_data_size and bytes; found neither."
            )
        return None
    if type(size) is not int or size < 0:
        raise Turned(400, f"{item.name}: expected binary_data_size to be a number of bytes, found {str(size)[:40]}.")
    if item.data:
        raise Turned(400, f"{item.name}: expected data or binary_data_size, found both.")
    return size


def _flag(parameters: Mapping[str, Any], name: str, otherwise: bool) -> bool:
    found = parameters.get(name, otherwise)
    if not isinstance(found, bool):
        raise Turned(400, f"parameter {name}: expected true or false, found {str(found)[:40]}.")
    return found


def checked_id(request_id: str | None) -> str | None:
    """Raises Turned (400) where an id is too long to be kept."""
    if request_id is not None and len(request_id) > ID_LENGTH:
        raise Turned(400, f"id: expected at most {ID_LENGTH} characters, found {len(request_id)}.")
    return request_id or None


def checked_key(key: Any) -> str | None:
    """The key of the split as text; a whole number is as good. Raises Turned (400)."""
    if key is None or (isinstance(key, str) and len(key) <= KEY_LENGTH):
        return key or None
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)
    raise Turned(400, f"parameter key: expected a text of at most {KEY_LENGTH} characters, or a whole number.")


def write_answer(model: str, request_id: str, asked: Inference, answered: Answered) -> tuple[bytes, int | None]:
    """The body, and the length of its JSON where binary tensors follow."""
    outputs, blobs = [], []
    for name, binary in asked.outputs or ((name, asked.binary) for name in answered.outputs):
        values = answered.outputs[name]
        told: dict[str, Any] = {"name": name, "datatype": datatype_name(values), "shape": values.shape}
        if binary:
            blobs.append(to_binary(values))
            told["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            told["data"] = to_json(values)
        outputs.append(told)
    parameters = {"arm": answered.arm, "notes": " ".join(answered.notes)} if answered.notes else {"arm": answered.arm}
    head = {"model_name": model, "model_version": answered.release, "id": request_id, "parameters": parameters}
    body = encode({**head, "outputs": outputs})
    return (b"".join((body, *blobs)), len(body)) if blobs else (body, None)


def refuse_unknown(kind: str, asked: Sequence[str], known: Collection[str]) -> None:
    """Raises Turned (400) naming every name that is not known, each with the nearest that is, or that stands twice."""
    refuse_twice(kind, asked)
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise Turned(400, f"unknown {kind}: {'; '.join(_nearest(name, known) for name in unknown[:NAMED])}.")


def refuse_misspelt(kind: str, asked: Sequence[str], known: Collection[str]) -> None:
    """Raises Turned (400) where a name is not known and one like it was not sent, or where one stands twice.

    Any other that is not known is let be: callers send what the next release needs before it comes, and still do after
    it was rolled back.
    """
    refuse_twice(kind, asked)
    unknown = [name for name in asked if name not in known]
    if not unknown:
        return
    sent = set(asked)
    missing = [name for name in known if name not in sent]
    # So many are compared that no request keeps the process busy for long; the others are let be.
    compared = unknown[: 1 + COMPARED // (1 + len(missing))]
    wrong = [name for name in compared if difflib.get_close_matches(name[:100], missing, 1, 0.5)]
    if wrong:
        raise Turned(400, f"unknown {kind}: {'; '.join(_nearest(name, missing) for name in wrong[:NAMED])}.")


def refuse_twice(kind: str, asked: Sequence[str]) -> None:
    """Raises Turned (400) naming what stands twice."""
    if len(set(asked)) != len(asked):
        twice = [name[:100] for name, times in Counter(asked).items() if times > 1]
        raise Turned(400, f"{kind} that are there twice: {', '.join(twice[:NAMED])}.")


def _nearest(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name[:100], known, 1, 0.5)
    return f"{name[:100]} (did you mean {near[0]}?)" if near else name[:100]
