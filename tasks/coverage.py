"""The coverage table as evidence: every known origin of risk, its checks, and what they said."""

from collections.abc import Iterable

import pandas as pd

from expectations.coverage import STEP, Covered
from expectations.records import Evidence, metric_rows

NAN = float("nan")


def build_coverage(rows: Iterable[Covered]) -> Evidence:
    """One row an origin, the uncovered ones first."""
    rows = sorted(rows, key=lambda row: row.holds)
    table = pd.DataFrame(
        {
            "origin": [row.origin.title for row in rows],
            "checks": [", ".join(row.origin.checks) for row in rows],
            "results": [row.words for row in rows],
            "answers": [", ".join(row.origin.answers) for row in rows],
            "covered": [row.holds for row in rows],
        }
    )
    covered = float(sum(row.holds for row in rows))
    return Evidence(STEP, metric_rows([("origins_covered", covered, NAN, NAN, len(rows), 0)]), table, {"of": len(rows)})
