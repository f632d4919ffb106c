"""The engine of the console's templates."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.template.backends import django as backend
from django.test import Client

from brokerweb.console import rendering


@pytest.fixture
def made_anew() -> Iterator[None]:
    """The engine is made by the test, and not kept for others."""
    rendering._engine.cache_clear()
    yield
    rendering._engine.cache_clear()


@pytest.mark.django_db
@pytest.mark.usefixtures("made_anew")
def test_an_engine_that_was_made_while_no_file_descriptor_was_free_has_all_its_tags(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(backend, "get_installed_libraries", dict)
    assert Client().get("/sign-in").status_code == 200
