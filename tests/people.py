"""People for the tests, with keys of their own that are the same every time."""

import hashlib
from types import SimpleNamespace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from securesystemslib.signer import CryptoSigner

from expectations.approvals import decision
from expectations.history import NOTHING_YET
from expectations.people import identity
from expectations.state import Person
from expectations.statements import public_key
from infra.ledger import now
from infra.personal_keys import ssh_line

FOUNDER = "rita"
# The founder, who approves too in most tests; others are known and nothing more, until a test says otherwise.
ROLES = {FOUNDER: ("risk officer",), "vera": ("validator",), "otto": ("owner",), "dev": ("developer", "validator")}


def private_key(name):
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def signer(name):
    return CryptoSigner(private_key(name))


def person(name, *roles):
    return Person(name, roles or ROLES.get(name, ()), (public_key(signer(name).public_key),))


def founded(state=NOTHING_YET, names=tuple(ROLES)):
    """The bodies that make these people known, in order; the founder first."""
    return [identity(state, person(name), FOUNDER, signer(FOUNDER)) for name in names]


def found(ledger, names=tuple(ROLES)):
    """Makes them known in a ledger, unless somebody is."""
    if not ledger.state().people:
        for body in founded(names=names):
            ledger.decide_and_append(lambda _, body=body: ("identity set", "", body))


def decided(release, who="vera", said="approve", at=None, by=None, model="m", days=30.0, **digests):
    """The body of a decision on a release with these digests, signed by `who` or another."""
    named = {f"{name}_digest": digests.get(name, "") for name in ("dossier", "package", "snapshot", "spec")}
    about = SimpleNamespace(id=release, model=model, valid_days=days, **named)
    return decision(about, who, said, "", at or now(), signer(by or who.strip()))


def say(ledger, model, release, who="vera", said="approve"):
    """Appends who says what of the release, as it stands."""
    found(ledger)
    ledger.decide_and_append(
        lambda state: ("decided", model, decision(state.releases[release], who, said, "", now(), signer(who)))
    )


def key_file(folder, name):
    """Their private key, in a file as `ssh-keygen` writes it."""
    path = folder / f"{name}.key"
    if not path.exists():
        data = private_key(name).private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        path.touch(mode=0o600)
        path.write_bytes(data)
    return path


def identities(folder, roles=None):
    """An identities.yaml that says who they are."""
    lines = ["people:"]
    for name, held in (roles or ROLES).items():
        lines += [f"  - name: {name}", f"    roles: [{', '.join(held)}]"]
        lines += ["    keys:", f"      - {ssh_line(public_key(signer(name).public_key))}"]
    path = folder / "identities.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path
