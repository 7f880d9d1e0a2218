"""What the deployments of a store are called."""

from pathlib import Path

from infra.keys import place_name


def deployment_name(store: str) -> str:
    """The same for the same store, and another for any other: several can be served from one Prefect server."""
    last = "".join(character if character.isalnum() else "-" for character in store.split("?")[0].rstrip("/")[-40:])
    return f"{last.rpartition('-')[2] or 'store'}-{place_name(store)[:6]}"


def absolute(store: str) -> str:
    """A store's URL that means the same wherever a run is started."""
    return store if "://" in store else str(Path(store).resolve())
