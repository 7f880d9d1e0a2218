"""Tries a planted fault: a real release up to the package, without Prefect, and then checks by name."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from expectations.verdicts import Finding
from planted import models
from planted.base import SPEC, Planted
from tasks import steps
from tasks.check import Subject
from tasks.job import open_job
from tasks.qualification.registry import CHECKS


def laid_over(base: Any, more: Any) -> Any:
    """Mappings key by key, anything else replaced."""
    if not isinstance(base, dict) or not isinstance(more, dict):
        return more
    return {**base, **{key: laid_over(base.get(key), value) for key, value in more.items()}}


def subject_of(fault: Planted, folder: Path, seed: int = 0) -> Subject:
    """A packaged release of the fault in an empty folder. SEATRIAL_HOME must be one of the test's own."""
    fault.table(np.random.default_rng(seed)).to_parquet(folder / "loans.parquet", index=False)
    (folder / "train.py").write_text(Path(models.__file__).read_text())
    for name, text in fault.files.items():
        (folder / name).write_text(text)
    candidate = {"candidate": {"train": f"train:{fault.train}"}, "seed": seed}
    (folder / "release.yaml").write_text(yaml.safe_dump(laid_over(laid_over(SPEC, candidate), dict(fault.spec))))
    job = open_job(folder / "release.yaml", str(folder / "store"), None)
    subject = Subject(job, steps.take_snapshot.fn(job))
    subject = Subject(job, subject.manifest, steps.make_candidate.fn(subject))
    packed = steps.convert_and_package.fn(subject)
    subject = Subject(job, subject.manifest, subject.trained, packed)
    return Subject(job, subject.manifest, subject.trained, steps.guard_package.fn(subject))


def again(subject: Subject, fault: Planted) -> Subject:
    """The package of a release under the spec of a fault that changes nothing else: no training, no conversion."""
    folder = subject.job.file.root
    for name, text in fault.files.items():
        (folder / name).write_text(text)
    candidate = {"candidate": {"train": f"train:{fault.train}"}}
    path = folder / f"{fault.name.replace(' ', '-')}.yaml"
    path.write_text(yaml.safe_dump(laid_over(laid_over(SPEC, candidate), dict(fault.spec))))
    job = open_job(path, subject.job.store_url, None)
    return Subject(job, steps.take_snapshot.fn(job), subject.trained, subject.packed)


def findings_of(subject: Subject, *names: str) -> list[Finding]:
    """What the checks of these names (all that the tier asks, without a name) say of it."""
    asked = [check for check in CHECKS if check.step in (names or subject.job.tier.checks)]
    return [f for check in asked for f in steps.judged.fn(subject, steps.measure.fn(check, subject))]


def against(findings: list[Finding]) -> list[Finding]:
    """Those that do not let it through, or warn."""
    return [one for one in findings if one.outcome.value not in ("passed", "not applicable")]
