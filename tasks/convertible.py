"""Can this candidate be converted? Asked on a few hundred rows, before the expensive training."""

import tempfile
from datetime import datetime
from pathlib import Path
from textwrap import shorten

import pandas as pd

from expectations.errors import CannotAsk
from expectations.records import Evidence
from infra import workshop
from infra.candidates import open_skops, scan_pickle
from infra.spec_file import SpecFile
from tasks.check import TRAIN, Subject
from tasks.conversion.refusals import nearest
from tasks.convert import CannotConvert, convert, must_convert
from tasks.job import Job
from tasks.parity import furthest, is_near
from tasks.qualification.declared import declared_rows
from tasks.snapshot import sample_rows
from tasks.train import train_candidate

SAMPLE = 500


def check_convertible(file: SpecFile, as_of: datetime) -> Evidence:
    """The candidate, trained on `SAMPLE` rows if it is yet to be trained, converted and proven on them.

    Raises CannotConvert with the reasons where nothing converts it, or where the graph is not the model.
    """
    job, origin = Job(file, "", as_of), file.spec.candidate
    rows = sample_rows(file.spec.data, file.root, as_of, workshop.table_reader(), SAMPLE)
    _read_scenarios(job, rows)
    with tempfile.TemporaryDirectory() as name:
        out = Path(name, "candidate.skops")
        if origin.functions or origin.members:
            train_candidate(job, rows, out, minutes=1)
        elif origin.pickle:
            scan_pickle(file.root / origin.pickle)
            workshop.unpickle(file.root / origin.pickle, out, timeout_minutes=1)
        else:
            out = file.root / (origin.skops or "")
        estimator, tolerance = open_skops(out, origin.trusted_types), job.tier.parity_tolerance
        _, evidence = convert(estimator, job.features(rows), file.spec.model.name, tolerance)
    if is_near(evidence, tolerance):
        return evidence
    mismatches, far = furthest(evidence)
    raise CannotConvert(
        f"The candidate converts, and the graph is not the model: of {len(evidence.records):,} rows that were tried, "
        f"{mismatches:.0f} differ, by up to {far:.3g}; at most {tolerance:g} is allowed. "
        f"Instead: {nearest(estimator)}."
    )


def refused_early(subject: Subject) -> dict[str, str]:
    """Asked before training on all rows: `{"refused": why}` where the candidate, trained on some, converts to nothing.

    Else `{"told": what was found}`: the candidate's own conversion decides, also of one that cannot be trained on so
    few rows. Raises CannotAsk where it holds types that nobody allowed, or a
    declared scenario cannot be read.
    """
    job, rows = subject.job, subject.part(TRAIN)
    _read_scenarios(job, rows)
    if not job.spec.candidate.functions or len(rows) <= SAMPLE:
        return {"told": "no long training; the conversion tells"}
    some = rows.sample(SAMPLE, random_state=job.spec.seed).sort_index()
    with tempfile.TemporaryDirectory() as name:
        out = Path(name, "candidate.skops")
        try:
            train_candidate(job, some, out, minutes=1)
        except CannotAsk as error:
            return {"told": shorten(f"cannot tell before training: on {SAMPLE} rows {error}", 160)}
        # Imports for the training, which comes next, while this one is converted.
        workshop.prepare()
        estimator = open_skops(out, job.spec.candidate.trusted_types)
    try:
        must_convert(estimator, job.features(some), job.spec.model.name)
    except CannotConvert as error:
        return {"refused": str(error)}
    return {"told": f"converts, trained on {SAMPLE} rows"}


def _read_scenarios(job: Job, rows: pd.DataFrame) -> None:
    """Sets that nobody can read are told before the training, not after it."""
    sent = [name for name in job.features(rows).columns if name not in job.spec.data.looked_up]
    declared_rows(job.spec.checks.scenarios, job.file.root, workshop.table_reader(), sent)
