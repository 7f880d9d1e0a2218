"""What the gateway says of itself and its models, as the Open Inference Protocol words it."""

import importlib.metadata
from contextlib import suppress
from typing import Any

from infra.gateway.contract import About, Desk, Tensor, Turned
from infra.gateway.wire.records import Words
from infra.gateway.wire.v2 import Names

EXTENSIONS = ["binary_tensor_data", "model_versions", "records", "feedback", "reports"]


def about_server() -> dict[str, Any]:
    """Name, version and extensions of this server."""
    return {"name": "seatrial", "version": importlib.metadata.version("seatrial"), "extensions": EXTENSIONS}


def about_model(about: About) -> dict[str, Any]:
    """A model's metadata; beyond the protocol, what its guards may say."""
    return {
        "name": about.name,
        "versions": list(about.versions),
        "platform": "onnxruntime_onnx",
        "inputs": [_tensor(item) for item in about.inputs],
        "outputs": [_tensor(item) for item in about.outputs],
        "release": about.release,
        "classes": list(about.classes),
        "reasons": list(about.reasons),
        "flags": list(about.flags),
        **about.more,
    }


def _tensor(item: Tensor) -> dict[str, Any]:
    told = {"name": item.name, "datatype": item.datatype, "shape": list(item.shape)}
    return {**told, "column": item.column} if item.column else told


class Known:
    """What the releases at hand of each model call things, kept while the desk says the same."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._names: dict[str, tuple[About, Names]] = {}

    def names(self, model: str) -> Names:
        """All versions' names: a challenger may need columns that the champion does not. Raises Turned (404)."""
        while True:
            about, kept = self._desk.about(model), self._names.get(model)
            if kept is not None and kept[0] is about:
                return kept[1]
            # A version can be gone by the time that it is asked about: then there is news, and it is asked again.
            with suppress(Turned):
                self._names[model] = (about, self._every_name(about))

    def words(self, model: str, release: str) -> Words:
        """What a release that answered calls its classes and reasons; nothing, where it is gone or no release."""
        try:
            about = self._desk.about(model, release)
        except Turned:
            return Words()
        return Words(about.classes, about.flags)

    def _every_name(self, about: About) -> Names:
        every = [*(self._desk.about(about.name, version) for version in about.versions), about]
        names = {
            name: item.datatype
            for one in every
            for item in (*one.inputs, *one.also)
            for name in (item.name, item.column)
        }
        return Names(names, frozenset(item.name for one in every for item in one.outputs))
