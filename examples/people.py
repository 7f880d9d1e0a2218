"""The people of the demonstrations: a risk officer who founds, a validator who approves; their keys are made anew."""

from pathlib import Path

from commands import seatrial
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

ROLES = {"rita@example.com": "risk officer", "vera@example.com": "validator", "dev@example.com": "developer"}
VALIDATOR = "vera@example.com"


def known(folder: Path, *store: str) -> None:
    """Makes the people known in a store, as a team does once: keys, identities.yaml, `seatrial identity apply`."""
    lines = ["people:"]
    for name, role in ROLES.items():
        lines += [f"  - name: {name}", f"    roles: [{role}]", f"    keys: ['{_public_line(folder, name)}']"]
    (folder / "identities.yaml").write_text("\n".join(lines) + "\n")
    seatrial("identity", "apply", str(folder / "identities.yaml"), *store, *me(folder, "rita@example.com"))


def me(folder: Path, name: str = VALIDATOR) -> tuple[str, ...]:
    """How somebody says who they are: by name, and by a key of their own."""
    return "--as", name, "--key", str(_key_file(folder, name))


def approve(folder: Path, model: str, *store: str) -> None:
    """The validator's yes."""
    seatrial("approve", model, *store, *me(folder), "--comment", "read it all")


def _key_file(folder: Path, name: str) -> Path:
    return folder / f"{name.split('@')[0]}.key"


def _public_line(folder: Path, name: str) -> str:
    """As `ssh-keygen -t ed25519` does."""
    key, path = Ed25519PrivateKey.generate(), _key_file(folder, name)
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
