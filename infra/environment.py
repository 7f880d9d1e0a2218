"""What is installed here: every distribution, as its own metadata tells of it."""

import importlib.metadata
from collections.abc import Iterable
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

LICENSE = "License ::"
MOST_READ = 20_000


@dataclass(frozen=True)
class Installed:
    """One distribution. `name` is canonical; `expression`, `classifiers` and `text` are what it says of its licence;
    `file` is its licence file, read where those say nothing."""

    name: str
    version: str
    expression: str = ""
    classifiers: tuple[str, ...] = ()
    text: str = ""
    file: str = ""
    requires: tuple[str, ...] = ()


def installed() -> dict[str, Installed]:
    """Every distribution by its canonical name; of two with one name the one that is imported."""
    found: dict[str, Installed] = {}
    for distribution in importlib.metadata.distributions():
        one = _installed(distribution)
        found.setdefault(one.name, one)
    return dict(sorted(found.items()))


def _installed(distribution: importlib.metadata.Distribution) -> Installed:
    about = distribution.metadata
    classifiers = tuple(line for line in about.get_all("Classifier") or () if line.startswith(LICENSE))
    text = " ".join(str(about["License"] or "").split())[:200]
    named = any(line.startswith(f"{LICENSE} OSI Approved ::") for line in classifiers)
    return Installed(
        canonicalize_name(about["Name"] or ""),
        distribution.version,
        about["License-Expression"] or "",
        classifiers,
        text,
        "" if about["License-Expression"] or text or named else _licence_file(distribution),
        tuple(distribution.requires or ()),
    )


def _licence_file(distribution: importlib.metadata.Distribution) -> str:
    names = (file for file in distribution.files or () if "LICEN" in file.name.upper() and ".dist-info" in str(file))
    found = next(names, None)
    try:
        return found.read_text()[:MOST_READ] if found else ""
    except (OSError, UnicodeDecodeError):
        return ""


def needed_by(roots: Iterable[str], here: dict[str, Installed]) -> set[str]:
    """The distributions that these need, themselves included, as far as they are installed; extras are followed."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(canonicalize_name(requirement.name), frozenset(requirement.extras)) for requirement in _read(roots)]
    while waiting:
        one = waiting.pop()
        if one in seen or one[0] not in here:
            continue
        seen.add(one)
        for requirement in _read(here[one[0]].requires):
            if _applies(requirement, one[1]):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return {name for name, _ in seen}


def _read(texts: Iterable[str]) -> list[Requirement]:
    found = []
    for text in texts:
        try:
            found.append(Requirement(text))
        except InvalidRequirement:
            # An old distribution's own words, which no installer took either.
            continue
    return found


def _applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    if requirement.marker is None:
        return True
    return any(requirement.marker.evaluate({"extra": extra}) for extra in extras or {""})


def distributions_of(modules: Iterable[str]) -> set[str]:
    """The canonical names of the distributions that these top-level modules come from."""
    names = importlib.metadata.packages_distributions()
    return {canonicalize_name(name) for module in modules for name in names.get(module, ())}
