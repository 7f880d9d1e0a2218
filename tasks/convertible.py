"""Can this candidate be converted? Asked on a few hundred rows, before the expensive training."""

import tempfile
from datetime import datetime
from pathlib import Path

from expectations.records import Evidence
from infra import workshop
from infra.candidates import open_skops, scan_pickle
from infra.spec_file import SpecFile
from tasks.conversion.refusals import nearest
from tasks.convert import CannotConvert, convert, furthest, is_near
from tasks.job import Job
from tasks.snapshot import sample_rows

SAMPLE = 500


def check_convertible(file: SpecFile, as_of: datetime) -> Evidence:
    """The candidate, trained on `SAMPLE` rows if it is yet to be trained, converted and proven on them.

    Raises CannotConvert with the reasons where nothing converts it, or where the graph is not the model.
    """
    job, origin = Job(file, "", as_of), file.spec.candidate
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = sample_rows(file.spec.data, file.root, as_of, workshop.table_reader(), SAMPLE)
        features, out = job.features(rows), folder / "candidate.skops"
        if origin.train:
            frame, target = folder / "frame.parquet", file.spec.data.target
            features.assign(**{target: rows[target]}).to_parquet(frame, index=False)
            workshop.train(file.root, origin.train, frame, target, out, file.spec.seed, timeout_minutes=1)
        elif origin.pickle:
            scan_pickle(file.root / origin.pickle)
            workshop.unpickle(file.root / origin.pickle, out, timeout_minutes=1)
        else:
            out = file.root / (origin.skops or "")
        estimator, tolerance = open_skops(out, origin.trusted_types), job.tier.parity_tolerance
        _, evidence = convert(estimator, features, file.spec.model.name, tolerance)
    if is_near(evidence, tolerance):
        return evidence
    mismatches, far = furthest(evidence)
    raise CannotConvert(
        f"The candidate converts, and the graph is not the model: of {len(evidence.records):,} rows that were tried, "
        f"{mismatches:.0f} differ, by up to {far:.3g}; at most {tolerance:g} is allowed. "
        f"Instead: {nearest(estimator)}."
    )
