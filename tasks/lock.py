"""Is what is installed what the lock file says?"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from expectations.errors import CannotAsk


def read_lock(path: Path) -> dict[str, str]:
    """name -> version of every pin that applies here, of a `requirements.txt` with or without hashes.

    Raises CannotAsk where the file is not there, or pins nothing.
    """
    if not path.is_file():
        raise CannotAsk(f"{path}: expected a lock file, found no such file. Mend checks.provenance.lock.")
    pins = dict(_pins(path.read_text(encoding="utf-8")))
    if not pins:
        raise CannotAsk(f"{path}: expected lines such as numpy==2.4.0, found none.")
    return pins


def _pins(text: str) -> Iterable[tuple[str, str]]:
    for line in text.replace("\\\n", " ").splitlines():
        told = re.split(r"\s--|\s#", f" {line}")[0].strip()
        if not told or told.startswith(("#", "-")):
            continue
        try:
            requirement = Requirement(told)
        except InvalidRequirement:
            continue
        exact = [one.version for one in requirement.specifier if one.operator in ("==", "===")]
        if exact and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            yield canonicalize_name(requirement.name), exact[0]


def departures(used: Iterable[str], here: Mapping[str, str], pins: Mapping[str, str]) -> dict[str, str]:
    """name -> where it departs, of what is installed; what is used and not in the lock departs too."""
    found = {
        name: f"the lock says {pins[name]}" for name, version in here.items() if pins.get(name, version) != version
    }
    return found | {name: "not in the lock" for name in used if name not in pins}
