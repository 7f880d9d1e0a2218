"""Answering requests: serve."""

import json
import time
from pathlib import Path

import click

from flows.answering import Command, as_json, store_option


@click.command(cls=Command)
@store_option
@click.option("--model", "models", multiple=True, help="Which to serve, as often as there are. Default: all.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8080, show_default=True, help="0: any that is free; it is told.")
@click.option("--processes", default=1, show_default=True, type=click.IntRange(1, 256), help="About one a core.")
@click.option("--tokens", type=click.Path(path_type=Path), help="Who may ask: sha256 of each token, name and roles.")
@click.option("--tls-cert", type=click.Path(path_type=Path), help="PEM: the certificate and its chain.")
@click.option("--tls-key", type=click.Path(path_type=Path), help="PEM: the certificate's key.")
@click.option(
    "--log-every", "log_every_s", default=10.0, show_default=True, help="Seconds until predictions are in the store."
)
@click.option(
    "--trust", multiple=True, type=click.Path(path_type=Path), help="Public keys that may sign. Default: one's own."
)
@click.option("--exposed", is_flag=True, help="Others may reach it without TLS and tokens: something else guards it.")
@as_json
def serve(
    store_url: str,
    models: tuple[str, ...],
    host: str,
    port: int,
    processes: int,
    tokens: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    log_every_s: float,
    trust: tuple[Path, ...],
    exposed: bool,
    json_: bool,
) -> None:
    """Answer requests for what the ledger says is champion, and for its challenger, until Ctrl-C.

    It follows the ledger by itself: promotions, rollouts, rollbacks and modes need no restart.

    Example: seatrial serve --store ./store --model ames-price
    """
    from infra.gateway.supervisor import Gateway, run_gateway

    def tell(level: str, words: str) -> None:
        if json_:
            click.echo(json.dumps({"level": level, "words": words}))
        else:
            click.echo(f"{time.strftime('%H:%M:%S')} {'✗ ' if level in ('error', 'critical') else ''}{words}")

    def up(url: str) -> None:
        if json_:
            click.echo(json.dumps({"listening": url, "processes": processes, "models": list(models)}))
        else:
            asked = ", ".join(models) or "every model that has a champion"
            click.echo(f"Listening on {url}, {processes} process(es), for {asked}. Ctrl-C ends it.")

    gateway = Gateway(store_url, models, host, port, processes, tokens, tls_cert, tls_key, exposed, log_every_s, trust)
    run_gateway(gateway, tell, up)
    if not json_:
        click.echo("Ended; what was asked before was answered.")
