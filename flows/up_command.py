"""Everything that a team uses, on one machine: up."""

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from expectations.errors import CannotAsk
from flows.answering import Command, as_json, store_option

if TYPE_CHECKING:
    from infra.processes.program import Program
    from infra.processes.supervision import Told
    from infra.processes.team import Api, Folders

MARKS = {"silent": "✗ ", "died": "✗ ", "given up": "✗ "}
# What is written down at the latest, so that a look at what serves sees what was asked.
LOG_EVERY_S = 10.0


@click.command(cls=Command)
@store_option
@click.option(
    "--spec", "specs", multiple=True, type=click.Path(path_type=Path), help="A release that the UI can run; repeatable."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The gateway's address.")
@click.option("--port", default=8080, show_default=True, help="The gateway's port; 0: any that is free.")
@click.option("--processes", default=1, show_default=True, type=click.IntRange(1, 256), help="Of the gateway.")
@click.option("--ui-port", default=4200, show_default=True, help="The Prefect server's port; 0: any that is free.")
@click.option("--database", help="postgresql+asyncpg://USER@HOST/NAME, its password in PGPASSWORD. Default: SQLite.")
@click.option(
    "--monitor-every",
    default=300.0,
    show_default=True,
    type=click.FloatRange(1),
    help="Seconds between two looks at what serves.",
)
@click.option("--notify", help="A Prefect notification block that tells people, e.g. slack-webhook/ops.")
@click.option("--tokens", type=click.Path(path_type=Path), help="As of `seatrial serve`.")
@click.option("--tls-cert", type=click.Path(path_type=Path), help="As of `seatrial serve`.")
@click.option("--tls-key", type=click.Path(path_type=Path), help="As of `seatrial serve`.")
@click.option("--exposed", is_flag=True, help="As of `seatrial serve`.")
@as_json
def up(json_: bool, **asked: Any) -> None:
    """Start a Prefect server with its UI, a worker and the gateway, and keep them running until Ctrl-C.

    With PREFECT_API_URL set, that server is used and none is started. A store that is not there is made.

    Example: seatrial up --store ./store --spec release.yaml
    """
    from infra.processes.lock import only_one
    from infra.processes.supervision import Supervision
    from infra.processes.table import end_groups, left_over
    from infra.processes.team import GATEWAY, SERVER, WORKER, Folders

    store, made = _opened(asked)
    folders = Folders.of(store)
    with only_one(folders.root / "lock", lambda process: _taken(store, process)):
        left = left_over(folders.running)
        end_groups(left, 20)
        for one in left:
            _tell(json_, one.name, "left over", f"process {one.pid}, left over from before, was ended")
        _tell(json_, "store", "up", f"{store}{', which was not there and was made' if made else ''}")
        programs, places = _programs(store, folders, asked)
        began = time.monotonic()

        def ready() -> None:
            _tell_ready(json_, places, folders, time.monotonic() - began)

        def tell(told: "Told") -> None:
            _tell(json_, told.process, told.event, told.words, told.lines)

        ending = [name for name in (GATEWAY, WORKER, SERVER) if name in {one.name for one in programs}]
        Supervision(programs, ending, folders.running, tell, ready).run()
    _tell(json_, "all", "ended", "ended. What waits is in the ledger; `seatrial up` goes on with it.")


def _taken(store: str, process: str) -> CannotAsk:
    return CannotAsk(f"{store}: `seatrial up` runs already, as process {process or '?'}. End that one first.")


def _opened(asked: dict[str, Any]) -> tuple[str, bool]:
    """The store's absolute URL, and whether it was made. Raises CannotAsk for all that can be told before."""
    from flows.naming import absolute
    from infra.processes.database import expect_database
    from infra.spec_file import expect_one_of_each, read_spec
    from tasks.job import new_ledger

    expect_one_of_each([read_spec(spec) for spec in asked["specs"]])
    store = absolute(asked["store_url"])
    if asked["database"]:
        expect_database(asked["database"])
    ledger = new_ledger(store)
    is_new = ledger.is_new()
    if is_new:
        ledger.decide_and_append(lambda _: None)
    ledger.state()
    # Runs sign what they record with this account's key.
    ledger.signer()
    return store, is_new


def _programs(store: str, folders: "Folders", asked: dict[str, Any]) -> tuple[list["Program"], dict[str, str]]:
    """Those that are kept running, and where to find them."""
    from flows.naming import deployment_name
    from infra.processes import team
    from infra.processes.places import chosen

    place = chosen(asked["host"], asked["port"], "--port")
    served = team.gateway(_served(store, asked), place, bool(asked["tls_cert"]), folders)
    api, programs = _given_server(), []
    if api is None:
        ui = chosen("127.0.0.1", asked["ui_port"], "--ui-port")
        programs.append(team.server(ui, asked["database"], folders))
        api = team.Api.of(f"http://{ui.reached_at}/api")
    needs = [one.name for one in programs]
    work = team.worker(_worked(store, asked), api, f"remind/{deployment_name(store)}", needs, folders)
    gateway = f"http{'s' * bool(asked['tls_cert'])}://{place.reached_at}"
    return [*programs, work, served], {"gateway": gateway, "ui": api.url.removesuffix("/api")}


def _given_server() -> "Api | None":
    """The server that the environment, or Prefect's own profile, names. Raises CannotAsk where it does not answer."""
    from infra.processes.places import asked
    from infra.processes.team import Api

    url = os.environ.get("PREFECT_API_URL") or _of_profile()
    if url is None:
        return None
    if asked(f"{url}/health").status != 200:
        raise CannotAsk(f"PREFECT_API_URL, {url}: expected a Prefect server, found none. Unset it to have one started.")
    return Api.of(url)


def _of_profile() -> str | None:
    """Prefect is asked, which takes seconds, only where somebody made a profile."""
    prefect = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect")
    if not Path(os.environ.get("PREFECT_PROFILES_PATH") or prefect / "profiles.toml").exists():
        return None
    from prefect.settings import get_current_settings

    return get_current_settings().api.url


def _served(store: str, asked: dict[str, Any]) -> list[str]:
    every = min(LOG_EVERY_S, asked["monitor_every"])
    options = ["--store", store, "--processes", str(asked["processes"]), "--log-every", str(every)]
    for name in ("tokens", "tls_cert", "tls_key"):
        options += [f"--{name.replace('_', '-')}", str(asked[name].resolve())] if asked[name] else []
    return [*options, "--exposed"] if asked["exposed"] else options


def _worked(store: str, asked: dict[str, Any]) -> list[str]:
    options = ["--store", store, "--monitor-every", str(asked["monitor_every"])]
    options += ["--notify", asked["notify"]] if asked["notify"] else []
    return [*options, *(part for spec in asked["specs"] for part in ("--spec", str(spec.resolve())))]


def _tell(json_: bool, process: str, event: str, words: str, lines: tuple[str, ...] = ()) -> None:
    """One line, and the last words of what died."""
    told = {"time": time.time(), "process": process, "event": event, "words": words, "lines": lines}
    if json_:
        _echo(json.dumps(told))
        return
    _echo(f"{time.strftime('%H:%M:%S')}  {process:<8} {MARKS.get(event, '')}{words}")
    for line in lines:
        _echo(f"{'':20}| {line}")


def _echo(text: str) -> None:
    # Whoever listened may be gone: that is no reason to stop what runs.
    with suppress(OSError):
        click.echo(text)


def _tell_ready(json_: bool, places: dict[str, str], folders: "Folders", seconds: float) -> None:
    if json_:
        told = {"time": time.time(), "process": "all", "event": "ready", "words": f"up after {seconds:.1f} s"}
        _echo(json.dumps({**told, "seconds": round(seconds, 1), **places, "logs": str(folders.root)}))
        return
    _echo(f"{time.strftime('%H:%M:%S')}  all      up after {seconds:.1f} s")
    _echo(f"\n  Prefect UI  {places['ui']}\n  Gateway     {places['gateway']}\n  Logs        {folders.root}")
    _echo("  Ctrl-C ends it all.\n")
