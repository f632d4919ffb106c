"""What a search finds, streamed as lines or as CSV straight from ASGI: never held, and ended with a line that says whether it is
all.

A cell of CSV that a spreadsheet would take for a formula begins with an apostrophe, which ``text_of`` takes away again.
"""

from __future__ import annotations

import asyncio
import csv
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from io import StringIO
from typing import Any, Protocol

import msgspec

from brokerweb import conf
from brokerweb.answers.search import running
from brokerweb.answers.search.search import Found, Hit
from brokerweb.core.errors import BrokerError, Forbidden, Invalid, Unauthenticated
from brokerweb.delivery.polls import waits
from brokerweb.faces.codec import hits, problems
from brokerweb.faces.codec.query import Parameter, Query
from brokerweb.faces.http import caller, hosts
from brokerweb.faces.http.body import COMMON, Receive, Scope, Send, send_problem
from brokerweb.identity.principal import Principal

PATH = "/api/v1/search/export"
MAX_ROWS = 1_000_000
STUCK = 30.0  # seconds one write may take before the client counts as too slow
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
LIMIT = Parameter("limit", {"type": "integer", "minimum": 1, "maximum": MAX_ROWS, "default": MAX_ROWS}, "how many rows at most")
FORMAT = Parameter("format", {"type": "string", "enum": ["ndjson", "csv"], "default": "ndjson"}, "lines of JSON, or CSV")
COLUMNS = (
    "destination", "id", "partition", "offset", "state", "published_at", "key", "headers", "content_type", "body", "body_base64",
    "correlation_id", "publisher", "priority", "attempts", "failures", "redrives", "reason", "last_error", "fingerprint",
)  # fmt: skip
MAY_BE_EMPTY = frozenset({"key", "body_base64", "correlation_id"})
OUTCOME = frozenset({"rows", "complete", "scanned", "of", "stopped", "error"})
_encode = msgspec.json.Encoder().encode


class Format(Protocol):
    """How rows become bytes."""

    name: str
    media_type: str

    def begin(self) -> bytes: ...
    def rows(self, found: Sequence[Hit]) -> bytes: ...
    def end(self, outcome: dict[str, Any]) -> bytes: ...


class Lines:
    """An object a line; the last has ``complete``, which no other has."""

    name = "ndjson"
    media_type = "application/x-ndjson"

    def begin(self) -> bytes:
        return b""

    def rows(self, found: Sequence[Hit]) -> bytes:
        return b"".join(hits.encode_one(hit) + b"\n" for hit in found)

    def end(self, outcome: dict[str, Any]) -> bytes:
        return _encode(outcome) + b"\n"


class Table:
    """A row each below the columns' names; the last begins with ``#``, and says the outcome as JSON."""

    name = "csv"
    media_type = "text/csv; charset=utf-8"

    def begin(self) -> bytes:
        return csv_rows([COLUMNS])

    def rows(self, found: Sequence[Hit]) -> bytes:
        return csv_rows([[*map(cell, _values(hit), COLUMNS)] for hit in found])

    def end(self, outcome: dict[str, Any]) -> bytes:
        return csv_rows([("#", _encode(outcome).decode())])


def csv_rows(rows: Sequence[Sequence[str]]) -> bytes:
    """Rows of CSV."""
    text = StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def cell(value: Any, column: str = "") -> str:
    """A value in a cell, which no spreadsheet takes for a formula. An apostrophe alone is a text without letters, in columns
    where there may be none.
    """
    text = "" if value is None else bytes(value).decode() if isinstance(value, msgspec.Raw) else str(value)
    bare = text.lstrip("'")
    quoted = bare.startswith(FORMULA) or (not bare and column in MAY_BE_EMPTY and value is not None)
    return f"'{text}" if quoted else text


def text_of(cell: str, column: str) -> str:
    """What ``cell`` made the text of a cell of."""
    bare = cell.lstrip("'")
    quoted = bare.startswith(FORMULA) or (not bare and column in MAY_BE_EMPTY)
    return cell[1:] if quoted and cell.startswith("'") else cell


def is_outcome(said: Any) -> bool:
    """Whether JSON is what the last line of an export says."""
    plain = isinstance(said, dict) and isinstance(said.get("complete"), bool)
    return plain and said.keys() <= OUTCOME and not said.keys().isdisjoint({"rows", "scanned"})


