"""People, queues and messages for the console's tests."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from playwright.sync_api import Browser, StorageState, expect

from brokerweb.answers.verdicts import reading
from brokerweb.core import events
from brokerweb.handout.lease import lease
from brokerweb.identity.models import Grant
from brokerweb.queues import control, engine, leasing
from brokerweb.queues.activity import Activity
from brokerweb.queues.messages import NewMessage, Settle
from brokerweb.routing import topics
from brokerweb.storage.run import perform
from brokerweb.streams import control as streams
from brokerweb.streams import engine as stream_engine
from brokerweb.streams import groups
from brokerweb.streams.models import ConsumerGroup
from brokerweb.streams.records import NewRecord
from tests.clients import Rest
from tests.console.browser import Visit, chromium, signed_in, visiting
from tests.server import Server

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "</pre></td></table><script src=//evil.example></script>",
    "{{ 7|add:7 }}{% debug %}",
    "javascript:alert(1)",
    '<a href="javascript:alert(1)" hx-get="/x" hx-trigger="load">x</a>',
    "\u202egnp.exe\u0000\u001b[31m",
)


# A real browser on a real server


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with Server(tmp_path_factory.mktemp("console") / "data") as server:
        yield server.start()


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def session(browser: Browser, broker: Server) -> StorageState:
    """What a browser keeps of the administrator's session."""
    return signed_in(browser, broker.url)


@pytest.fixture
def visit(browser: Browser, broker: Server, session: StorageState) -> Generator[Visit]:
    """A page in a profile of its own that is signed in, and shows the overview."""
    with visiting(browser, broker.url, viewport={"width": 1280, "height": 860}, storage_state=session) as visit:
        visit.page.goto("/")
        expect(visit.page.get_by_role("heading", name="Now", exact=True)).to_be_visible()
        yield visit


@pytest.fixture
def rest(broker: Server) -> Generator[Rest]:
    with broker.rest() as rest:
        yield rest


# Pages without a browser


@pytest.fixture
def database(db, settings):
    """The database, and messages for people in their sessions."""
    settings.MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"


@pytest.fixture
def admin(database):
    return get_user_model().objects.create_superuser("admin", password="password-of-the-tests")


@pytest.fixture
def client(admin) -> Client:
    """A browser with the administrator signed in."""
    browser = Client()
    browser.force_login(admin)
    return browser


def polled_by(holder: str, queue_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has just asked a queue for messages over REST, and nothing else is known of who consumes."""
    asked = events.Outcome()
    asked.polled[queue_id] = holder
    known = Activity()
    known(asked)
    monkeypatch.setattr(reading, "activity", known)


def person(*grants: tuple[str, Sequence[str]], name: str = "viewer") -> Client:
    """A browser with somebody signed in who holds these grants."""
    user = get_user_model().objects.create_user(name, password="password-of-the-tests")
    for pattern, verbs in grants:
        Grant.objects.create(user=user, kind=None, pattern=pattern, verbs=list(verbs))
    browser = Client()
    browser.force_login(user)
    return browser


def declare(name: str = "orders", **settings) -> str:
    perform(control.declare, name, settings)
    return name


def publish(name: str, *bodies: object, **fields) -> list[int]:
    """Publish JSON bodies, or bytes as they are; their ids."""
    new = [NewMessage(b if isinstance(b, bytes) else json.dumps(b).encode(), isinstance(b, bytes), **fields) for b in bodies]
    return [accepted.id for accepted in perform(engine.publish, name, new, publisher="tests")]


def kill(name: str, *errors: str) -> list[int]:
    """Reject as many messages as there are errors; their ids."""
    leased = perform(leasing.lease, name, len(errors), engine.Terms("tests")).messages
    perform(engine.settle, [Settle("dead", m.receipt, error=e) for m, e in zip(leased, errors, strict=True)])
    return [m.id for m in leased]


def text(response) -> str:
    return str(response.content, "utf-8")


def declare_stream(name: str = "events", **settings) -> str:
    perform(streams.declare, name, settings)
    return name


def append(name: str, *bodies: object, **fields) -> list[int]:
    """Append JSON bodies, or bytes as they are; their offsets."""
    new = [NewRecord(b if isinstance(b, bytes) else json.dumps(b).encode(), isinstance(b, bytes), **fields) for b in bodies]
    return [appended.offset for appended in perform(stream_engine.append, name, new, publisher="tests")]


def declare_group(name: str, stream: str = "events", **settings) -> str:
    perform(groups.declare_group, stream, name, {"start": "earliest", **settings})
    return name


def kill_records(stream: str, group: str, *errors: str) -> list[int]:
    """Take as many records of a shared group as there are errors, and reject them; the ids of their messages."""
    queue_id = ConsumerGroup.objects.get(name=group, stream__name=stream).queue_id
    leased = perform(lease, queue_id, len(errors), engine.Terms("tests")).messages
    perform(engine.settle, [Settle("dead", m.receipt, error=e) for m, e in zip(leased, errors, strict=True)])
    return [m.id for m in leased]


def declare_topic(name: str = "shop", **bindings: str) -> str:
    """A topic; bindings are pattern -> destination."""
    bound = [{"pattern": pattern, "to": to} for pattern, to in bindings.items()]
    perform(topics.declare, name, {"bindings": bound})
    return name


def saved_view(client: Client, place: str = "/queues?sort=-ready", name: str = "Fullest", **more: str) -> str:
    """Keep a list's address as a view; where it leads."""
    response = client.post("/lists/views", {"place": place, "name": name, **more})
    assert response.status_code == 302
    return response["Location"]
