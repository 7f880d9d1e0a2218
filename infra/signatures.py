"""Signatures of packages and dossiers, as OpenSSF model-signing makes them: a sigstore bundle over named files.

What is signed are files, laid out as whoever checks them without Seatrial lays them out (`lay_out`). Who checks names
the public keys that he trusts; they are configuration and lie in no store. Only keys sign, so nothing here asks a
network. model-signing takes 0.2 to 0.4 s to import, so it is imported when it is needed.
"""

import base64
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature

from expectations.errors import CannotAsk
from expectations.records import DOSSIER_SIGNATURE, PACKAGE_SIGNATURE
from infra.evidence_store import get_json
from infra.keys import signing_key
from infra.store import Blobs, Store
from infra.trust import Trust

if TYPE_CHECKING:
    from model_signing import hashing

# Whatever a bundle of somebody else's making can bring model-signing to raise.
UNSOUND = (InvalidSignature, ValueError, KeyError, IndexError, TypeError, AttributeError)


class Unsigned(CannotAsk):
    """Something is not signed by a key that is trusted here."""


@dataclass(frozen=True)
class Signable:
    """What is signed as one: the digest of each file, by its name. `name` is package or dossier."""

    name: str
    files: Mapping[str, str]


def signable_package(store: Blobs, package: str) -> Signable:
    """The files of a package, by its digest. Raises Missing or Corrupt."""
    about = get_json(store, package)
    return Signable("package", {"model.onnx": about["graph"], "golden.json": about["golden"], "package.json": package})


def signable_dossier(blobs: Mapping[str, str]) -> Signable:
    """The files of a dossier, from what a verdict names; `dossier.json` is what people decide on."""
    names = {"dossier.html": "page", "document.json": "document", "dossier.json": "dossier"}
    return Signable("dossier", {file: blobs[name] for file, name in names.items()})


def signed_parts(store: Blobs, blobs: Mapping[str, str]) -> Iterator[tuple[Signable, str]]:
    """What the `blobs` of a verdict say was signed, each with the digest of its signature."""
    if PACKAGE_SIGNATURE in blobs:
        yield signable_package(store, blobs["package"]), blobs[PACKAGE_SIGNATURE]
    if DOSSIER_SIGNATURE in blobs:
        yield signable_dossier(blobs), blobs[DOSSIER_SIGNATURE]


def sign_files(store: Store, what: Signable, home: Path) -> str:
    """The digest of the bundle, now in the store. ECDSA signs differently each time: keep the answer."""
    from model_signing.signing import Config

    with _folder(store, what) as folder:
        bundle = folder.with_suffix(".sig")
        signer = Config().set_hashing_config(_hashing()).use_elliptic_key_signer(private_key=signing_key(home))
        signer.sign(folder, bundle)
        return store.put_blob(bundle.read_bytes())


def check_signature(store: Blobs, what: Signable, signature: str, trust: Trust) -> None:
    """Raises Unsigned where the bundle with this digest is not a trusted key's, or not of these very files."""
    from model_signing.verifying import Config

    bundle = store.get_blob(signature)
    public_key = trust.key(_signer_of(bundle, what), f"its {what.name}")
    with _folder(store, what) as folder:
        beside, key = folder.with_suffix(".sig"), folder.with_suffix(".pem")
        beside.write_bytes(bundle)
        key.write_bytes(public_key)
        try:
            verifier = Config().set_hashing_config(_hashing()).use_elliptic_key_verifier(public_key=key)
            verifier.verify(folder, beside)
        except UNSOUND as error:
            raise Unsigned(f"the signature of its {what.name} does not hold: {_why(bundle, what, error)}") from None


def lay_out(store: Blobs, blobs: Mapping[str, str], out: Path) -> list[str]:
    """Writes what a verdict's `blobs` say was signed: a folder each and a `.sig` beside it; returns their names.

    Raises CannotAsk where `out` is there already.
    """
    try:
        out.mkdir(parents=True)
    except FileExistsError:
        raise CannotAsk(f"{out}: expected no such folder yet, found one. Name another.") from None
    names = []
    for what, signature in signed_parts(store, blobs):
        folder = out / what.name
        folder.mkdir()
        for name, digest in what.files.items():
            shutil.copyfile(store.blob_path(digest), folder / name)
        folder.with_suffix(".sig").write_bytes(store.get_blob(signature))
        names.append(what.name)
    return names


def _signer_of(bundle: bytes, what: Signable) -> str:
    """What the bundle says of its key: SHA-256 of the public key's PEM, hexadecimal. It only says which key to try."""
    try:
        return str(json.loads(bundle)["verificationMaterial"]["publicKey"]["hint"])
    except (ValueError, KeyError, TypeError):
        raise Unsigned(
            f"the signature of its {what.name} cannot be read: expected a sigstore bundle that names its key, found "
            "something else: cut or changed. Bring it back from a copy."
        ) from None


def _why(bundle: bytes, what: Signable, error: Exception) -> str:
    """In words: model-signing shows digests as escaped bytes."""
    if not str(error).startswith("Signature mismatch"):
        return "the bundle was changed, or made with another key. Bring it back from a copy."
    statement = json.loads(base64.b64decode(json.loads(bundle)["dsseEnvelope"]["payload"]))
    signed = {item["name"]: f"{item['algorithm']}:{item['digest']}" for item in statement["predicate"]["resources"]}
    other = sorted(name for name in {*signed, *what.files} if signed.get(name) != what.files.get(name))
    return f"it is of other content than is here: {', '.join(other)}. Release the model again."


@contextmanager
def _folder(store: Blobs, what: Signable) -> Iterator[Path]:
    """The files under their names. Links: a package can be large, and only its bytes are signed."""
    with TemporaryDirectory(prefix="seatrial-signed-") as name:
        folder = Path(name, what.name)
        folder.mkdir()
        for file, digest in what.files.items():
            (folder / file).symlink_to(store.blob_path(digest).resolve())
        yield folder


def _hashing() -> "hashing.Config":
    """SHA-256 of every file: no path is left out, and no other digest is taken."""
    from model_signing import hashing

    return hashing.Config().set_ignored_paths(paths=[], ignore_git_paths=False).set_allow_symlinks(True)
