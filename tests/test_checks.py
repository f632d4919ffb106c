"""System checks: their ids are stable, and each says what to do."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.conf import settings
from django.core.checks import run_checks

from brokerweb import checks, conf


@pytest.mark.parametrize(
    ("version", "sound"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 4), True),
    ],
)
def test_which_sqlite_versions_have_the_fix(version: tuple[int, ...], sound: bool):
    assert checks.sqlite_is_sound(version) is sound


def ids() -> list[str | None]:
    conf.forget()
    return [message.id for message in run_checks() if (message.id or "").startswith("brokerweb.")]


def test_a_good_configuration_has_nothing_to_say():
    assert ids() == []


def test_e001_an_option_that_does_not_exist(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(settings, "BROKERWEB", {"dta": "/tmp"})
    assert ids() == ["brokerweb.E001"]
    assert "did you mean 'data'" in checks.check_options(None)[0].msg


@pytest.mark.parametrize("given", [{"bind": "everywhere"}, "not a dictionary"])
def test_e002_a_value_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, given: object):
    monkeypatch.setattr(settings, "BROKERWEB", given)
    assert ids() == ["brokerweb.E002"]


def test_e003_a_foreign_engine_with_an_affected_sqlite(monkeypatch: pytest.MonkeyPatch):
    database = SimpleNamespace(sqlite_version_info=(3, 40, 1))
    monkeypatch.setattr(checks, "connections", {"default": SimpleNamespace(vendor="sqlite", Database=database)})
    (message,) = checks.check_sqlite(None)
    assert message.id == "brokerweb.E003"
    assert "brokerweb.storage.django_sqlite" in (message.hint or "")


def test_w002_a_foreign_engine_with_a_sound_sqlite(monkeypatch: pytest.MonkeyPatch):
    database = SimpleNamespace(sqlite_version_info=(3, 51, 3))
    monkeypatch.setattr(checks, "connections", {"default": SimpleNamespace(vendor="sqlite", Database=database)})
    assert [message.id for message in checks.check_sqlite(None)] == ["brokerweb.W002"]


def test_e004_another_database(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checks, "connections", {"default": SimpleNamespace(vendor="mysql")})
    assert [message.id for message in checks.check_sqlite(None)] == ["brokerweb.E004"]


def test_w001_people_come_without_https(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BROKERWEB_PUBLIC_URL", "http://broker.example")
    conf.forget()
    assert [message.id for message in checks.check_public_url(None)] == ["brokerweb.W001"]
