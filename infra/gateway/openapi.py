"""The interface, described."""

from collections.abc import Sequence
from typing import Any

from infra.gateway.limits import Limits


def document(models: Sequence[str], limits: Limits, guarded: bool) -> dict[str, Any]:
    """An OpenAPI 3.1 document."""
    return {"openapi": "3.1.0", "info": {"title": "Seatrial gateway", "version": "2"}, "paths": {}}
