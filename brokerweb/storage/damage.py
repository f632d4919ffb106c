"""What is wrong with the store's files, once a running broker knows: from then on nothing is confirmed into such a store."""

from __future__ import annotations

import logging
from collections.abc import Callable

from brokerweb.core.errors import Unavailable

log = logging.getLogger(__name__)
_SAYS = ("database disk image is malformed", "malformed database schema", "file is not a database")  # SQLite, of a broken file
_running = False
_found: str | None = None
_look: Callable[[], str | None] | None = None


def begin() -> None:
    """A broker runs in this process, and nothing is known to be wrong."""
    global _running, _found
    _running, _found = True, None


def end() -> None:
    """No broker runs here any more."""
    global _running, _found, _look
    _running, _found, _look = False, None, None


def watch(look: Callable[[], str | None] | None) -> None:
    """From now on ``look`` tells whether a file is not the one that was opened; None: nothing tells."""
    global _look
    _look = look


def opening() -> str | None:
    """Why no connection may be opened now: it would make a file that is gone anew, and empty. None where it may."""
    wrong = _look() if _look is not None else None
    if wrong is not None:
        note(wrong)
    return wrong


def note(reason: str) -> None:
    """The store is damaged for the rest of this run. The first reason stays."""
    global _found
    if _running and _found is None:
        _found = reason
        log.critical("nothing is stored any more: %s", reason)


def look_at(error: BaseException) -> bool:
    """Note what a database's error says about its file, and tell whether it says anything."""
    text = str(error)
    tells = any(says in text for says in _SAYS)
    if tells:
        note(text)
    return tells


def refuse() -> None:
    """Raises Unavailable where the store is damaged: what it would keep may be lost already."""
    if _found is not None:
        raise Unavailable(f"The store is damaged: {_found}.")


def found() -> str | None:
    """What is wrong, or None."""
    return _found
