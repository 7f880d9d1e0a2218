"""What the ledger added up to when it was read last, in this account's home: to serve by while the store is away."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from expectations.state_json import state_from_json
from infra.checkpoints import Known
from infra.keys import keep_highest, place_name


def keep_state(home: Path, store_url: str, known: Known) -> None:
    """Of all gateways of this account, the one that has read furthest is kept."""
    content = {"seq": known.seq, "head": known.head, "state": known.state.as_json()}
    path = _path(home, store_url)
    keep_highest(home, path, content, lambda: _content(path))


def last_state(home: Path, store_url: str) -> Known:
    """What was kept; nothing where there is none, or one of another version."""
    with suppress(KeyError, TypeError, ValueError):
        if content := _content(_path(home, store_url)):
            return Known(int(content["seq"]), str(content["head"]), state_from_json(content["state"]))
    return Known()


def _content(path: Path) -> dict[str, Any] | None:
    # A broken one is as good as none: it is written anew from the ledger.
    with suppress(FileNotFoundError, ValueError):
        content = json.loads(path.read_text())
        return content if isinstance(content, dict) and isinstance(content.get("seq"), int) else None
    return None


def _path(home: Path, store_url: str) -> Path:
    return home / "gateway" / f"{place_name(store_url)}.json"
