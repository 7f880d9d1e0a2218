"""A secret for one-time codes, shown once: identity enrol."""

import io

import click

from expectations.errors import CannotAsk
from flows.answering import Command, answer, as_json, store_option


@click.command(cls=Command)
@click.argument("name")
@store_option
@as_json
def enrol(name: str, store_url: str, json_: bool) -> None:
    """Give a person a new secret for one-time codes, as a QR code for any authenticator app. Ends a lock.

    Run it where the flows run (`seatrial work`), with the person beside you: it is shown once.

    Example: seatrial identity enrol vera@example.com --store ./store
    """
    from infra import one_time_codes
    from infra.keys import home
    from tasks.identities import enrolled
    from tasks.job import open_ledger

    ledger = open_ledger(store_url)
    state = ledger.state()
    person = state.person(name)
    if person is None:
        known = ", ".join(sorted(one.name for one in state.people.values())) or "nobody"
        raise CannotAsk(f"{name}: nobody of that name is known in {store_url}; there is {known}.")
    # Before a secret is made that nobody could use.
    ledger.signer()
    uri = one_time_codes.enrol(home(), person.name)
    enrolled(ledger, person.name)
    kept = one_time_codes.codes_file(home())
    said = f"{person.name}: scan this with an authenticator app, or type the URI. It is not shown again."
    where = f"The secret lies in {kept}, readable by this account alone. An older one is void."
    answer(json_, {"person": person.name, "uri": uri, "kept_in": str(kept)}, f"{said}\n\n{_qr(uri)}\n{uri}\n\n{where}")


def _qr(uri: str) -> str:
    import segno

    drawn = io.StringIO()
    segno.make(uri, error="m").terminal(out=drawn, compact=True, border=2)
    return drawn.getvalue()
