"""What is kept for how long, and where else: gc, dossier, export, import."""

import shlex
from pathlib import Path

import click

from expectations.errors import CannotAsk
from flows.answering import Command, answer, as_json, store_option


@click.command(cls=Command)
@store_option
@click.option("--remove", is_flag=True, help="Remove them; without it they are only listed.")
@as_json
def gc(store_url: str, remove: bool, json_: bool) -> None:
    """List, or remove, the blobs that nothing refers to. None that is younger than a day.

    Example: seatrial gc --store ./store --remove
    """
    from infra.garbage import garbage, remove_garbage
    from infra.store import open_store
    from tasks.job import open_ledger

    # What a damaged ledger names cannot be told, so nothing is garbage then.
    open_ledger(store_url).read()
    store = open_store(store_url)
    found = garbage(store)
    gone = remove_garbage(store, found) if remove else []
    lines = "".join(f"  {digest}\n" for digest in found)
    done = f" {len(gone)} removed." if remove else " Nothing was removed; --remove does that." if found else ""
    answer(json_, {"garbage": found, "removed": gone}, f"{lines}{len(found)} blob(s) that nothing names.{done}")


# How a verdict's blobs call each form of the dossier.
FORMS = {"page": "page", "json": "document", "junit": "junit"}


@click.command(cls=Command)
@click.argument("release")
@store_option
@click.option("--form", type=click.Choice(sorted(FORMS)), default="page", help="Default: the page.")
@click.option("--out", type=click.Path(path_type=Path), help="Write it here. Default: standard output.")
@as_json
def dossier(release: str, store_url: str, form: str, out: Path | None, json_: bool) -> None:
    """One release's dossier: the page, its JSON (`seatrial schema --of dossier`), or its gates as JUnit XML.

    Example: seatrial dossier ames-price-640ec0f351 --store ./store --form junit --out gates.xml
    """
    from infra.store import open_store
    from tasks.job import open_ledger

    ledger = open_ledger(store_url)
    found = ledger.state().releases.get(release)
    if found is None or not found.dossier_digest:
        raise CannotAsk(f"{release}: the store has no dossier of it. `seatrial status MODEL` names the releases.")
    digest = ledger.verdict(found)["blobs"].get(FORMS[form])
    if digest is None:
        raise CannotAsk(f"{release}: its dossier has no form {form}; an older version wrote it. Release again.")
    content = open_store(store_url).get_blob(digest)
    if out is None:
        click.echo(content.decode())
        return
    out.write_bytes(content)
    answer(json_, {"release": release, "form": form, "file": str(out)}, f"Wrote {out}, {len(content):,} bytes.")


@click.command(name="export", cls=Command)
@click.argument("release")
@store_option
@click.option("--out", type=click.Path(path_type=Path), help="Default: RELEASE.zip here.")
@click.option(
    "--files", type=click.Path(path_type=Path), help="No archive: package and dossier with signatures, in this folder."
)
@as_json
def export_release(release: str, store_url: str, out: Path | None, files: Path | None, json_: bool) -> None:
    """Write one release, with all that it was judged on, as one archive that can be checked without the store.

    Example: seatrial export ames-price-640ec0f351 --store ./store
    """
    if files:
        _lay_out(release, store_url, files, json_)
        return
    from infra.archive import write_archive
    from infra.store import open_store
    from tasks.job import open_ledger

    path = out or Path(f"{release}.zip")
    blobs = write_archive(open_store(store_url), open_ledger(store_url), release, path)
    answer(json_, {"archive": str(path), "blobs": blobs}, f"Wrote {path}, {blobs} blobs.\nNext: seatrial verify {path}")


def _lay_out(release: str, store_url: str, folder: Path, json_: bool) -> None:
    """What the release's verdict says was signed, for public tools."""
    from infra.keys import home, public_signing_key
    from infra.signatures import lay_out
    from infra.store import open_store
    from tasks.job import open_ledger

    ledger = open_ledger(store_url)
    found = ledger.state().releases.get(release)
    if found is None:
        raise CannotAsk(f"{release}: the store has no such release. `seatrial status MODEL` names them.")
    names = lay_out(open_store(store_url), ledger.verdict(found)["blobs"], folder)
    key = shlex.quote(str(public_signing_key(home())))
    checks = [
        f"  python -m model_signing verify key {shlex.quote(str(folder / name))} --public_key {key} "
        f"--signature {shlex.quote(str(folder / name))}.sig"
        for name in names
    ]
    told = [f"Wrote {' and '.join(names)} to {folder}.", "Next, without Seatrial, by the signer's public key:", *checks]
    answer(json_, {"folder": str(folder), "signed": names}, "\n".join(told))


@click.command(name="import", cls=Command)
@click.argument("archive", type=click.Path(path_type=Path))
@store_option
@as_json
def import_release(archive: Path, store_url: str, json_: bool) -> None:
    """Bring an exported release back: what was lost, to its place; into another store, to be read there.

    Example: seatrial import ames-price-640ec0f351.zip --store ./store
    """
    from infra.archive import Archive, read_back
    from infra.keys import home
    from infra.ledger import Ledger
    from infra.store import open_store

    opened, store = Archive(archive), open_store(store_url)
    done = read_back(opened, store, Ledger(store, home()))
    result = {"release": opened.release, "done": done, "signed_by": opened.public_key["keyid"]}
    follow = f"Next: seatrial status {opened.model} --store {shlex.quote(store_url)}"
    answer(json_, result, f"{opened.release} was {done}.\n{follow}")
