"""Makers and tokens the tests of identity start from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from brokerweb.identity.grants import parse_grants
from brokerweb.identity.principal import Principal, broker_itself


@pytest.fixture
def root() -> Principal:
    return broker_itself()


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user("ada", password="a long enough password")


@pytest.fixture
def holder() -> Callable[..., Principal]:
    """A principal with grants written as (pattern, *verbs)."""

    def make(*grants: tuple[str, ...], **how: Any) -> Principal:
        permits = parse_grants([{"pattern": pattern, "verbs": list(verbs)} for pattern, *verbs in grants])
        return Principal("test", "token:1", permits=permits, **how)

    return make
