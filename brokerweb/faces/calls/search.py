"""Search: the whole of a call, since the loop runs it in turns on threads of its own, and its client may leave."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from brokerweb.answers.search import running
from brokerweb.answers.search.search import DEFAULT_BUDGET, LEAST_BUDGET, MOST_BUDGET, Found
from brokerweb.faces.calls.call import Call, waiting
from brokerweb.faces.codec import hits
from brokerweb.faces.codec.query import DEFAULT_LIMIT, LIMIT, MAX_LIMIT, Parameter, Query

Q = Parameter("q", {"type": "string", "default": ""}, "words and conditions, all of which must hold; without any, everything")
IN = Parameter(
    "in",
    {"type": "array", "items": {"type": "string", "pattern": r"^(queue|stream):[A-Za-z0-9._*?-]{1,200}$"}},
    "`queue:PATTERN` or `stream:PATTERN`, repeated; without it everything you may browse",
)
BUDGET = Parameter(
    "budget",
    {"type": "number", "minimum": LEAST_BUDGET, "maximum": MOST_BUDGET, "default": DEFAULT_BUDGET},
    "seconds after which it stops and says how far it came",
)
AFTER = Parameter("after", {"type": "string"}, "the cursor `next` of the call before, with the same `q` and `in`")
PARAMETERS = (Q, IN, LIMIT, AFTER, BUDGET)
_NAMES = tuple(parameter.name for parameter in PARAMETERS)


async def search(call: Call) -> bytes:
    """What matches, of what the caller may browse."""
    query = Query(call.query, _NAMES, ("in",))
    limit = query.integer("limit", DEFAULT_LIMIT, 1, MAX_LIMIT) or DEFAULT_LIMIT
    budget = query.number("budget", DEFAULT_BUDGET, LEAST_BUDGET, MOST_BUDGET)
    asked = running.asearch(call.principal, query.text("q") or "", query.texts("in"), limit, query.text("after"), budget=budget)
    async with waiting(call) as gone:
        found = await _unless_gone(asked, gone)
    return b"" if found is None else hits.encode(found)


async def _unless_gone(asked: Coroutine[Any, Any, Found], gone: asyncio.Event) -> Found | None:
    search, left = asyncio.ensure_future(asked), asyncio.ensure_future(gone.wait())
    try:
        await asyncio.wait({search, left}, return_when=asyncio.FIRST_COMPLETED)
        return search.result() if search.done() else None
    finally:
        search.cancel()
        left.cancel()
