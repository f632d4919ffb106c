"""The zone in which a person reads instants: a cookie's, else UTC. Django's current time zone while a page is made."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.http import HttpRequest
from django.utils import timezone

from brokerweb.core import clock

COOKIE = "console_zone"
_RENAMED = {  # as browsers name zones that have another name by now, under which alone some machines have them
    "America/Buenos_Aires": "America/Argentina/Buenos_Aires",
    "America/Indianapolis": "America/Indiana/Indianapolis",
    "Asia/Calcutta": "Asia/Kolkata",
    "Asia/Katmandu": "Asia/Kathmandu",
    "Asia/Rangoon": "Asia/Yangon",
    "Asia/Saigon": "Asia/Ho_Chi_Minh",
    "Atlantic/Faeroe": "Atlantic/Faroe",
    "Europe/Kiev": "Europe/Kyiv",
}


@cache
def names() -> list[str]:
    """The zones that can be chosen, UTC the first."""
    return ["UTC", *sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/"))]


def known(name: str) -> str:
    """The zone of that name, or of the older one that browsers still give it; empty where this machine knows none."""
    newer = _RENAMED.get(name, name)
    return next((each for each in (newer, name) if each in names()), "")


def of(request: HttpRequest) -> tzinfo:
    """The zone that the person has chosen; UTC where that is none that this machine knows."""
    found = known(request.COOKIES.get(COOKIE, ""))
    return ZoneInfo(found) if found not in ("", "UTC") else UTC


def name() -> str:
    """What the zone in use is called, as in ``Europe/Berlin``."""
    return timezone.get_current_timezone_name()


def word() -> str:
    """The same for a heading: ``UTC``, ``Berlin``."""
    return name().rpartition("/")[2].replace("_", " ")


def local(instant: datetime) -> datetime:
    """The instant on the clocks of the zone in use."""
    return instant.astimezone(timezone.get_current_timezone())


def meant(instant: int) -> int:
    """The instant at which the clocks of the zone in use show what those of UTC show at ``instant``."""
    shown = clock.to_datetime(instant).replace(tzinfo=timezone.get_current_timezone())
    return clock.from_datetime(shown)
