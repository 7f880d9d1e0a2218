"""Packages and dossiers are signed, and nothing serves that no trusted key signed. Each attack is planted."""

import base64
import json
import re
import subprocess
import sys

import pytest
from served import Written, price_graph
from serving import serve
from test_desk import Bench

from expectations.errors import CannotAsk
from expectations.records import DOSSIER_SIGNATURE, PACKAGE_SIGNATURE
from infra.archive import Archive, read_back, write_archive
from infra.gateway.desk.last_state import last_state
from infra.keys import public_signing_key, signing_key
from infra.ledger import Ledger
from infra.local_store import LocalStore
from infra.signatures import check_signature, lay_out, sign_files, signable_package
from infra.trust import Trust, read_public_key
from tasks.sign import sign_release


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    return Bench(tmp_path)


def signed_by(bench, name):
    """Another account's signature of whatever package."""
    return lambda package: sign_files(bench.store, signable_package(bench.store, package), bench.folder / name)


def edited(bench, change):
    """Our own signature, with its bundle changed."""

    def sign(package):
        bundle = bench.store.get_blob(Written.signed(bench, package))
        return bench.store.put_blob(change(bundle))

    return sign


def over_another(bench):
    """Our own signature, of the release before."""
    return lambda package: bench.ledger.state().releases["r1"].package_signature


def payload_of(bundle):
    return base64.b64decode(json.loads(bundle)["dsseEnvelope"]["payload"])


def with_payload(bundle, change):
    told = json.loads(bundle)
    told["dsseEnvelope"]["payload"] = base64.b64encode(change(payload_of(bundle))).decode()
    return json.dumps(told).encode()


def with_hint_of(bundle, folder):
    """As if our key had signed it."""
    told = json.loads(bundle)
    told["verificationMaterial"]["publicKey"]["hint"] = Trust(folder)._of_home().popitem()[0]
    return json.dumps(told).encode()


