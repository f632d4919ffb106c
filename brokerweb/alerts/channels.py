"""Channels: where alerts are sent. A URL may be a secret itself: it is shown as its host, and nowhere else."""

from __future__ import annotations

import base64
import secrets
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from brokerweb.alerts.rules import LOCK
from brokerweb.cluster.models import AlertChannel, AlertRule
from brokerweb.core import clock
from brokerweb.core.errors import Conflict, Invalid, NotFound
from brokerweb.core.names import check_name
from brokerweb.core.settings import Setting, table
from brokerweb.identity import audit
from brokerweb.identity.principal import Principal
from brokerweb.storage.declared import declaring_here

EMAIL, WEBHOOK, SLACK = KINDS = ("email", "webhook", "slack")
MOST = 50  # channels
MOST_ADDRESSES = 20
LONGEST = 2_000  # characters of a URL
SECRET = "whsec_"  # noqa: S105 (how every secret begins)


def new_secret() -> str:
    """As Standard Webhooks has secrets: 32 random bytes in base64 behind ``whsec_``."""
    return SECRET + base64.b64encode(secrets.token_bytes(32)).decode()


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _secret(value: Any) -> str:
    try:
        return check_secret(value)
    except Invalid as error:
        raise ValueError(error.extra["errors"][0]["detail"]) from None


TABLE = table(  # what a channel is said to be
    Setting(column="kind", type=str, default=None, words=KINDS, rule=f"one of {', '.join(KINDS)}"),
    Setting(column="to", type=str, default=None, parse=_text, rule="addresses, or a URL"),
    Setting(column="secret", type=str, default=None, parse=_secret),
)


def check_to(kind: str, to: str, pointer: str = "/to") -> str:
    """Where that kind of channel leads, in its one way to write it. Raises Invalid."""
    if kind not in KINDS:
        raise Invalid.at("/kind", f"one of {', '.join(KINDS)}")
    if kind == EMAIL:
        addresses = [address.strip() for address in to.split(",") if address.strip()]
        if not 1 <= len(addresses) <= MOST_ADDRESSES:
            raise Invalid.at(pointer, f"1 to {MOST_ADDRESSES} addresses, with commas between them")
        for address in addresses:
            try:
                validate_email(address)
            except ValidationError:
                raise Invalid.at(pointer, f"{address!r} is no address") from None
        return ", ".join(addresses)
    try:
        parts = httpx.URL(to.strip())
        there = parts.scheme in ("http", "https") and bool(parts.host) and 0 < (parts.port or 1) < 65_536
    except (ValueError, httpx.InvalidURL):
        there = False
    if not there or len(to) > LONGEST or not to.strip().isascii() or not to.strip().isprintable() or " " in to.strip():
        raise Invalid.at(pointer, "a URL with http:// or https://")
    return to.strip()


def check_secret(secret: object, pointer: str = "/secret") -> str:
    """A secret as Standard Webhooks has one. Raises Invalid."""
    text = secret if isinstance(secret, str) and secret.startswith(SECRET) else ""
    try:
        if 24 <= len(base64.b64decode(text.removeprefix(SECRET), validate=True)) <= 64:
            return text
    except ValueError:
        pass
    raise Invalid.at(pointer, f"{SECRET} and 24 to 64 bytes in base64")


def shown(channel: AlertChannel) -> str:
    """Where it leads, as far as it may be shown."""
    return shown_as(channel.kind, channel.to)


def shown_as(kind: str, to: str) -> str:
    """Where such a channel leads, as far as it may be shown: of a URL its host."""
    if kind == EMAIL:
        return to
    parts = urlsplit(to)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "") + "/…"


def as_json(channel: AlertChannel) -> dict[str, Any]:
    """As answers show it, without its secret."""
    return {
        "name": channel.name,
        "kind": channel.kind,
        "to": shown(channel),
        "sent_at": _instant(channel.sent_at),
        "failed_at": _instant(channel.failed_at),
        "error": channel.error or None,
    }


def _instant(at: Any) -> str | None:
    return None if at is None else clock.rfc3339(clock.from_datetime(at))


def listed() -> list[AlertChannel]:
    """All, by name."""
    return list(AlertChannel.objects.order_by("name"))


def find(name: str) -> AlertChannel:
    """Raises NotFound."""
    found = AlertChannel.objects.filter(pk=name).first()
    if found is None:
        raise NotFound("There is no channel of that name.")
    return found


def declare(
    by: Principal,
    name: str,
    kind: str,
    to: str | None,
    *,
    secret: str | None = None,
    address: str | None = None,
    new: bool | None = None,
) -> tuple[AlertChannel, str | None]:
    """Make or change it; it, and its secret where one was made, which is shown this once. Without ``to`` that stays, and so
    does the secret. One that is to be ``new``, or is not to be, is not there yet, or is.

    Raises Invalid, NotFound, and Conflict where there are too many or it is of another kind.
    """
    check_name(name)
    with transaction.atomic():
        declaring_here(LOCK)
        before = find(name) if new is False else AlertChannel.objects.filter(pk=name).first()
        if before is not None and new:
            raise Invalid.at("/name", "There is a channel of that name.")
        if before is None and AlertChannel.objects.count() >= MOST:
            raise Conflict(f"there are {MOST} channels; remove one first")
        if before is not None and before.kind != kind:
            raise Conflict(f"{name} is a channel of the kind {before.kind}; make another one")
        leads = check_to(kind, to if to is not None else before.to if before is not None else "")
        if secret is not None and kind != WEBHOOK:
            raise Invalid.at("/secret", "only webhooks have one")
        made = new_secret() if before is None and kind == WEBHOOK and secret is None else None
        channel = before or AlertChannel(name=name, kind=kind)
        signed = made or (channel.secret if secret is None else check_secret(secret))
        if before is not None and (before.to, before.secret) == (leads, signed):
            return before, None
        told: dict[str, Any] = {"kind": kind, "before": None if before is None else {"to": shown(before)}}
        if before is not None and secret is not None:
            told["signed_anew"] = True
        channel.to, channel.secret = leads, signed
        channel.save()
        told["after"] = {"to": shown(channel)}
        audit.record(by, "alert-channel.declare", f"alert-channel:{name}", detail=told, address=address)
    return channel, made


def delete(by: Principal, name: str, *, address: str | None = None) -> None:
    """Raises NotFound, and Conflict while a rule names it."""
    with transaction.atomic():
        declaring_here(LOCK)
        channel = find(name)
        naming = [rule for rule, channels in AlertRule.objects.values_list("name", "channels") if name in channels]
        if naming:
            raise Conflict(f"the rule {naming[0]} names it; change that first")
        channel.delete()
        audit.record(by, "alert-channel.delete", f"alert-channel:{name}", address=address)
