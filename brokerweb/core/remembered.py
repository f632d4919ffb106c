"""What a process remembers of its store, and has counted of what went through it: forgotten where that may be another's.

A module that remembers says here how it forgets, so that whoever comes to another store does not have to know of each.
"""

from __future__ import annotations

from collections.abc import Callable

Forget = Callable[[], object]
_of_store: list[Forget] = []
_of_run: list[Forget] = []


def of_store(forget: Forget) -> None:
    """``forget`` drops what is believed to be in the store, which is then asked for, or written, again. At any time."""
    _of_store.append(forget)


def of_run(forget: Forget) -> None:
    """``forget`` drops what was noted since a broker began here, and is nothing to one that begins now."""
    _of_run.append(forget)


def ask_anew() -> None:
    """The store may have gone back to an earlier state."""
    for forget in _of_store:
        forget()


def begin() -> None:
    """A broker begins, maybe on another store than the one before."""
    for forget in (*_of_store, *_of_run):
        forget()
