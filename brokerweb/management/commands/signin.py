"""``manage.py signin``: another link to sign in with."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, reverse

from brokerweb import conf
from brokerweb.identity.signin import create_code


class Command(BaseCommand):
    help = "Prints a sign-in link: one use, 15 minutes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", nargs="?", default="admin", help="whom it signs in")
        for name in ("data", "bind", "public_url"):
            parser.add_argument(conf.flags()[name], help="as for serve")

    def handle(self, *args: Any, **given: Any) -> None:
        model = get_user_model()
        try:
            user = model._default_manager.filter(**{model.USERNAME_FIELD: given["user"]}, is_active=True).first()
        except DatabaseError as error:
            raise CommandError(f"nobody can be looked up in {conf.get().data} ({error}); start serve first") from error
        if user is None:
            raise CommandError(f"there is no active user {given['user']!r}; the first start of serve creates admin")
        self.stdout.write(signin_link(conf.get().url, create_code(user)))


def signin_link(url: str, code: str) -> str:
    """The console's page with the one button, or that of the project it runs in; opening it uses nothing up."""
    try:
        page = reverse("console:signin")
    except NoReverseMatch:
        page = resolve_url(settings.LOGIN_URL)
    return f"{url}{page}?code={code}"
