"""On which days a token was used: counted by minutes, once however many nodes saw it, and for a month."""

from __future__ import annotations

import pytest

from brokerweb.core import clock
from brokerweb.identity import authentication, duties, token_use, tokens
from brokerweb.identity.models import TokenDay

pytestmark = pytest.mark.django_db(transaction=True)
DAY, MINUTE = clock.seconds(86_400), clock.seconds(60)
TODAY = 20_000 * DAY


@pytest.fixture
def token(root):
    return tokens.create(root, {"name": "shop", "grants": []}).token


def minutes(token, now=TODAY):
    return [use.minutes for use in token_use.read([token.pk], now)[token.pk]]


def test_a_minute_counts_once_and_the_next_one_too(token):
    for second in (0, 30, 59, 60, 61, 200):
        token_use.note(token.pk, TODAY + clock.seconds(second))
    token_use.note(token.pk, TODAY + clock.seconds(30))  # another node, a little late
    assert minutes(token)[-1] == 3


def test_days_are_shown_oldest_first_with_those_of_no_use(token):
    token_use.note(token.pk, TODAY - 2 * DAY)
    token_use.note(token.pk, TODAY - 40 * DAY)
    assert minutes(token) == [0] * 27 + [1, 0, 0]


def test_days_that_are_not_shown_are_forgotten(token):
    for ago in (0, 34, 36, 50):
        token_use.note(token.pk, TODAY - ago * DAY)
    assert token_use.forget_old_days(TODAY) == 2
    assert TokenDay.objects.count() == 2
    assert token_use.forget_old_days(TODAY) == 0


def test_who_uses_a_token_is_noted_by_the_duty_alone(root, django_assert_num_queries):
    made = tokens.create(root, {"name": "shop", "grants": []})
    authentication.take_used()
    tokens.authenticate(made.text)
    with django_assert_num_queries(0):
        tokens.authenticate(made.text)
    assert not TokenDay.objects.exists()
    duties.flush(clock.now())
    assert TokenDay.objects.get().minutes == 1


def test_a_token_of_an_open_socket_is_in_use(root):
    made = tokens.create(root, {"name": "shop", "grants": []})
    principal = tokens.authenticate(made.text)
    authentication.take_used()
    assert tokens.still_valid(principal)
    assert list(authentication.take_used()) == [made.token.pk]
