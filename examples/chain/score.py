"""Asks the model that serves of every row of a table, as a nightly batch does: its answers become a column.

python examples/chain/score.py STORE MODEL COLUMN IN.parquet OUT.parquet
"""

import sys

import pandas as pd

from infra.packages import open_package
from tasks.job import open_ledger


def score(store: str, model: str, column: str, table: str, out: str) -> None:
    ledger = open_ledger(store)
    state = ledger.state()
    package = open_package(ledger.store, state.releases[state.models[model]].package_digest)
    rows = pd.read_parquet(table)
    rows.assign(**{column: package.score(rows).values}).to_parquet(out, index=False)


if __name__ == "__main__":
    score(*sys.argv[1:])
