"""Who is told that this node goes: every open socket, also one whose caller has yet to say who they are. On the loop."""

from __future__ import annotations

from collections.abc import Callable

Close = Callable[[int, str], None]

_open: set[Close] = set()


def enter(close: Close) -> Callable[[], None]:
    """``close(code, reason)`` will end a socket; call what is returned when it is over."""
    _open.add(close)
    return lambda: _open.discard(close)


def tell(code: int, reason: str) -> None:
    for close in list(_open):
        close(code, reason)


def awaited() -> bool:
    """Whether a socket is still there."""
    return bool(_open)
