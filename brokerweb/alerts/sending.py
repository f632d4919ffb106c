"""How a channel is told: by mail, by a webhook as Standard Webhooks has it, or in Slack's format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend
from standardwebhooks import Webhook

from brokerweb import conf
from brokerweb.alerts import channels
from brokerweb.alerts.alerts import RESOLVED, TEST
from brokerweb.cluster.models import AlertChannel
from brokerweb.core import clock
from brokerweb.core.errors import shorten

TIMEOUT = 10.0  # seconds


class NotSent(Exception):
    """It was not taken; the text says why."""


def send(channel: AlertChannel, told: Mapping[str, Any], number: str) -> None:
    """Tell it; ``number`` is the same at every try, so that whoever has taken it before knows. Raises NotSent."""
    ways = {channels.EMAIL: _mail, channels.WEBHOOK: _webhook, channels.SLACK: _slack}
    try:
        ways[channel.kind](channel, told, number)
    except NotSent:
        raise
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotSent(f"{channels.shown(channel)}: {type(error).__name__}") from error  # its text may have the URL
    except (OSError, ValueError) as error:
        raise NotSent(shorten(f"{type(error).__name__}: {error}")) from error


def subject(told: Mapping[str, Any]) -> str:
    """In one line what it is about."""
    where = f"[{told['environment']}] " if told.get("environment") else ""
    if told["event"] == TEST:
        return f"{where}Test of alerts"
    n = len(told["alerts"]) + told["more"]
    of = told["alerts"][0]["target"] if n == 1 else f"{n} things"
    return f"{where}{'Resolved' if told['event'] == RESOLVED else 'Firing'}: {told['rule']['name']}, {of}"


def lines(told: Mapping[str, Any]) -> list[str]:
    """What each alert says, a line each, with where to look."""
    if told["event"] == TEST:
        return [f"This is a test, from {told['broker']}."]
    found = [f"{alert['target']}: {alert['text']} (since {alert['since_at'][:19]}Z) {alert['url']}" for alert in told["alerts"]]
    return found + ([f"and {told['more']:,} more: {told['broker']}/alerts"] if told["more"] else [])


def _mail(channel: AlertChannel, told: Mapping[str, Any], number: str) -> None:
    sender = conf.get().email_from or None
    to = [address.strip() for address in channel.to.split(",")]
    headers = {"Message-ID": f"<{number}@brokerweb>"}
    text = "\n".join([*lines(told), "", f"{told['broker']}/alerts"])
    message = EmailMessage(subject(told), text, sender, to, headers=headers)
    if conf.get().email_url:
        _server(conf.get().email_url).send_messages([message])
    else:
        message.send()


def _server(url: str) -> EmailBackend:
    parts = urlsplit(url)
    starttls = parse_qs(parts.query).get("tls") == ["1"]
    ssl = parts.scheme == "smtps"
    return EmailBackend(
        host=parts.hostname,
        port=parts.port or (465 if ssl else 587 if starttls else 25),
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        use_tls=starttls and not ssl,
        use_ssl=ssl,
        timeout=TIMEOUT,
    )


def _webhook(channel: AlertChannel, told: Mapping[str, Any], number: str) -> None:
    now = datetime.now(UTC)
    body = json.dumps({"type": told["event"], "timestamp": clock.rfc3339(clock.wall()), "data": dict(told)})
    signature = Webhook(channel.secret).sign(number, now, body)
    headers = {
        "content-type": "application/json",
        "webhook-id": number,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    _post(channel, body, headers)


def _slack(channel: AlertChannel, told: Mapping[str, Any], number: str) -> None:
    text = "\n".join([f"*{_escaped(subject(told))}*", *map(_escaped, lines(told))])
    _post(channel, json.dumps({"text": text}), {"content-type": "application/json"})


def _escaped(text: str) -> str:
    """As Slack wants text that is no markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _post(channel: AlertChannel, body: str, headers: Mapping[str, str]) -> None:
    """Anything but 2xx was not taken; redirects are not followed, and of an answer nothing but its status is read."""
    with (
        httpx.Client(timeout=TIMEOUT, follow_redirects=False) as client,
        client.stream("POST", channel.to, content=body, headers=dict(headers)) as response,
    ):
        if not response.is_success:
            raise NotSent(f"{channels.shown(channel)} answered {response.status_code}")
