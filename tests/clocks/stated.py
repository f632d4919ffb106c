"""What people state in wall time: each is to come when the wall shows ``CODE_LASTS`` seconds from now, and has come or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from brokerweb.core import clock
from brokerweb.core.errors import Unauthenticated
from brokerweb.identity import authentication, signin, tokens, users
from brokerweb.identity.models import SignInCode
from brokerweb.identity.principal import broker_itself
from brokerweb.identity.signin import CODE_LASTS
from brokerweb.queues import control, duties
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from brokerweb.streams import engine as streams
from brokerweb.streams import reading
from brokerweb.streams.definitions import load
from brokerweb.streams.records import NewRecord
from tests.queues.bench import Bench, states
from tests.routing.bench import declare_stream

Come = Callable[[], bool]
_GRANTS = [{"pattern": "*", "verbs": ["browse"]}]


def instant() -> int:
    return clock.wall() + clock.seconds(CODE_LASTS)


def deliver_at() -> Come:
    (id,) = Bench().publish(1, deliver_at=instant())
    return lambda: _due(id)


def deliver_at_on_a_keyed_queue() -> Come:
    (id,) = Bench(keyed=True).publish(1, key="a", deliver_at=instant())
    return lambda: _due(id)


def deliver_at_of_a_message_that_was_rescheduled() -> Come:
    bench = Bench()
    (id,) = bench.publish(1)
    bench.do(control.reschedule, id, deliver_at=instant())
    return lambda: _due(id)


def _due(id: int) -> bool:
    perform(duties.promote)
    return states(id) == ["ready"]


def end_of_a_token() -> Come:
    made = _token()
    return lambda: _refused(tokens.authenticate, made)


def end_of_a_token_that_is_remembered() -> Come:
    made = _token()
    tokens.authenticate(made)
    return lambda: authentication.cached(made) is None


def end_of_a_token_on_a_live_socket() -> Come:
    """As the duty asks that looks after what was revoked elsewhere."""
    principal = tokens.authenticate(_token())
    return lambda: not tokens.still_valid(principal)


def end_of_a_session() -> Come:
    """Of the console, and of what was opened with its cookie."""
    client = Client()
    client.force_login(User.objects.create_user("ada", is_staff=True))
    session = client.session
    session.set_expiry(clock.to_datetime(instant()))
    session.save()
    principal = users.session_principal(session.session_key)
    assert principal is not None

    def come() -> bool:
        stands = tokens.still_valid(principal)
        assert stands == (users.session_principal(session.session_key) is not None)
        return not stands

    return come


def _token() -> str:
    made = tokens.create(broker_itself(), {"name": "shop", "grants": _GRANTS, "expires_at": clock.rfc3339(instant())})
    return made.text


def end_of_a_sign_in_code() -> Come:
    code = signin.create_code(User.objects.create_user("ada"))

    def come() -> bool:
        refused = _refused(signin.redeem, code)
        SignInCode.objects.update(used_at=None)
        return refused

    return come


def _refused(call: Callable[..., Any], *args: Any) -> bool:
    try:
        call(*args)
    except Unauthenticated:
        return True
    return False


def records_from_an_instant() -> Come:
    """A record that is appended then is the first of those from that instant on."""
    declare_stream("events")
    perform(streams.append, "events", [NewRecord(b"before")])
    where = reading.parse_where(clock.rfc3339(instant()))

    def come() -> bool:
        (appended,) = perform(streams.append, "events", [NewRecord(b"1")])
        partition = read(load, "events").partitions[0]
        return read(reading.position, partition, where) <= int(appended.offset)

    return come


STATED = [
    deliver_at,
    deliver_at_on_a_keyed_queue,
    deliver_at_of_a_message_that_was_rescheduled,
    end_of_a_token,
    end_of_a_token_that_is_remembered,
    end_of_a_token_on_a_live_socket,
    end_of_a_session,
    end_of_a_sign_in_code,
    records_from_an_instant,
]
