"""`seatrial identity enrol`, as an administrator types it."""

import json
from datetime import UTC, datetime

import pyotp
import pytest
from waiting import Waiting

from infra.one_time_codes import check, codes_file


@pytest.fixture
def written(tmp_path):
    return Waiting(tmp_path, enrolled_people=())


def test_it_shows_a_qr_code_and_a_uri_and_the_secret_stays_with_this_account(written, seatrial):
    done = seatrial("identity", "enrol", "VERA", "--store", written.url)
    assert done.code == 0, done.err
    [uri] = [line for line in done.out.splitlines() if line.startswith("otpauth://")]
    assert sum(line.count("█") + line.count("▀") + line.count("▄") for line in done.out.splitlines()) > 200
    assert str(codes_file(written.home)) in done.out
    now = datetime.now(UTC)
    assert check(written.home, "vera", pyotp.parse_uri(uri).at(now), now, "q").step is not None
    secret = pyotp.parse_uri(uri).secret
    others = [path for path in written.home.parent.rglob("*") if path.is_file() and path != codes_file(written.home)]
    assert not [path for path in others if secret.encode() in path.read_bytes()]


def test_for_a_program_it_is_one_document_and_it_ends_a_lock(written, seatrial):
    written.append("locked out", person="vera", why="a test")
    assert written.ledger.state().person("vera").locked
    told = seatrial("identity", "enrol", "vera", "--store", written.url, "--json").json
    assert json.loads(json.dumps(told)).keys() == {"person", "uri", "kept_in"}
    assert not written.ledger.state().person("vera").locked


def test_who_is_not_known_is_not_enrolled(written, seatrial):
    done = seatrial("identity", "enrol", "mallory", "--store", written.url)
    assert done.code == 2
    assert "nobody of that name is known" in done.err
    assert not codes_file(written.home).exists()
