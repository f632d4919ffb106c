"""``manage.py demo``: a broker with something to see."""

from __future__ import annotations

import asyncio
import os
from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError

from brokerweb import conf
from brokerweb.management.demo import scene
from brokerweb.management.demo.client import Client, Refused
from brokerweb.management.demo.own_broker import NotStarted, free, own_broker
from brokerweb.management.demo.play import Play, play
from brokerweb.management.demo.scene import Names

PREFIX = "demo."  # of names in a broker that is somebody's
MAX_SECONDS, MAX_MESSAGES = 86_400, 1_000_000


class Command(BaseCommand):
    help = (
        "Shows a shop's traffic, and what goes wrong with it: on a broker of its own, whose data is temporary, or with --url in "
        "a running one, under names that begin with demo."
    )
    requires_system_checks = []  # the broker that is started checks itself

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--bind", default=conf.Conf.bind, help="where its own broker listens; another port if that is taken")
        parser.add_argument("--server", choices=["daphne", "uvicorn"], default="uvicorn", help="which serves it")
        parser.add_argument("--url", help="a running broker instead, whose token is in BROKERWEB_TOKEN")
        parser.add_argument("--remove", action="store_true", help="with --url: delete what the demo made there")
        parser.add_argument("--seconds", type=float, default=3_600, help="how long it plays (3600)")
        parser.add_argument("--messages", type=int, default=20_000, help="how many orders at most are sent (20000)")
        parser.add_argument("--seed", type=int, default=7, help="of its chances (7): the same orders every time")

    def handle(self, *args: Any, **given: Any) -> None:
        check(given)
        try:
            if given["url"]:
                self.visit(given)
            else:
                with own_broker(free(given["bind"]), given["server"]) as client:
                    self.play(client, Names(), given)
        except (Refused, NotStarted, OSError) as error:
            raise CommandError(str(error)) from error

    def visit(self, given: dict[str, Any]) -> None:
        """Play in somebody's broker, or clear away what was played there."""
        client, names = Client(given["url"].rstrip("/"), os.environ["BROKERWEB_TOKEN"], "demo"), Names(PREFIX)
        if given["remove"]:
            asyncio.run(scene.remove(client, names))
            self.stdout.write(f"What begins with {PREFIX} and the demo made is deleted.")
            return
        self.play(client, names, given)
        self.stdout.write(f"It stays there until you delete it: manage.py demo --url {given['url']} --remove")

    def play(self, client: Client, names: Names, given: dict[str, Any]) -> None:
        asyncio.run(play(Play(client, names, given["seconds"], given["messages"], given["seed"]), self.say))

    def say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def check(given: dict[str, Any]) -> None:
    """Raises CommandError for what cannot be played."""
    if not 0 < given["seconds"] <= MAX_SECONDS or not 0 < given["messages"] <= MAX_MESSAGES:
        raise CommandError(f"--seconds is at most {MAX_SECONDS}, --messages at most {MAX_MESSAGES}")
    if given["remove"] and not given["url"]:
        raise CommandError("--remove is for a running broker: name it by --url. The demo's own leaves nothing behind")
    if not given["url"]:
        return
    place = urlsplit(given["url"])
    if place.scheme not in ("http", "https") or not place.hostname or place.path.strip("/"):
        raise CommandError(f"--url {given['url']} is no address such as http://127.0.0.1:8000")
    if not os.environ.get("BROKERWEB_TOKEN"):
        raise CommandError("set BROKERWEB_TOKEN to a token of that broker that may publish, consume, browse and manage demo.*")
