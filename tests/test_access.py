from datetime import datetime

import pytest

from expectations.errors import Away, CannotAsk
from expectations.spec import Data
from infra.workshop import table_reader
from tasks.access import findings, measure_access

AS_OF = datetime(2030, 1, 1)


def found(tmp_path, **source):
    data = Data.model_validate({"target": "y", "sources": {"rows": source}})
    return findings(measure_access(data, tmp_path, AS_OF, table_reader()))


def test_a_server_that_is_away_may_come_back_and_is_asked_again(tmp_path):
    with pytest.raises(Away, match="expected a connection to postgresql"):
        found(tmp_path, url="postgresql+psycopg://reader@127.0.0.1:1/shop", query="select 1 as y")


def test_a_file_that_is_not_there_is_told_at_once(tmp_path):
    with pytest.raises(CannotAsk, match="found none") as told:
        found(tmp_path, path="rows.csv")
    assert not isinstance(told.value, Away)


def test_a_readable_file_gives_a_finding_per_check(tmp_path):
    (tmp_path / "rows.csv").write_text("x,y\n1,2\n")
    assert {finding.expectation for finding in found(tmp_path, path="rows.csv")} >= {"rows: connection", "rows: schema"}
