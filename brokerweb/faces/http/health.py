"""``/healthz``: the process answers. ``/readyz``: it should be given work. Both without credentials, whatever the Host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from brokerweb.faces.http.body import Send, send_json

PATHS = frozenset({"/healthz", "/readyz"})
Readiness = Callable[[], tuple[int, dict[str, Any]]]


async def answer(path: str, send: Send, readiness: Readiness) -> None:
    """Answer for one of the two pages."""
    status, content = (200, {"status": "ok"}) if path == "/healthz" else readiness()
    await send_json(send, status, content)
