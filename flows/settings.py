"""The environment that a release runs in: libraries quiet, their telemetry off."""

import os

DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "PREFECT_TASKS_REFRESH_CACHE": "true",
    "MPLBACKEND": "Agg",
}


def set_defaults() -> None:
    """What the environment does not say yet. Called before the libraries are imported, since they read it then."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)


def start_server_beside_imports() -> None:
    """Starts Prefect's ephemeral server, unless PREFECT_API_URL names one, while this process imports the rest."""
    import threading

    from prefect.settings import get_current_settings

    if get_current_settings().api.url is not None:
        return
    from prefect.server.api.server import SubprocessASGIServer

    threading.Thread(target=SubprocessASGIServer().start, daemon=True).start()