ATTACKS = {
    "signed by a key that nobody trusts": (
        lambda b: signed_by(b, "mallory"),
        "its package is signed by the key '.{16}', which is not trusted; trusted: .{16}. If the signer is right",
    ),
    "signed by another key in our name": (
        lambda b: (
            lambda package: b.store.put_blob(
                with_hint_of(b.store.get_blob(signed_by(b, "mallory")(package)), b.home),
            )
        ),
        "the signature of its package does not hold: the bundle was changed, or made with another key",
    ),
    "signed over another package": (
        over_another,
        r"does not hold: it is of other content .*: golden.json, model.onnx,",
    ),
    "statement edited": (
        lambda b: edited(
            b, lambda bundle: with_payload(bundle, lambda text: text.replace(b"model.onnx", b"other.onnx"))
        ),
        "does not hold: the bundle was changed",
    ),
    "signature left away": (
        lambda b: edited(b, lambda bundle: json.dumps({**json.loads(bundle), "dsseEnvelope": {}}).encode()),
        "does not hold: the bundle was changed",
    ),
    "bundle cut": (lambda b: edited(b, lambda bundle: bundle[: len(bundle) // 2]), "cannot be read: .* cut or changed"),
    "no bundle at all": (lambda b: edited(b, lambda _: b"[]"), "cannot be read: .* cut or changed"),
    "no signature": (lambda b: lambda package: None, "found none: it was judged before packages were signed. Release"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_what_no_trusted_key_signed_is_refused_and_the_old_one_goes_on(bench, caplog, name):
    plant, words = ATTACKS[name]
    bench.promoted("r1", price_graph())
    assert bench.follow().ask().release == "r1"
    bench.signed = plant(bench)
    bench.promoted("r2", price_graph(factor=2.0))
    assert bench.follow().ask().release == "r1"
    [problem] = bench.desk.health()["problems"]
    assert problem.startswith("r2 is not served: ")
    assert problem in caplog.text
    assert re.search(words, problem), problem
    assert bench.counted("package_refusals") == 1


def test_the_graph_of_an_unsigned_package_is_never_opened(bench, monkeypatch):
    opened = []
    monkeypatch.setattr("infra.gateway.desk.loading.open_package", lambda *given: opened.append(given))
    bench.signed = signed_by(bench, "mallory")
    bench.promoted("r1", price_graph())
    assert not bench.follow().desk.ready()
    assert opened == []


def test_a_second_key_that_is_trusted_is_taken_and_then_the_own_one_only_if_named(bench):
    own, other = (public_signing_key(signing_key(bench.folder / name).parent) for name in ("home", "other"))
    bench.promoted("r1", price_graph())
    bench.signed = signed_by(bench, "other")
    bench.promoted("r2", price_graph(factor=2.0))
    both = Trust(bench.home, [read_public_key(own), read_public_key(other)])
    bench.following._trust = both
    assert bench.follow().ask().release == "r2"
    again = Bench(bench.folder)
    again.following._trust = Trust(bench.home, [read_public_key(own)])
    assert again.follow().follow().ask().release == "r1"


def test_a_gateway_of_an_account_without_a_key_trusts_nobody(bench, tmp_path):
    bench.promoted("r1", price_graph())
    bench.following._trust = Trust(tmp_path / "stranger")
    assert not bench.follow().desk.ready()
    assert "no key is trusted" in bench.desk.health()["problems"][0]
    assert not (tmp_path / "stranger").exists()


def test_a_signature_that_the_ledger_named_is_still_known_when_the_store_is_away(bench):
    bench.promoted("r1", price_graph())
    bench.follow()
    kept = last_state(bench.home, bench.url).state.releases["r1"]
    assert kept.package_signature == bench.ledger.state().releases["r1"].package_signature != ""


def test_a_served_gateway_of_another_account_takes_the_keys_that_it_is_given(tmp_path):
    written = Written(tmp_path)
    written.promoted("r1", price_graph())
    stranger = tmp_path / "stranger"
    with serve(written.url, stranger, "--model", "cars", "--trust", public_signing_key(written.home)) as gateway:
        assert gateway.ask().json["release"] == "r1"
        written.signed = signed_by(written, "mallory")
        written.promoted("r2", price_graph(factor=2.0))
        gateway.until_words("r2 is not served: its package is signed by the key")
        assert gateway.ask().json["release"] == "r1"


def test_what_is_no_key_to_trust_is_told_before_anything_is_served(tmp_path, seatrial):
    told = seatrial("serve", "--store", tmp_path / "store", "--trust", signing_key(tmp_path / "home"))
    assert (told.code, "found a private key; give its public part" in told.err) == (2, True), told.err


def test_a_key_to_trust_is_an_ecdsa_key_that_only_its_owner_writes(tmp_path):
    public = public_signing_key(signing_key(tmp_path).parent)
    other = tmp_path / "other.pem"
    assert read_public_key(public) == public.read_text()
    for text, words in (("no key", "found something else"), (ED25519, "another kind"), (None, "cannot be read")):
        other.unlink(missing_ok=True)
        if text:
            other.write_text(text)
        with pytest.raises(CannotAsk, match=words):
            read_public_key(other)
    public.chmod(0o664)
    with pytest.raises(CannotAsk, match="Run: chmod go-w"):
        read_public_key(public)


def test_a_signing_key_is_made_once_for_this_account_alone(tmp_path):
    made = signing_key(tmp_path / "home")
    before = made.read_bytes()
    assert (made.stat().st_mode & 0o777, signing_key(tmp_path / "home").read_bytes()) == (0o600, before)
    made.chmod(0o644)
    with pytest.raises(CannotAsk, match="expected mode 0600, found 0644"):
        signing_key(tmp_path / "home")
    made.chmod(0o600)
    public_signing_key(tmp_path / "home").write_bytes(
        public_signing_key(signing_key(tmp_path / "b").parent).read_bytes()
    )
    with pytest.raises(CannotAsk, match=r"expected the public part of signing\.pem, found another's"):
        signing_key(tmp_path / "home")


ED25519 = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""


class Judged(Written):
    """Releases whose dossiers are signed as those of the release flow."""

    def judged(self, name, outcome="passed"):
        graph = price_graph()
        package = self.approved(f"{name}-before", graph)
        page, document = self.store.put_blob(b"<p>page</p>"), self.store.put_blob(b'{"spec":{}}')
        blobs = {"page": page, "document": document}
        blobs["dossier"] = self.store.put_blob(json.dumps({"release": name, "blobs": blobs}).encode())
        self.store.put_if_absent(f"dossiers/{name}.html", b"<p>page</p>")
        signed = sign_release(self.store, self.home, blobs, package if outcome == "passed" else None)
        start = {"spec_digest": name, "as_of": "2026-01-01T00:00:00", "developers": ["dev"], "approvals_needed": 1}
        self.append("release started", release=name, **start)
        judged = {"outcome": outcome, "champion_compared": None, "approvals_needed": 1, "package_digest": package}
        blobs |= signed["blobs"]
        self.append("release judged", release=name, dossier_digest=blobs["dossier"], blobs=blobs, **judged)
        return blobs


def public_tool(folder, name, key):
    """What anybody can run who has the files, the signature and the public key."""
    command = [sys.executable, "-m", "model_signing", "verify", "key", folder / name]
    options = ["--signature", folder / f"{name}.sig", "--public_key", key]
    return subprocess.run([*map(str, [*command, *options])], capture_output=True, text=True, check=False)


def test_the_public_tool_verifies_package_and_dossier_and_sees_a_changed_byte(tmp_path, seatrial):
    written = Judged(tmp_path)
    written.judged("one")
    told = seatrial("export", "one", "--store", written.url, "--files", "out")
    assert told.code == 0, told.err
    assert f"python -m model_signing verify key out/package --public_key {written.home}/signing.pub.pem" in told.out
    out, key = tmp_path / "out", public_signing_key(written.home)
    assert sorted(path.name for path in (out / "package").iterdir()) == ["golden.json", "model.onnx", "package.json"]
    for name in ("package", "dossier"):
        done = public_tool(out, name, key)
        assert (done.returncode, done.stdout.strip()) == (0, "Verification succeeded"), done.stderr
    stranger = public_signing_key(signing_key(tmp_path / "stranger").parent)
    assert public_tool(out, "package", stranger).returncode != 0
    graph = out / "package" / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"?")
    # How it quotes hangs on the bytes of the digests.
    assert "Hash mismatch for 'model.onnx" in public_tool(out, "package", key).stderr.replace("\\", "")
    with pytest.raises(CannotAsk, match="expected no such folder yet"):
        lay_out(written.store, {}, out)


def test_what_a_gate_stopped_has_a_signed_dossier_and_no_signed_package(tmp_path):
    blobs = Judged(tmp_path).judged("one", outcome="failed")
    assert DOSSIER_SIGNATURE in blobs
    assert PACKAGE_SIGNATURE not in blobs


def test_verify_tells_each_signature_that_does_not_hold(tmp_path, seatrial):
    written = Judged(tmp_path)
    written.judged("one")
    assert written.ledger.problems() == []
    written.signed = signed_by(written, "other")
    written.judged("two")
    [problem] = written.ledger.problems()
    assert re.match(r"record \d+: two-before: its package is signed by the key '.{16}', which is not trusted", problem)
    own, other = (public_signing_key(tmp_path / name) for name in ("home", "other"))
    assert seatrial("verify", "--store", written.url, "--trust", own, "--trust", other).code == 0
    told = " ".join(written.ledger.problems(Trust(tmp_path, [other.read_text()])))
    assert "one: its package is signed by" in told
    assert "one: its dossier is signed by" in told


def test_an_archive_carries_the_signatures_to_another_store(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))
    written = Judged(tmp_path)
    blobs = written.judged("one")
    write_archive(written.store, written.ledger, "one", tmp_path / "one.zip")
    other = LocalStore(tmp_path / "elsewhere")
    ledger = Ledger(other, tmp_path / "auditor")
    assert read_back(Archive(tmp_path / "one.zip"), other, ledger) == "imported"
    names = lay_out(other, ledger.verdict(ledger.state().releases["one"])["blobs"], tmp_path / "out")
    assert names == ["package", "dossier"]
    check_signature(other, signable_package(other, blobs["package"]), blobs[PACKAGE_SIGNATURE], Trust(written.home))
    assert public_tool(tmp_path / "out", "package", public_signing_key(written.home)).returncode == 0
