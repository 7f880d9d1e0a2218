"""Where every benchmark leaves its claims: one JSON file each, with the machine and the versions that it ran on."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TypedDict

FOLDER = Path(__file__).with_name("results")


class Claim(TypedDict):
    """A measured number, its unit, and in words what it should be, such as `>= 0.8`."""

    name: str
    value: float
    unit: str
    goal: str


def write_results(
    name: str, packages: Sequence[str], claims: Sequence[Claim], elsewhere: Mapping[str, str] | None = None
) -> Path:
    """Writes `benchmarks/results/<name>.json` and returns its path. `packages` are those whose versions count;
    `elsewhere` are versions of what ran in environments of its own."""
    here = {package: version(package) for package in packages}
    versions = {"python": platform.python_version(), **here, **(elsewhere or {})}
    told = {"machine": machine(), "versions": versions, "claims": list(claims)}
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(told, indent=2) + "\n")
    return path


def machine() -> dict[str, str | int | float]:
    """Processor, cores, memory in GB and system."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    about = {"system": platform.system(), "release": platform.release(), "processor": _processor()}
    return {**about, "cores": os.cpu_count() or 0, "memory_gb": round(memory, 1)}


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())
