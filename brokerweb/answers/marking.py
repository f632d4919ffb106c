"""Who may mark an instant, and which, for programs as for people."""

from __future__ import annotations

from brokerweb.cluster import marks
from brokerweb.core import clock
from brokerweb.core.errors import Forbidden, Invalid
from brokerweb.core.limits import check_text
from brokerweb.core.names import parse_destination
from brokerweb.identity.grants import MANAGE
from brokerweb.identity.principal import Principal

AHEAD = 60.0  # seconds that a mark may be ahead: clocks differ


def may_mark(principal: Principal) -> bool:
    """Whether the broker as a whole may be marked: by whoever manages anything."""
    return not principal.read_only and any(permit.gives(MANAGE) for permit in principal.permits)


def check(principal: Principal, text: str, at: int | None, target: str | None) -> int:
    """The instant that is to be marked, by the wall. Raises Forbidden and Invalid."""
    check_text(text, "/text")
    wall = clock.wall()
    instant = wall if at is None else at
    if not wall - clock.seconds(marks.KEPT_FOR) <= instant <= wall + clock.seconds(AHEAD):
        raise Invalid.at("/at", "an instant of the last 30 days")
    if target is not None:
        principal.require(MANAGE, *parse_destination(target, "/target"))
    elif not may_mark(principal):
        principal.require_changes()
        raise Forbidden("this needs the verb manage")
    return instant
