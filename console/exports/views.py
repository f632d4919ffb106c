"""A list as a file, streamed: never held as a whole, and ended with a line that says whether it is all."""

from __future__ import annotations

import threading
import time
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from asgiref.sync import sync_to_async
from django.db import OperationalError
from django.http import HttpResponseBase, StreamingHttpResponse

from brokerweb.console.exports.lists import LISTS, Rows
from brokerweb.console.exports.writing import FORMS, Form
from brokerweb.console.page import SignedIn, page, told
from brokerweb.core.errors import BrokerError, Invalid, NotFound, RateLimited, Unauthenticated
from brokerweb.faces.export import require
from brokerweb.identity import tokens
from brokerweb.identity.principal import Principal

AT_ONCE, OF_A_PERSON = 4, 2  # exports of this process
MAX_ROWS = 100_000
CHECKED = 5.0  # seconds after which it is looked anew whether the person may still look
_running: Counter[str] = Counter()  # by who has them
_mutex = threading.Lock()


class _Streamed(StreamingHttpResponse):
    """An answer that gives its place back when it is over, also where nobody read it, or it was never sent."""

    def __init__(self, *args: Any, owner: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._give_back = weakref.finalize(self, _give_back, owner)

    def close(self) -> None:
        super().close()
        self._give_back()


def _take(owner: str) -> None:
    """Raises RateLimited."""
    with _mutex:
        if _running[owner] >= OF_A_PERSON or _running.total() >= AT_ONCE:
            raise RateLimited("So many exports run already; try again in a moment.")
        _running[owner] += 1


def _give_back(owner: str) -> None:
    with _mutex:
        _running[owner] -= 1
        if not _running[owner]:
            del _running[owner]


@page
def export(request: SignedIn, what: str) -> HttpResponseBase:
    """All rows of a list. Raises NotFound for no list, Invalid for what no filter is, Forbidden, RateLimited."""
    require()
    if what not in LISTS:
        raise NotFound("There is no such list.")
    kind = request.GET.get("format", "csv")
    form = FORMS.get(kind)
    if form is None:
        raise Invalid.at("/format", "ndjson or csv")
    run = _Run(request.principal, LISTS[what](request), form)
    _take(request.principal.owner)
    response = _Streamed(_written(run), owner=request.principal.owner, content_type=form.media_type)
    response["Content-Disposition"] = f'attachment; filename="{run.rows.name}.{kind}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


class _Run:
    """One export's turns."""

    def __init__(self, principal: Principal, rows: Rows, form: Form) -> None:
        """Raises what the first rows do, while it can be a page of its own."""
        self.rows, self.form, self._principal = rows, form, principal
        self._left, self._checked, found = MAX_ROWS, time.monotonic(), rows.parts
        self._parts: Iterator[Sequence[Any]] = chain(list(islice(found, 1)), found)
        self.outcome: dict[str, Any] = {}

    def turn(self) -> bytes | None:
        """The next rows as bytes; None when there are no more: ``outcome`` says why. For a thread that may read."""
        try:
            self._check()
            found = next(self._parts, None)
        except (BrokerError, OperationalError) as failure:
            error = told(failure)
            self._end({"complete": False, "error": {"code": error.code, "message": error.detail}})
            return None
        if found is None:
            self._end({"complete": False, "stopped": "limit"} if self.rows.cut else {"complete": True})
            return None
        part = found[: self._left]
        self._left -= len(part)
        if len(part) < len(found):
            self._parts = iter(())
            self.outcome = {"complete": False, "stopped": "limit"}
        return self.form.rows(self.rows.columns, part)

    def _end(self, how: dict[str, Any]) -> None:
        self.outcome = self.outcome or how
        self.outcome = {"rows": MAX_ROWS - self._left, **self.outcome}

    def _check(self) -> None:
        if time.monotonic() - self._checked > CHECKED:
            self._checked = time.monotonic()
            if not tokens.still_valid(self._principal):
                raise Unauthenticated("the session has ended, or its rights have changed")


async def _written(run: _Run) -> AsyncIterator[bytes]:
    yield run.form.begin(run.rows.columns)
    turn = sync_to_async(run.turn)
    while (part := await turn()) is not None:
        yield part
    yield run.form.end(run.outcome)
