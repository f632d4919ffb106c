"""The calls whose every microsecond counts: handlers that know no framework, and the table that says all about them."""

from __future__ import annotations

from brokerweb.faces.calls.call import Call, Row
from brokerweb.faces.calls.table import CALLS, answer, find

__all__ = ["CALLS", "Call", "Row", "answer", "find"]
