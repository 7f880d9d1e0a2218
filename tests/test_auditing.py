"""The daily audit: of what is kept, and of bringing back what serves."""

import pytest
from served import Written, price_graph

from expectations.errors import CannotAsk
from flows.audit import audit
from infra.evidence_store import get_json
from infra.trust import Trust
from tasks.auditing import measure_audit, restore

pytestmark = pytest.mark.xdist_group("prefect")


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A store with a release that serves, and the account that it is of."""
    made = Written(tmp_path)
    monkeypatch.setenv("SEATRIAL_HOME", str(made.home))
    made.promoted("r1", price_graph())
    return made


def test_a_sound_store_is_told_of_and_its_champion_comes_back_elsewhere(written):
    found = measure_audit(written.url)
    assert found.problems == ()
    assert [line.split(":")[0].split(" ")[0] for line in found.sound] == [written.url, "r1"]
    assert "the same answers" in found.sound[1]


def test_nothing_of_the_restore_is_left_and_the_store_is_as_it_was(written, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    before = written.store.keys("")
    measure_audit(written.url)
    assert list((tmp_path / "scratch").iterdir()) == []
    assert written.store.keys("") == before


def test_a_blob_that_is_gone_is_told_both_times(written):
    graph = get_json(written.store, written.ledger.state().releases["r1"].package_digest)["graph"]
    written.store.blob_path(graph).unlink()
    found = measure_audit(written.url)
    assert any(f"its blob graph is gone: {graph}" in line for line in found.problems)
    assert any(line.startswith("r1 cannot be brought back from an archive") for line in found.problems)
    assert found.sound == ()


def test_golden_records_that_get_another_answer_are_told(tmp_path, monkeypatch):
    """A package as it was signed, on a machine that computes otherwise."""
    made = Written(tmp_path)
    monkeypatch.setenv("SEATRIAL_HOME", str(made.home))
    monkeypatch.setattr("served.golden_records", _a_cent_more)
    made.promoted("r1", price_graph())
    release = made.ledger.state().releases["r1"]
    [problem] = restore(made.store, made.ledger, release, Trust(made.home))
    assert problem.startswith("r1, brought back elsewhere: 10 golden record(s) get another answer")


def _a_cent_more(scorer, rows):
    from infra.packages import golden_records

    golden = golden_records(scorer, rows)
    name = next(name for name in golden["outputs"] if name == "prediction")
    changed = [
        [value + 0.01 for value in row] if isinstance(row, list) else row + 0.01 for row in golden["outputs"][name]
    ]
    return {**golden, "outputs": {**golden["outputs"], name: changed}}


def test_a_signature_of_another_account_is_no_sound_restore(written, tmp_path):
    release = written.ledger.state().releases["r1"]
    (tmp_path / "other").mkdir()
    [problem] = restore(written.store, written.ledger, release, Trust(tmp_path / "other"))
    assert "no key is trusted" in problem


def test_the_flow_fails_with_all_sentences_and_tells(written, monkeypatch, prefect_url):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    told = []
    monkeypatch.setattr("flows.events.emit_event", lambda event, resource, payload, id: told.append((event, payload)))
    with temporary_settings({PREFECT_API_URL: prefect_url}):
        assert len(audit(written.url)) == 2
        assert told == []
        for blob in written.store.keys("blobs/")[:2]:
            (tmp := written.folder / "store" / blob).write_bytes(b"changed " + tmp.read_bytes())
        with pytest.raises(CannotAsk) as failed:
            audit(written.url)
    [(event, payload)] = told
    assert event == "seatrial.audit.failed"
    assert payload["words"] == str(failed.value)
    assert len(failed.value.problems) >= 2


def test_verify_restores_where_it_is_asked_to(seatrial, written):
    done = seatrial("verify", "--store", written.url, "--restore")
    assert done.code == 0
    assert "sound. Every record" in done.out
    assert "r1 was brought back elsewhere" in done.out
    assert "r1" not in seatrial("verify", "--store", written.url).out


def test_an_audit_that_cannot_be_made_tells_people_too(monkeypatch):
    told = []

    def full(_store):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("flows.audit.look", full)
    monkeypatch.setattr("flows.audit.tell", lambda *words: told.append(words))
    with pytest.raises(OSError, match="No space left"):
        audit.fn("./store", "slack-webhook/ops")
    [(store, [words], notify)] = told
    assert (store, notify, "it could not be audited" in words) == ("./store", "slack-webhook/ops", True)
