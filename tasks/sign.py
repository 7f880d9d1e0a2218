"""The release's last step: its dossier is signed, and its package where no gate stopped it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from expectations.records import DOSSIER_SIGNATURE, PACKAGE_SIGNATURE
from infra.signatures import sign_files, signable_dossier, signable_package
from infra.store import Store


def sign_release(store: Store, home: Path, dossier: Mapping[str, str], package: str | None) -> dict[str, Any]:
    """`{"blobs": ...}`: the signatures of a dossier, by what it consists of, and of a package, by its digest.

    Without a package only the dossier is signed: a signature that holds is taken for a yes where nobody asks the
    ledger, so what was stopped has none.
    """
    blobs = {DOSSIER_SIGNATURE: sign_files(store, signable_dossier(dossier), home)}
    if package:
        blobs |= {"package": package, PACKAGE_SIGNATURE: sign_files(store, signable_package(store, package), home)}
    return {"blobs": blobs}
