"""The interface as an OpenAPI 3.1 document: each model's own paths, with its own columns."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from infra.gateway.contract import About
from infra.gateway.wire.feedback import WORDS_LENGTH
from infra.gateway.wire.limits import Limits
from infra.gateway.wire.tensors import KNOWN, TEXT
from infra.gateway.wire.v2 import ID_LENGTH, KEY_LENGTH

Schema = dict[str, Any]

TEXT_OR_NONE: Schema = {"type": ["string", "null"]}
NUMBER: Schema = {"type": ["number", "null"], "description": "null where it is missing, NaN or infinite"}
COUNT: Schema = {"type": "integer", "minimum": 0}
ID: Schema = {"type": ["string", "null"], "maxLength": ID_LENGTH, "description": "comes back, here and as X-Request-Id"}
KEY: Schema = {"type": "string", "maxLength": KEY_LENGTH, "description": "the same key gets the same arm"}
VERSION = {"name": "version", "in": "path", "required": True, "description": "a release of the model"}
REFUSALS = {
    "400": "The request is not one: the error names what is wrong.",
    "408": "The request took too long to arrive.",
    "413": "Too many bytes or rows.",
    "415": "Another Content-Type or Content-Encoding is expected.",
    "429": "More than the model's limit for each caller. Retry-After says when to try again.",
    "503": "Too much at once. Retry-After says when to try again.",
}
UNKNOWN = {"404": "There is no such model, or no such version of it, here."}
GUARDED = {"401": "A token is expected.", "403": "The token lacks the role."}


def document(abouts: Sequence[About], limits: Limits, guarded: bool) -> Schema:
    """Everything that can be asked here. `guarded`: with tokens."""
    paths = _server_paths(guarded)
    for about in abouts:
        paths |= _model_paths(about, limits, guarded)
    parts: Schema = {"schemas": {"Error": _object({"error": {"type": "string"}}, ["error"])}}
    if guarded:
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    told = {
        "title": "Seatrial gateway",
        "version": "2",
        "description": "Open Inference Protocol v2, and more.",
    }
    return {"openapi": "3.1.0", "info": told, "paths": paths, "components": parts}


def _server_paths(guarded: bool) -> Schema:
    live, ready = _object({"live": {"const": True}}, ["live"]), _object({"ready": {"type": "boolean"}}, ["ready"])
    not_ready = {"description": "A model has no package yet.", "content": _json(ready)}
    health = _read("Whether every model has a package", ready, {}, False)
    health["get"]["responses"]["503"] = not_ready
    names = _object({"models": {"type": "array", "items": {"type": "string"}}}, ["models"])
    metrics = _page("OpenMetrics", "application/openmetrics-text", {}, guarded)
    return {
        "/v2": _read("Name, version and extensions", {"type": "object"}, {}, guarded),
        "/v2/health": _read("What is served, and what is wrong", {"type": "object"}, {}, guarded),
        "/v2/health/live": _read("Whether this process answers", live, {}, False),
        "/v2/health/ready": health,
        "/v2/models": _read("The models that are served here", names, {}, guarded),
        "/metrics": metrics,
        "/openapi.json": _read("This document", {"type": "object"}, {}, guarded),
    }


def _model_paths(about: About, limits: Limits, guarded: bool) -> Schema:
    root = f"/v2/models/{quote(about.name, safe='')}"
    ready = _object({"name": {"const": about.name}, "ready": {"const": True}}, ["name", "ready"])
    of_version = {
        "": _read("Metadata", {"type": "object"}, UNKNOWN, guarded),
        "/ready": _read("Whether it is at hand", ready, UNKNOWN, guarded),
        "/infer": _write("Tensors, answered with tensors", _inference(about, limits), _tensors_answer(), guarded),
        "/records": _write("Records, answered in words", _records(about, limits), _words_answer(), guarded),
    }
    version = {**VERSION, "schema": {"type": "string", "enum": list(about.versions) or [about.release]}}
    taken = _object({"taken": {"type": "integer"}}, ["taken"])
    report = _object({"taken": {"const": True}}, ["taken"])
    return {
        **{root + path: item for path, item in of_version.items()},
        **{f"{root}/versions/{{version}}{path}": item | {"parameters": [version]} for path, item in of_version.items()},
        f"{root}/versions": _read("The releases at hand", {"type": "object"}, UNKNOWN, guarded),
        f"{root}/rollout": _page("How far its last rollout is", "text/html", UNKNOWN, guarded),
        f"{root}/feedback": _write("What turned out to be true", _truths(limits), taken, guarded),
        f"{root}/reports": _write("The model misbehaved: tell its owner", _report(), report, guarded, "202"),
    }


def _read(summary: str, schema: Schema, refusals: Mapping[str, str], guarded: bool) -> Schema:
    return {"get": _operation(summary, schema, {**refusals, **(GUARDED if guarded else {})}, guarded, "200")}


def _page(summary: str, kind: str, refusals: Mapping[str, str], guarded: bool) -> Schema:
    read = _read(summary, {}, refusals, guarded)
    read["get"]["responses"]["200"]["content"] = {kind: {"schema": {"type": "string"}}}
    return read


def _write(summary: str, body: Schema, schema: Schema, guarded: bool, status: str = "200") -> Schema:
    refusals = {**REFUSALS, **UNKNOWN, **(GUARDED if guarded else {})}
    operation = _operation(summary, schema, refusals, guarded, status)
    return {"post": {**operation, "requestBody": {"required": True, "content": _json(body)}}}


def _operation(summary: str, schema: Schema, refusals: Mapping[str, str], guarded: bool, status: str) -> Schema:
    error = _json({"$ref": "#/components/schemas/Error"})
    responses = {status: {"description": summary, "content": _json(schema)}}
    responses |= {code: {"description": words, "content": error} for code, words in refusals.items()}
    secured: Schema = {"security": [{"token": []}]} if guarded else {}
    return {"summary": summary, "responses": responses, **secured}


def _inference(about: About, limits: Limits) -> Schema:
    names = sorted({name for item in (*about.inputs, *about.also) for name in (item.name, item.column) if name})
    values = {"type": "array", "maxItems": limits.rows, "description": "flat, or one array for each row"}
    sent: dict[str, Schema] = {
        "name": {"type": "string", "enum": names},
        "shape": {"type": "array", "items": {**COUNT, "maximum": limits.rows}, "minItems": 1, "maxItems": 2},
        "datatype": {"type": "string", "enum": list(KNOWN)},
        "data": values,
        "parameters": {"type": ["object", "null"], "properties": {"binary_data_size": COUNT}},
    }
    wanted: dict[str, Schema] = {
        "name": {"type": "string", "enum": [item.name for item in about.outputs]},
        "parameters": {"type": ["object", "null"], "properties": {"binary_data": {"type": "boolean"}}},
    }
    asked = {
        "id": ID,
        "parameters": {
            "type": ["object", "null"],
            "properties": {
                "key": {"anyOf": [KEY, {"type": ["integer", "null"]}]},
                "binary_data_output": {"type": "boolean"},
            },
        },
        "inputs": {"type": "array", "minItems": 1, "items": _object(sent, ["name", "shape", "datatype"])},
        "outputs": {"type": ["array", "null"], "items": _object(wanted, ["name"])},
    }
    return _object(asked, ["inputs"])


def _records(about: About, limits: Limits) -> Schema:
    kinds = {
        item.column or item.name: TEXT_OR_NONE if item.datatype == TEXT else _number(item.datatype)
        for item in about.inputs
    }
    also = {item.name: TEXT_OR_NONE for item in about.also}
    record = {"type": "object", "properties": kinds | also, "required": list(kinds)}
    # What only another release needs, or none.
    record["additionalProperties"] = {"type": ["string", "number", "boolean", "null"]}
    records = {"type": "array", "minItems": 1, "maxItems": limits.rows, "items": record}
    asked = {"records": records, "id": ID, "key": {"anyOf": [KEY, {"type": ["integer", "null"]}]}}
    return {**_object(asked, ["records"]), "additionalProperties": False}


def _number(datatype: str) -> Schema:
    # true and false are 1 and 0: so are columns of them.
    return {"type": ["integer", "boolean"]} if datatype == "INT64" else {"type": ["number", "boolean", "null"]}


def _tensors_answer() -> Schema:
    output: dict[str, Schema] = {
        "name": {"type": "string"},
        "datatype": {"type": "string", "enum": list(KNOWN)},
        "shape": {"type": "array", "items": COUNT},
        "data": {"type": "array"},
        "parameters": {"type": "object"},
    }
    told: dict[str, Schema] = {"arm": {"type": "string"}, "notes": {"type": "string"}}
    answer: dict[str, Schema] = {
        "model_name": {"type": "string"},
        "model_version": {"type": "string", "description": "the release that answered"},
        "id": {"type": "string"},
        "parameters": _object(told, ["arm"]),
        "outputs": {"type": "array", "items": _object(output, ["name", "datatype", "shape"])},
    }
    return _object(answer, list(answer))


def _words_answer() -> Schema:
    texts = {"type": "array", "items": {"type": "string"}}
    answer: dict[str, Schema] = {
        "prediction": {"type": ["number", "string", "boolean", "null"]},
        "interval": {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2},
        "probabilities": {"type": "object", "additionalProperties": NUMBER},
        "conformal_set": texts,
        "trusted": {"type": ["boolean", "null"], "description": "null where the release cannot tell"},
        "reasons": texts,
    }
    answers = {"type": "array", "items": _object(answer, ["prediction", "trusted", "reasons"])}
    text = {"type": "string"}
    told: dict[str, Schema] = {
        "model": text,
        "release": text,
        "id": text,
        "arm": text,
        "notes": texts,
        "answers": answers,
    }
    return _object(told, list(told))


def _truths(limits: Limits) -> Schema:
    identity = {"type": "string", "minLength": 1, "maxLength": ID_LENGTH}
    truth: dict[str, Schema] = {
        "request_id": identity,
        "row": COUNT,
        "truth": {"type": ["boolean", "number", "string"]},
    }
    truth["value"] = {"type": ["number", "null"], "description": "what it was worth"}
    items = {**_object(truth, ["request_id", "truth"]), "additionalProperties": False}
    truths = {"type": "array", "minItems": 1, "maxItems": limits.rows, "items": items}
    return {**_object({"truths": truths}, ["truths"]), "additionalProperties": False}


def _report() -> Schema:
    words = {"type": "string", "minLength": 1, "maxLength": WORDS_LENGTH}
    identity = {"type": ["string", "null"], "minLength": 1, "maxLength": ID_LENGTH}
    return {**_object({"words": words, "request_id": identity}, ["words"]), "additionalProperties": False}


def _object(properties: Mapping[str, Schema], required: Sequence[str]) -> Schema:
    return {"type": "object", "properties": dict(properties), "required": list(required)}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}
