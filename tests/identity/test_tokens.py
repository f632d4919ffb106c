from __future__ import annotations

import asyncio
import re
import time

import pytest
from django.db import OperationalError, transaction

from brokerweb.core import clock
from brokerweb.core.errors import Forbidden, Invalid, NotFound, Unauthenticated, Unavailable
from brokerweb.identity import authentication, cache, duties, tokens
from brokerweb.identity.models import AuditEntry, Grant, Token

pytestmark = pytest.mark.django_db(transaction=True)
GRANTS = [{"pattern": "queue:orders.*", "verbs": ["publish", "consume"]}]


def make(maker, *, grants=GRANTS, **request):
    return tokens.create(maker, {"name": "shop", "grants": grants, **request})


def later(seconds):
    return clock.rfc3339(clock.now() + clock.seconds(seconds))


@pytest.fixture
def time_passes(monkeypatch):
    """Moves both clocks that identity reads."""

    def move(seconds):
        offset = clock.seconds(seconds)
        wall, monotonic = clock.wall, time.monotonic
        monkeypatch.setattr(clock, "wall", lambda: wall() + offset)
        monkeypatch.setattr(time, "monotonic", lambda: monotonic() + seconds)

    return move


def test_a_token_is_shown_once_and_stored_as_a_hash(root):
    made = make(root)

    assert re.fullmatch(r"bw_[A-Za-z0-9_-]{43}", made.text)
    assert made.as_json()["token"] == made.text
    assert "token" not in tokens.as_json(Token.objects.get())
    assert made.text not in str(list(Token.objects.values())) + str(list(AuditEntry.objects.values())) + repr(made)


def test_a_token_authenticates_as_what_it_was_granted(root):
    made = make(root, expires_at=later(60))
    principal = tokens.authenticate(made.text)

    assert (principal.name, principal.owner, principal.admin) == ("shop", f"token:{made.token.pk}", False)
    assert principal.may("consume", "queue", "orders.eu")
    assert not principal.may("browse", "queue", "orders.eu")
    assert principal.expires_at == clock.from_datetime(made.token.expires_at)


def test_what_the_api_shows_of_a_token(root):
    made = make(root, expires_at="2999-01-01T00:00:00Z").as_json()

    assert made.pop("created_at").endswith("Z")
    assert made.pop("id").isdigit()
    assert made.pop("token")
    assert made == {
        "name": "shop",
        "grants": GRANTS,
        "expires_at": "2999-01-01T00:00:00.000000Z",
        "last_used_at": None,
        "created_by": "broker",
    }


@pytest.mark.parametrize("text", ["", "bw_", "x" * 513, "bw_" + "A" * 43, "\udc80" * 30, "é" * 30, "\0"])
def test_a_wrong_token_is_unauthenticated(root, text):
    make(root)

    for _ in range(2):  # from the store, and from memory
        assert tokens.cached(text) is None
        with pytest.raises(Unauthenticated):
            tokens.authenticate(text)
        with pytest.raises(Unauthenticated):
            asyncio.run(tokens.aauthenticate(text))


def test_a_hash_is_not_a_token(root):
    make(root)

    with pytest.raises(Unauthenticated):
        tokens.authenticate(Token.objects.get().sha256)


def test_a_cached_token_asks_the_store_nothing_for_five_seconds(root, django_assert_num_queries, time_passes):
    text = make(root).text
    assert tokens.cached(text) is None
    principal = asyncio.run(tokens.aauthenticate(text))

    with django_assert_num_queries(0):
        assert tokens.cached(text) is principal
        assert tokens.authenticate(text) is principal
    time_passes(5)
    assert tokens.cached(text) is None


def test_a_revoked_token_is_refused_at_once_and_who_listens_is_told(root):
    made = make(root)
    told: list[str] = []
    stop = tokens.on_revoked(told.append)
    principal = tokens.authenticate(made.text)
    assert tokens.still_valid(principal)

    tokens.revoke(root, str(made.token.pk))
    stop()

    assert told == [principal.owner]
    assert tokens.cached(made.text) is None
    assert not tokens.still_valid(principal)
    assert not asyncio.run(tokens.astill_valid(principal))
    with pytest.raises(Unauthenticated):
        tokens.authenticate(made.text)


