"""How every command takes its options and answers: sentences for people, one JSON document for programs."""

import errno
import json
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from expectations.errors import CannotAsk

DONE, NO, COULD_NOT_ASK = 0, 1, 2
MARKS = {"passed": "✓", "warned": "!", "failed": "✗", "errored": "?", "inconclusive": "~", "not applicable": "–"}
STATUS_WORDS = {
    "waiting": "waits for a decision",
    "stopped": "was stopped by its gates",
    "champion": "serves",
    "retired": "served before",
    "rejected": "was rejected",
    "started": "was begun and not finished: run the same command again",
    "approved": "is approved",
    "rolling out": "is being rolled out",
    "rolled back": "was rolled back",
    "imported": "was imported, to be read",
}

as_json = click.option("--json", "json_", is_flag=True, help="Answer with one JSON document.")
store_option = click.option(
    "--store",
    "store_url",
    default="./store",
    show_default=True,
    help="Where everything is kept: a directory, or s3://BUCKET/PREFIX (docs/store.md).",
)
person_option = click.option("--as", "person", required=True, help="Your name, as in identities.yaml.")
spec_argument = click.argument("spec", type=click.Path(path_type=Path))
as_of_option = click.option(
    "--as-of",
    type=click.DateTime(),
    help="Take no data that became known later. Default: the spec's, else the last run's.",
)


class Command(click.Command):
    """A command that answers bad input with sentences and exit code 2, never with a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except CannotAsk as error:
            tell_problems(error, bool(ctx.params.get("json_")))
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            tell_problems(CannotAsk(_of_the_system(error)), bool(ctx.params.get("json_")))


def _of_the_system(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}the system says: {error.strerror or error}. Mend that and run the command again."


def tell_problems(error: CannotAsk, json_: bool) -> NoReturn:
    """All sentences at once, and exit code 2."""
    if json_:
        click.echo(json.dumps({"outcome": "could not ask", "problems": list(error.problems)}, indent=2))
    for problem in error.problems:
        click.echo(f"✗ {problem}", err=True)
    sys.exit(COULD_NOT_ASK)


def answer(json_: bool, value: Any, text: str) -> None:
    """The one answer of a command, for a program or for a person."""
    click.echo(json.dumps(value, indent=2, default=str) if json_ else text)
