"""Which path asks for what."""

from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from infra.gateway.contract import Turned

READ, WRITE = ("GET", "HEAD"), ("POST",)


@dataclass(frozen=True, slots=True)
class Action:
    """Something that can be asked for: how, and which role may. No role: everybody; "any": whoever has a token."""

    name: str
    methods: tuple[str, ...]
    role: str


@dataclass(frozen=True, slots=True)
class Route:
    """An action, and the model and version that a path names."""

    action: Action
    model: str = ""
    version: str | None = None


_of_server = {
    ("v2",): Action("server", READ, "any"),
    ("v2", "health", "live"): Action("live", READ, ""),
    ("v2", "health", "ready"): Action("ready", READ, ""),
    ("v2", "health"): Action("health", READ, "metrics"),
    ("v2", "models"): Action("models", READ, "any"),
    ("metrics",): Action("metrics", READ, "metrics"),
    ("openapi.json",): Action("openapi", READ, "any"),
}
_of_version = {
    (): Action("metadata", READ, "any"),
    ("ready",): Action("model_ready", READ, "any"),
    ("infer",): Action("infer", WRITE, "predict"),
    ("records",): Action("records", WRITE, "predict"),
}
_of_model = {
    **_of_version,
    ("versions",): Action("versions", READ, "any"),
    ("feedback",): Action("feedback", WRITE, "feedback"),
    ("rollout",): Action("rollout", READ, "any"),
    ("reports",): Action("report", WRITE, "feedback"),
}
REMEMBERED = 1000


class WrongMethod(Turned):
    """Another method is expected here."""

    def __init__(self, methods: tuple[str, ...]) -> None:
        super().__init__(405, f"expected {' or '.join(methods)} here.")
        self.methods = methods


class Routes:
    """Paths to routes. Those that were found are remembered, up to a number."""

    def __init__(self) -> None:
        self._found: dict[bytes, Route] = {}

    def find(self, path: bytes) -> Route:
        """The route of a raw path, still percent-encoded. Raises Turned: 404, or 400 where it is not UTF-8."""
        route = self._found.get(path)
        if route is None:
            route = _read(path)
            if len(self._found) < REMEMBERED:
                self._found[path] = route
        return route


def _read(path: bytes) -> Route:
    try:
        # Each part is decoded by itself, so that %2F may stand in a model's name. One slash at the end is let be.
        parts = tuple(unquote_to_bytes(part).decode() for part in path.removesuffix(b"/").split(b"/")[1:])
    except UnicodeDecodeError:
        raise Turned(400, "the path is not UTF-8.") from None
    if parts in _of_server:
        return Route(_of_server[parts])
    if parts[:2] == ("v2", "models") and len(parts) > 2 and parts[2]:
        model, rest = parts[2], parts[3:]
        if rest in _of_model:
            return Route(_of_model[rest], model)
        if len(rest) > 1 and rest[0] == "versions" and rest[1] and rest[2:] in _of_version:
            return Route(_of_version[rest[2:]], model, rest[1])
    raise Turned(404, "no such path. GET /openapi.json tells which there are.")