def test_nobody_is_told_of_a_revocation_that_was_rolled_back(root):
    made = make(root)
    told: list[str] = []
    stop = tokens.on_revoked(told.append)

    with transaction.atomic():
        tokens.revoke(root, made.token.pk)
        transaction.set_rollback(True)
    stop()

    assert not told
    assert tokens.authenticate(made.text)


def test_a_revocation_on_another_node_is_noticed_within_five_seconds(root, time_passes):
    made = make(root)
    tokens.authenticate(made.text)
    Token.objects.update(revoked_at=clock.now())  # elsewhere: this process's cache is not told

    time_passes(5)

    assert tokens.cached(made.text) is None
    with pytest.raises(Unauthenticated):
        tokens.authenticate(made.text)


def test_a_revocation_between_reading_a_token_and_remembering_it_is_not_covered_up(root, monkeypatch):
    made, read = make(root), authentication._read

    def read_then_revoke(digest):
        principal = read(digest)
        if principal is not None:
            tokens.revoke(root, made.token.pk)
        return principal

    monkeypatch.setattr(authentication, "_read", read_then_revoke)
    with pytest.raises(Unauthenticated):
        tokens.authenticate(made.text)
    assert tokens.cached(made.text) is None


def test_an_expired_token_is_refused_even_while_it_is_cached(root, time_passes):
    made = make(root, expires_at=later(2))
    principal = tokens.authenticate(made.text)

    time_passes(2)

    assert tokens.cached(made.text) is None
    assert not tokens.still_valid(principal)
    with pytest.raises(Unauthenticated):
        tokens.authenticate(made.text)


def test_a_grant_taken_away_ends_what_was_authenticated_with_it(root):
    principal = tokens.authenticate(make(root).text)

    Grant.objects.all().delete()

    assert not tokens.still_valid(principal)


def test_many_principals_are_looked_at_by_two_statements(root, django_assert_num_queries):
    principals = [tokens.authenticate(make(root).text) for _ in range(5)]
    tokens.revoke(root, principals[2].owner.removeprefix("token:"))

    with django_assert_num_queries(2):
        assert tokens.still_valid_all(principals) == [True, True, False, True, True]


def test_a_store_that_cannot_be_read_allows_nothing(root, monkeypatch):
    made = make(root)
    principal = tokens.authenticate(made.text)
    tokens.forget_cached()

    def fails():
        raise OperationalError("disk I/O error")

    monkeypatch.setattr(authentication, "_valid", fails)
    for ask in (lambda: tokens.authenticate(made.text), lambda: tokens.still_valid(principal)):
        with pytest.raises(Unavailable):
            ask()
    monkeypatch.undo()
    assert tokens.authenticate(made.text), "it was not remembered as wrong"