def _values(hit: Hit) -> list[Any]:
    known = msgspec.json.decode(hits.encode_one(hit), type=dict[str, msgspec.Raw])
    known.setdefault("published_at", known.get("appended_at", msgspec.Raw(b"null")))
    return [_value(known[name], as_json=name in ("body", "headers")) if name in known else None for name in COLUMNS]


def _value(value: msgspec.Raw, *, as_json: bool) -> Any:
    return bytes(value).decode() if as_json else msgspec.json.decode(value)


_FORMATS: dict[str, Callable[[], Format]] = {"ndjson": Lines, "csv": Table}


def require() -> None:
    """Raises Forbidden where nothing is to be taken as a file, by whomever."""
    if not conf.get().export:
        raise Forbidden("Exports are switched off here (BROKERWEB_EXPORT): what you may look at is on the pages.")


def matches(scope: Scope) -> bool:
    """Whether ``app`` answers this request."""
    return scope["method"] in ("GET", "HEAD") and scope["path"] == PATH


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """An ASGI application for the requests that ``matches``."""
    try:
        export = await _begin(scope)
        first = await anext(export.found)
    except Exception as failure:  # an ASGI application answers for whatever went wrong
        await send_problem(send, problems.of_exception(failure))
        return
    gone = asyncio.Event()
    reader = asyncio.ensure_future(_until_gone(receive, gone))
    try:
        with suppress(TimeoutError, Unauthenticated), waits.entered(export.principal, gone.set):
            await export.write(send, first, gone, head=scope["method"] == "HEAD")
    finally:
        reader.cancel()
        await export.found.aclose()


async def _begin(scope: Scope) -> Export:
    headers = dict(scope["headers"])
    hosts.check(scope, headers)
    principal = await caller.of_reader(headers)
    require()
    query = Query(scope["query_string"].decode("latin-1"), ("q", "in", "format", "limit"), ("in",))
    make = _FORMATS.get(query.text("format") or "ndjson")
    if make is None:
        raise Invalid.at("/format", "ndjson or csv")
    limit = query.integer("limit", MAX_ROWS, 1, MAX_ROWS) or MAX_ROWS
    return Export(principal, make(), running.export(principal, query.text("q") or "", query.texts("in"), limit))


class Export:
    """One answer: what is found goes on to the client as it is found."""

    def __init__(self, principal: Principal, form: Format, found: AsyncGenerator[list[Hit] | Found]) -> None:
        self.principal, self.found, self._form, self._rows = principal, found, form, 0

    async def write(self, send: Send, first: list[Hit] | Found, gone: asyncio.Event, *, head: bool) -> None:
        """Raises TimeoutError when the client does not take what is sent. After ``gone`` nothing more is looked for."""
        kind, name = self._form.media_type, self._form.name
        about = [(b"content-type", kind.encode()), (b"content-disposition", b'attachment; filename="search.%b"' % name.encode())]
        await self._put(send, {"type": "http.response.start", "status": 200, "headers": [*about, *COMMON]})
        if not head:
            await self._chunk(send, self._form.begin())
            await self._chunk(send, self._form.end(await self._all(send, first, gone)))
        await self._put(send, {"type": "http.response.body", "body": b""})

    async def _all(self, send: Send, first: list[Hit] | Found, gone: asyncio.Event) -> dict[str, Any]:
        """What the last line says."""
        try:
            found: list[Hit] | Found | None = first
            while isinstance(found, list):
                await self._chunk(send, self._form.rows(found))
                self._rows += len(found)
                if gone.is_set():
                    raise Unauthenticated("the client has left, or its rights have ended")
                found = await anext(self.found, None)
        except BrokerError as error:
            return {"complete": False, "rows": self._rows, "error": {"code": error.code, "message": error.detail}}
        told = hits.outcome(found) if found is not None else {"complete": False}
        return {"rows": self._rows} | {name: told[name] for name in ("complete", "scanned", "of", "stopped") if name in told}

    async def _chunk(self, send: Send, content: bytes) -> None:
        if content:
            await self._put(send, {"type": "http.response.body", "body": content, "more_body": True})

    async def _put(self, send: Send, message: dict[str, Any]) -> None:
        async with asyncio.timeout(STUCK):
            await send(message)


async def _until_gone(receive: Receive, gone: asyncio.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    gone.set()
