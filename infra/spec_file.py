"""Reading a release spec: YAML with line numbers, so that every error can say where."""

import ast
import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from expectations.errors import CannotAsk
from expectations.records import digest_of
from expectations.spec import Gates, ReleaseSpec

Location = tuple[str | int, ...]
Read = TypeVar("Read", bound=BaseModel)


@dataclass(frozen=True)
class SpecFile:
    """A spec that was read, the folder that its paths are relative to, and its identity."""

    spec: ReleaseSpec
    path: Path
    digest: str

    @property
    def root(self) -> Path:
        """The folder of the spec."""
        return self.path.parent


def read_spec(path: Path) -> SpecFile:
    """The spec in a file, completed with its defaults. Raises CannotAsk with every problem and its line."""
    if not path.is_file():
        raise CannotAsk(f"{path}: expected a release spec, found no such file. `seatrial init NAME` writes one.")
    spec = _read(path, ReleaseSpec, "model, candidate and data")
    return SpecFile(spec, path, _identity(spec, path))


def expect_one_of_each(read: Iterable[SpecFile]) -> None:
    """Raises CannotAsk where two are of one model: what starts by itself would start one of them."""
    known: dict[str, Path] = {}
    for one in read:
        name = one.spec.model.name
        if name in known:
            raise CannotAsk(f"{one.path}: expected a spec of a model of its own; {known[name]} is of {name} too.")
        known[name] = one.path


def read_gates(path: Path) -> Gates:
    """The expectations in a file, by step, as in a spec. Raises CannotAsk with every problem and its line."""
    if not path.is_file():
        raise CannotAsk(f"{path}: expected a file of expectations, found no such file.")
    return _read(path, Gates, "data and quality, with lists of expectations")


def _read(path: Path, kind: type[Read], keys: str) -> Read:
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise CannotAsk(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    lines: dict[Location, int] = {}
    problems = _index(node, (), lines)
    if not isinstance(values, dict):
        raise CannotAsk(f"{path}: expected keys such as {keys}; found {type(values).__name__}.")
    try:
        found = kind.model_validate(values)
    except ValidationError as error:
        problems += [_explain(kind, details, lines) for details in error.errors()]
    if problems:
        raise CannotAsk.all_of(f"{path}:{problem}" for problem in problems)
    return found


def _index(node: yaml.Node | None, at: Location, lines: dict[Location, int]) -> list[str]:
    """Fills `lines` with the line of every key; returns the keys that stand twice, which YAML would silently drop."""
    problems: list[str] = []
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*at, key.value)
            if here in lines:
                problems.append(f"{key.start_mark.line + 1}: {_dotted(here)} stands twice; keep one of them.")
            lines[here] = key.start_mark.line + 1
            problems += _index(value, here, lines)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            lines[(*at, number)] = value.start_mark.line + 1
            problems += _index(value, (*at, number), lines)
    return problems


def _explain(kind: type[BaseModel], details: ErrorDetails, lines: dict[Location, int]) -> str:
    at = tuple(details["loc"])
    line = next((lines[at[:end]] for end in range(len(at), 0, -1) if at[:end] in lines), 1)
    if details["type"] == "extra_forbidden":
        return f"{line}: {_dotted(at)} is not a key of a release spec.{_nearest(kind, at)}"
    if details["type"] == "missing":
        return f"{line}: {_dotted(at)} is missing."
    found = "" if details["type"] == "value_error" else f"; found {details['input']!r}"[:120]
    return f"{line}: {_dotted(at)}: {details['msg'].removeprefix('Value error, ')}{found}."


def _nearest(kind: type[BaseModel], at: Location) -> str:
    """The keys that are allowed there, the nearest first."""
    allowed = _keys_at(kind, at[:-1])
    near = difflib.get_close_matches(str(at[-1]), allowed, n=1)
    return f" Did you mean {near[0]!r}?" if near else f" Allowed: {', '.join(allowed)}." if allowed else ""


def _keys_at(model: type[BaseModel], at: Location) -> list[str]:
    for step in at:
        field = model.model_fields.get(str(step))
        if field is not None and (inner := _model_in(field.annotation)) is not None:
            model = inner
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _dotted(at: Location) -> str:
    return ".".join(str(part) for part in at) or "the spec"


def _identity(spec: ReleaseSpec, path: Path) -> str:
    """Digest of the spec and of the code and candidate that it names; where the data is does not count, as-of does."""
    sets = spec.checks.scenarios.sets
    made_of = _code(path.parent, _modules(spec))
    code = {str(file.relative_to(path.parent)): digest_of(file.read_bytes()) for file in made_of}
    files = [*spec.candidate.files, *(one.path for one in sets)]
    given = {
        name: digest_of((path.parent / name).read_bytes()) for name in files if name and (path.parent / name).is_file()
    }
    body = spec.model_dump(mode="json", exclude={"data": {"as_of"}})
    return digest_of({"spec": body, "code": code, "candidate": given})


def modules_used(file: SpecFile) -> set[str]:
    """The top-level modules that the code which the spec names imports, its own among them."""
    code = _code(file.root, _modules(file.spec))
    return {name.split(".")[0] for one in code for name in _imports(one, file.root)}


def _modules(spec: ReleaseSpec) -> list[str]:
    named = [*spec.candidate.functions, spec.cost.function, *(source.function for source in spec.data.sources.values())]
    named += [one.function for one in spec.checks.scenarios.sets]
    return sorted({function.split(":")[0] for function in named if function})


def _code(root: Path, modules: list[str]) -> list[Path]:
    """The files beside the spec that the modules are made of, imports followed. Sorted."""
    seen: set[Path] = set()
    waiting = list(modules)
    while waiting:
        for file in _module_files(root, waiting.pop()):
            if file not in seen:
                seen.add(file)
                waiting += _imports(file, root)
    return sorted(seen)


def _module_files(root: Path, module: str) -> list[Path]:
    parts = module.split(".")
    packages = [root.joinpath(*parts[:end], "__init__.py") for end in range(1, len(parts) + 1)]
    return [file for file in (*packages, root.joinpath(*parts).with_suffix(".py")) if file.is_file()]


def _imports(file: Path, root: Path) -> list[str]:
    try:
        tree = ast.parse(file.read_bytes())
    except SyntaxError as error:
        raise CannotAsk(f"{file}:{error.lineno}: not valid Python: {error.msg}.") from None
    package = list(file.parent.relative_to(root).parts)
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            name = ".".join(part for part in (base, node.module or "") if part)
            found += [name, *(f"{name}.{alias.name}" for alias in node.names)]
    return [name for name in found if name]
