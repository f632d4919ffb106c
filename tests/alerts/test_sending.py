"""What channels are told, by real servers: mail, a webhook whose signature the standard's library checks, Slack's format."""

from __future__ import annotations

import email
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.core import mail
from standardwebhooks import Webhook, WebhookVerificationError

from brokerweb import conf
from brokerweb.alerts import channels, notices, rules
from brokerweb.alerts.alerts import FIRING, RESOLVED
from brokerweb.alerts.sending import NotSent, send
from brokerweb.cluster.models import AlertChannel, AlertNotice
from brokerweb.core import clock
from brokerweb.core.errors import Conflict, Invalid
from brokerweb.identity.models import AuditEntry
from brokerweb.storage.run import perform
from tests.alerts.stand import ADA, rule
from tests.server import free_port

pytestmark = pytest.mark.django_db(transaction=True)
TOLD: dict[str, Any] = {
    "event": FIRING, "rule": {"name": "many-dead"}, "more": 3, "environment": "prod", "broker": "http://broker.example",
    "alerts": [{"target": "queue:a", "text": "dead messages: 2 <b>&", "since_at": "2026-11-30T10:00:00.000000Z",
                "url": "http://broker.example/queues/a"}],
}  # fmt: skip


class Hook:
    """A server that takes what is posted; ``status`` is what it answers."""

    def __init__(self) -> None:
        self.status, self.taken = 204, list[tuple[dict[str, str], bytes]]()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                hook.taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(hook.status)
                self.send_header("location", hook.url + "/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/secret-path"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.server.shutdown()
    made.server.server_close()


class Mails:
    """What an SMTP server takes."""

    def __init__(self) -> None:
        self.taken: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 (the library's)
        self.taken.append((envelope.rcpt_tos, email.message_from_bytes(envelope.content)))
        return "250 OK"


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mails]:
    taken = Mails()
    server = Controller(taken, hostname="127.0.0.1", port=free_port())
    server.start()
    monkeypatch.setenv("BROKERWEB_EMAIL_URL", f"smtp://127.0.0.1:{server.port}")
    monkeypatch.setenv("BROKERWEB_EMAIL_FROM", "broker@broker.example")
    conf.forget()
    yield taken
    server.stop()


def test_a_webhook_is_signed(hook: Hook):
    channel, secret = channels.declare(ADA, "ops", "webhook", hook.url)
    assert secret is not None
    send(channel, TOLD, "alert_7")
    [(headers, body)] = hook.taken
    said: Any = Webhook(secret).verify(body.decode(), headers)
    assert (said["type"], said["data"]) == ("alert.firing", TOLD)
    assert headers["webhook-id"] == "alert_7"
    with pytest.raises(WebhookVerificationError):
        Webhook(channels.new_secret()).verify(body.decode(), headers)


def test_slack_is_told_text_that_is_no_markup(hook: Hook):
    channel, secret = channels.declare(ADA, "chat", "slack", hook.url)
    assert secret is None
    send(channel, TOLD, "alert_7")
    text = json.loads(hook.taken[0][1])["text"]
    assert text.startswith("*[prod] Firing: many-dead, 4 things*\nqueue:a: dead messages: 2 &lt;b&gt;&amp; (since 2026-11-30")
    assert text.endswith("and 3 more: http://broker.example/alerts")


def test_a_mail_goes_to_all_its_addresses(mails: Mails):
    channel, _ = channels.declare(ADA, "mail", "email", "ada@shop.example,bob@shop.example")
    send(channel, {**TOLD, "event": RESOLVED, "more": 0}, "alert_7")
    [(to, message)] = mails.taken
    assert to == ["ada@shop.example", "bob@shop.example"]
    assert message["Subject"] == "[prod] Resolved: many-dead, queue:a"
    assert message["From"] == "broker@broker.example"
    assert "http://broker.example/queues/a" in message.get_payload()


def test_without_a_server_of_its_own_mail_goes_by_the_projects():
    channel, _ = channels.declare(ADA, "mail", "email", "ada@shop.example")
    send(channel, TOLD, "alert_7")
    assert [message.subject for message in mail.outbox] == ["[prod] Firing: many-dead, 4 things"]


@pytest.mark.parametrize("status", [302, 400, 500])
def test_what_is_not_taken_says_why_without_the_secret_of_a_url(hook: Hook, status: int):
    hook.status = status
    channel, _ = channels.declare(ADA, "chat", "slack", hook.url)
    with pytest.raises(NotSent, match=str(status)) as caught:
        send(channel, TOLD, "alert_7")
    assert "secret" not in str(caught.value)
    assert len(hook.taken) == 1, "a redirect is not followed"
    hook.server.server_close()


def test_nobody_there(hook: Hook):
    channel, _ = channels.declare(ADA, "chat", "slack", f"http://127.0.0.1:{free_port()}/secret-path")
    with pytest.raises(NotSent) as caught:
        send(channel, TOLD, "alert_7")
    assert "secret" not in str(caught.value)


def test_what_is_not_taken_is_tried_again_and_given_up_in_the_end(monkeypatch: pytest.MonkeyPatch):
    at = clock.wall()
    monkeypatch.setattr(clock, "wall", lambda: at)
    monkeypatch.setattr(clock, "instants", lambda: (at, at))
    channels.declare(ADA, "ops", "webhook", "https://ops.example/hook")
    notice = AlertNotice.objects.create(channel="ops", told=TOLD, at=at, due_at=at)
    for tries, wait in enumerate(notices.AGAIN, 1):
        perform(notices.note, [(notice.pk, "it answered 500")])
        notice.refresh_from_db()
        assert notice.due_at is not None
        assert (notice.tries, clock.from_datetime(notice.due_at) - at) == (tries, clock.seconds(wait))
    perform(notices.note, [(notice.pk, "it answered 500")])
    notice.refresh_from_db()
    assert (notice.due_at, notices.waiting()) == (None, 0)
    channel = AlertChannel.objects.get()
    assert (channel.error, channel.sent_at) == ("it answered 500", None)
    other = AlertNotice.objects.create(channel="ops", told=TOLD, at=at, due_at=at)
    perform(notices.note, [(other.pk, None)])
    channel.refresh_from_db()
    assert channel.error == ""
    assert channel.sent_at is not None
    at += clock.seconds(notices.KEPT_FOR) + 1
    assert perform(notices.forget) == 2


def test_one_that_fails_as_nobody_thought_of_holds_up_no_other(hook: Hook, monkeypatch: pytest.MonkeyPatch):
    good, _ = channels.declare(ADA, "good", "slack", hook.url)
    bad, _ = channels.declare(ADA, "bad", "slack", hook.url)
    notice = AlertNotice.objects.create(channel="good", told=TOLD, at=1, due_at=1)
    notice.refresh_from_db()
    assert notices._try(notice, good) is None
    monkeypatch.setattr(notices, "send", lambda *_: 1 / 0)
    assert notices._try(notice, bad) == "ZeroDivisionError"


def test_a_test_is_sent_at_once_and_says_what_was_wrong(hook: Hook):
    channels.declare(ADA, "chat", "slack", hook.url)
    assert notices.try_out(ADA, "chat") is None
    assert "Test of alerts" in json.loads(hook.taken[0][1])["text"]
    hook.status = 410
    assert "410" in (notices.try_out(ADA, "chat") or "")
    assert AlertChannel.objects.get().error


@pytest.mark.parametrize(
    ("kind", "to"),
    [
        ("email", ""), ("email", "nobody"), ("email", "a@b.example\nBcc: c@d.example"), ("webhook", ""), ("slack", "ftp://a/b"),
        ("webhook", "https://"), ("webhook", "javascript:alert(1)"), ("slack", "https://a b/"), ("webhook", "http://a:99999/"),
        ("webhook", "http://[::1/"), ("slack", "http://10.0.0.256/x"), ("pager", "x"),
    ],
)  # fmt: skip
def test_where_a_channel_leads_is_checked(kind: str, to: str):
    with pytest.raises(Invalid):
        channels.declare(ADA, "ops", kind, to)


def test_what_is_secret_of_a_channel_is_shown_nowhere(hook: Hook):
    channel, secret = channels.declare(ADA, "ops", "webhook", hook.url)
    channels.declare(ADA, "ops", "webhook", None)
    shown = repr(channels.as_json(channel)) + repr(list(AuditEntry.objects.values_list("detail", flat=True)))
    assert "secret-path" not in shown
    assert secret is not None
    assert secret not in shown


def test_a_channel_that_a_rule_names_stays():
    channels.declare(ADA, "ops", "slack", "https://hooks.example/x")
    rule("ready", "ready", "queue:*", over=0, channels=("ops",))
    with pytest.raises(Conflict, match="ready"):
        channels.delete(ADA, "ops")
    rules.delete(ADA, "ready")
    channels.delete(ADA, "ops")
    assert channels.listed() == []
    with pytest.raises(Invalid, match="no channel"):
        rule("ready", "ready", "queue:*", over=0, channels=("ops",))


@pytest.mark.parametrize(
    ("figure", "target", "more"),
    [
        ("ready", "queue:*", {}), ("ready", "queue:*", {"over": 1, "under": 2}), ("stuck", "queue:*", {"over": 1}),
        ("lag", "queue:*", {"over": 1}), ("disk_free", "queue:*", {"under": 1}), ("verdict", "queue:*", {}),
        ("verdict", "queue:*", {"verdict": "no_members"}), ("ready", "queue:*", {"over": 1, "verdict": "stuck"}),
        ("ready", "queue:*", {"over": 1, "lasts": -1}), ("ready", "topic:*", {"over": 1}), ("ready", "queue:a/b", {"over": 1}),
        ("lag", "stream:a/", {"over": 1}),
    ],
)  # fmt: skip
def test_rules_that_make_no_sense_are_refused(figure: str, target: str, more: dict[str, Any]):
    if (figure, target) == ("lag", "stream:a/"):
        with pytest.raises(Invalid):
            rules.parse_target(target)
        return
    with pytest.raises(Invalid):
        rule("r", figure, target, **more)
