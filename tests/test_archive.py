import shutil
import zipfile

import people
import pytest

from expectations.errors import CannotAsk
from expectations.records import canonical_json, digest_of
from infra.answers import once
from infra.archive import Archive, read_back, write_archive
from infra.ledger import Ledger
from infra.store import blob_key, open_store


def opened(folder, home="home"):
    store = open_store(str(folder / "store"))
    return store, Ledger(store, folder / home)


def released(folder, name):
    """One judged release with a blob of its own, a step's evidence and a page."""
    store, ledger = opened(folder)
    evidence = store.put_blob(f"evidence of {name}".encode())
    once(store, folder / "home", "quality", {"release": name}, lambda: {"metrics": evidence})
    page = f"<html>{name}".encode()
    store.put_if_absent(f"dossiers/{name}.html", page)
    data = store.put_blob(f"data of {name}".encode())
    blobs = {"page": store.put_blob(page), "manifest": store.put_blob(canonical_json({"data": data}))}
    started = {"release": name, "spec_digest": "s", "as_of": "t", "developers": ["dev"], "approvals_needed": 1}
    judged = {"release": name, "outcome": "passed", "champion_compared": None, "approvals_needed": 1}
    ledger.decide_and_append(lambda _: ("release started", "m", started))
    told = judged | {"dossier_digest": "sha256:" + "1" * 64, "blobs": blobs}
    ledger.decide_and_append(lambda _: ("release judged", "m", told))
    return [*blobs.values(), data, evidence]


@pytest.fixture
def archive(tmp_path):
    """The archive of r1, from a store that has r2 as well."""
    released(tmp_path, "r1")
    released(tmp_path, "r2")
    store, ledger = opened(tmp_path)
    write_archive(store, ledger, "r1", tmp_path / "r1.zip")
    return tmp_path / "r1.zip"


def test_an_archive_holds_one_release_and_is_sound_by_itself(archive, tmp_path):
    shutil.rmtree(tmp_path / "store")
    found = Archive(archive)
    assert found.problems() == []
    assert len(found.keys("blobs/")) == 4
    assert {record.body["release"] for record in found.records()} == {"r1"}


def repack(archive, change):
    """The same archive with other contents, as somebody who edits it would leave it."""
    with zipfile.ZipFile(archive) as old:
        files = {name: old.read(name) for name in old.namelist()}
    change(files)
    archive.unlink()
    with zipfile.ZipFile(archive, "w") as new:
        for name, text in files.items():
            new.writestr(name, text)
    return Archive(archive).problems()


def first(files, prefix):
    return sorted(name for name in files if name.startswith(prefix))[-1]


@pytest.mark.parametrize("prefix", ["blobs/", "steps/", "ledger/", "dossiers/"])
def test_a_changed_part_is_found(archive, prefix):
    assert repack(archive, lambda files: files.update({first(files, prefix): b"changed"}))


def test_a_blob_that_a_record_names_and_that_is_gone_is_found(archive):
    page = blob_key(digest_of(b"<html>r1"))
    assert "its blob page is not in the archive" in repack(archive, lambda files: files.pop(page))[0]


def test_what_is_no_archive_is_told(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"PK")
    for name in ("x.zip", "nothing.zip"):
        with pytest.raises(CannotAsk, match="expected an archive"):
            Archive(tmp_path / name)


def test_what_was_lost_comes_back_to_its_place(archive, tmp_path):
    store, ledger = opened(tmp_path)
    before = len(ledger.read())
    for key in [*store.keys("blobs/"), *store.keys("steps/"), "dossiers/r1.html"]:
        store.remove(key)
    assert read_back(Archive(archive), store, ledger) == "restored"
    assert len(store.keys("blobs/")) == 4
    assert len(ledger.read()) == before
    assert all("record 3" in problem or "record 4" in problem for problem in ledger.problems())


def test_in_another_ledger_it_is_there_to_be_read_and_never_serves(archive, tmp_path):
    store, ledger = opened(tmp_path / "elsewhere")
    assert read_back(Archive(archive), store, ledger) == "imported"
    assert read_back(Archive(archive), store, ledger) == "imported"
    release = ledger.state().releases["r1"]
    assert (release.status, release.outcome, ledger.state().models) == ("imported", "passed", {})
    assert store.get("dossiers/r1.html") == b"<html>r1"
    assert ledger.problems() == []
    assert len(ledger.read()) == 2
    yes = people.decided("r1", dossier=release.dossier_digest)
    with pytest.raises(CannotAsk, match="does not wait"):
        ledger.decide_and_append(lambda _: ("decided", "m", yes))


def test_an_archive_that_is_not_sound_changes_nothing(archive, tmp_path):
    repack(archive, lambda files: files.update({first(files, "blobs/"): b"changed"}))
    store, ledger = opened(tmp_path / "elsewhere")
    with pytest.raises(CannotAsk, match="expected that content"):
        read_back(Archive(archive), store, ledger)
    assert store.keys("") == []


def test_an_unknown_release_and_a_file_in_the_way_are_told(archive, tmp_path):
    store, ledger = opened(tmp_path)
    with pytest.raises(CannotAsk, match="There are: r1, r2"):
        write_archive(store, ledger, "r3", tmp_path / "r3.zip")
    with pytest.raises(CannotAsk, match="found one"):
        write_archive(store, ledger, "r1", archive)


def test_an_export_that_fails_leaves_no_half_archive(archive, tmp_path):
    store, ledger = opened(tmp_path)
    store.remove(blob_key(digest_of(b"<html>r1")))
    (tmp_path / "store" / blob_key(digest_of(b"data of r1"))).write_bytes(b"changed")
    with pytest.raises(CannotAsk):
        write_archive(store, ledger, "r1", tmp_path / "again.zip")
    assert not (tmp_path / "again.zip").exists()