@pytest.mark.parametrize(
    ("request_", "pointer"),
    [
        ([], ""),
        ({"name": "x"}, "/grants"),
        ({"grants": []}, "/name"),
        ({"name": "", "grants": []}, "/name"),
        ({"name": 1, "grants": []}, "/name"),
        ({"name": "x" * 201, "grants": []}, "/name"),
        ({"name": "a\nb", "grants": []}, "/name"),
        ({"name": "x", "grants": [], "verbs": []}, "/verbs"),
        ({"name": "x", "grants": [], "expires_at": 5}, "/expires_at"),
        ({"name": "x", "grants": [], "expires_at": "tomorrow"}, "/expires_at"),
        ({"name": "x", "grants": [], "expires_at": "2999-01-01T00:00:00"}, "/expires_at"),
        ({"name": "x", "grants": [], "expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"name": "x", "grants": [], "expires_at": "9999-12-31T23:59:59-12:00"}, "/expires_at"),
    ],
)
def test_a_wrong_request_for_a_token_is_refused_with_the_place(root, request_, pointer):
    with pytest.raises(Invalid) as refused:
        tokens.create(root, request_)

    assert refused.value.extra["errors"][0]["pointer"] == pointer
    assert not Token.objects.exists()


def test_a_token_grants_no_more_than_its_maker_has(root):
    maker = tokens.authenticate(make(root, grants=[{"pattern": "team.*", "verbs": ["admin"]}]).text)

    made = make(maker, grants=[{"pattern": "team.a.*", "verbs": ["publish"]}])

    assert tokens.authenticate(made.text).may("publish", "queue", "team.a.x")
    for pattern in ("*", "team*", "other"):
        with pytest.raises(Forbidden):
            make(maker, grants=[{"pattern": pattern, "verbs": ["publish"]}])


def test_making_tokens_needs_the_verb_admin(root):
    everything_else = [{"pattern": "*", "verbs": ["publish", "consume", "browse", "manage", "monitor"]}]
    maker = tokens.authenticate(make(root, grants=everything_else).text)

    for deed in (lambda: make(maker), lambda: tokens.listing(maker), lambda: tokens.revoke(maker, 1)):
        with pytest.raises(Forbidden):
            deed()


def test_a_token_does_not_outlive_its_maker(root):
    maker = tokens.authenticate(make(root, grants=[{"pattern": "*", "verbs": ["admin"]}], expires_at=later(60)).text)

    assert tokens.authenticate(make(maker).text).expires_at == maker.expires_at
    assert make(maker, expires_at=later(30))
    with pytest.raises(Forbidden):
        make(maker, expires_at=later(90))


def test_a_token_stays_when_its_maker_is_revoked(root):
    made_by_root = make(root, grants=[{"pattern": "*", "verbs": ["admin"]}])
    made_by_that = make(tokens.authenticate(made_by_root.text))
    tokens.revoke(root, made_by_root.token.pk)
    with pytest.raises(Unauthenticated):
        tokens.authenticate(made_by_root.text)
    assert tokens.still_valid(tokens.authenticate(made_by_that.text))


def test_who_is_no_administrator_sees_and_revokes_only_the_tokens_they_made(root):
    maker = tokens.authenticate(make(root, grants=[{"pattern": "queue:orders.*", "verbs": ["admin"]}]).text)
    other, own = make(root).token, make(maker).token

    assert list(tokens.listing(maker)) == [own]
    assert tokens.listing(root).count() == 3
    with pytest.raises(NotFound):
        tokens.revoke(maker, other.pk)
    tokens.revoke(maker, own.pk)
    with pytest.raises(NotFound):
        tokens.revoke(maker, own.pk)


@pytest.mark.parametrize("token_id", ["", "x", "-1", "999", "9" * 30, "\u0661", "1.0"])
def test_a_token_that_is_not_there_is_not_found(root, token_id):
    with pytest.raises(NotFound):
        tokens.read(root, token_id)


def test_making_and_revoking_leave_an_audit_entry(root):
    made = tokens.create(root, {"name": "shop", "grants": GRANTS}, address="192.0.2.1")
    tokens.revoke(root, made.token.pk, address="192.0.2.2")

    entries = AuditEntry.objects.order_by("pk").values_list("actor", "action", "target", "address")
    assert list(entries) == [
        ("broker", "token.create", made.token.owner, "192.0.2.1"),
        ("broker", "token.revoke", made.token.owner, "192.0.2.2"),
    ]


def test_last_use_is_written_by_the_duty_and_to_the_minute(root, time_passes):
    made = make(root)
    tokens.authenticate(made.text)
    assert Token.objects.get().last_used_at is None

    asyncio.run(duties.tick(clock.now()))
    first = Token.objects.get().last_used_at
    time_passes(10)
    tokens.authenticate(made.text)
    asyncio.run(duties.tick(clock.now()))

    assert first is not None
    assert Token.objects.get().last_used_at == first
    time_passes(60)
    tokens.authenticate(made.text)
    asyncio.run(duties.tick(clock.now()))
    assert Token.objects.get().last_used_at > first


def test_what_is_remembered_of_right_and_wrong_tokens_is_bounded(holder):
    remembered = cache.PrincipalCache(most=3)
    for n in range(10):
        remembered.put(f"right {n}", holder(), read_at=time.monotonic(), generation=0)
        remembered.put_unknown(f"wrong {n}")

    assert [bool(remembered.get(f"right {n}")) for n in range(10)] == [False] * 7 + [True] * 3
    assert [remembered.is_unknown(f"wrong {n}") for n in range(10)] == [False] * 7 + [True] * 3
