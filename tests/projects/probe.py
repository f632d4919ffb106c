"""Run as a program in a project: what its checks say, and whether the broker's API and console work in it. Prints JSON."""

from __future__ import annotations

import asyncio
import atexit
import gc
import html
import json
import os
import re
import sys
from typing import Any, cast

import httpx

TOKEN, PASSWORD = "token-of-an-unusual-project", "password-of-an-unusual-project"
BASE = os.environ.get("PROBE_BASE", "http://localhost")
MANY = int(os.environ.get("PROBE_MANY", "20"))
FORMS = ("href", "action", "value", "src", "max", "min", "step", "d", "viewBox", "datetime", "hx-get", "hx-post", "width", "x")
_OURS = re.compile(r"\d{1,3}(?:,\d{3})+|[\d.]+%")  # counts as the console writes them in any language, and shares of a picture
_ODD = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{3})+(?![\d.])|\d,\d|\d\u00a0\d")
_TAG, _ATTRIBUTE = re.compile(r"<[^>]+>"), re.compile(r'([\w:-]+)="([^"]*)"')


def _is_odd(value: str) -> bool:
    return bool(_ODD.search(value)) and "T" not in value and not _OURS.fullmatch(value)


class Probe:
    """Asks, and notes what went wrong."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.failed: list[str] = []
        self.odd: list[str] = []

    async def expect(self, status: int, method: str, path: str, **given) -> httpx.Response:
        answer = await self.client.request(method, path, **given)
        if answer.status_code != status:
            self.failed.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer

    async def api(self) -> None:
        token = {"headers": {"Authorization": f"Bearer {TOKEN}"}}
        await self.expect(201, "PUT", "/api/v1/queues/many", json={"max_length": 1234567, "ttl": 98765.4321}, **token)
        await self.expect(201, "PUT", "/api/v1/streams/many", json={"retention_records": 1234567}, **token)
        await self.expect(201, "PUT", "/api/v1/streams/many/groups/g", json={"kind": "shared", "start": "earliest"}, **token)
        for kind, path in (("messages", "queues/many/messages"), ("records", "streams/many/records")):
            for some in (MANY // 2, MANY // 2):
                await self.expect(201, "POST", f"/api/v1/{path}", json={kind: [{"body": n} for n in range(some)]}, **token)
            await self.expect(200, "GET", f"/api/v1/{path}", **token)
        taken = await self.expect(200, "POST", "/api/v1/queues/many/receive", json={"max": 1000}, **token)
        dead = [{"receipt": message["receipt"]} for message in taken.json()["messages"]]
        await self.expect(200, "POST", "/api/v1/queues/many/settle", json={"dead": dead}, **token)
        for path in (
            "/api/v1/queues",
            "/api/v1/queues/many",
            "/metrics",
            "/api/v1/schema",
            "/api/v1/docs",
            "/api/v1/docs?script=",
        ):
            await self.expect(200, "GET", path, **token)

    async def console(self) -> None:
        csrf = await self._sign_in("/sign-in")
        await self._crawl()
        page = await self.expect(200, "GET", "/queues/many/publish")
        [csrf] = set(re.findall(r'name="csrfmiddlewaretoken" value="(.*?)"', page.text)) or {csrf}
        names = re.findall(r'<(?:input|select|textarea)[^>]* name="(\w+)"', page.text)
        given = dict.fromkeys(names, "") | {"body": '{"by": "form"}', "csrfmiddlewaretoken": csrf}
        if "kind" in names:
            given["kind"] = "json"
        await self.expect(200, "POST", "/queues/many/publish", data=given)
        from django.conf import settings

        header = {settings.CSRF_HEADER_NAME.removeprefix("HTTP_").replace("_", "-"): csrf}
        for size in (1, 3_000_000):
            large = {"messages": [{"body": "x" * 1_000_000}] * max(1, size // 1_000_000)}
            await self.expect(201, "POST", "/api/v1/queues/many/messages", json=large, headers=header)
        await self.expect(200, "PUT", "/api/v1/queues/many", json={"lease": 31}, headers=header)
        await self.expect(403, "PUT", "/api/v1/queues/many", json={"lease": 31})
        await self.expect(302, "POST", "/sign-out", data={"csrfmiddlewaretoken": csrf})

    async def _sign_in(self, path: str) -> str:
        page = await self.expect(200, "GET", path)
        [csrf] = set(re.findall(r'name="csrfmiddlewaretoken" value="(.*?)"', page.text))
        given = {"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": csrf}
        await self.expect(302, "POST", path, data=given)
        return str(csrf)

    async def _crawl(self) -> None:
        todo, seen = ["/", "/queues/many", "/streams/many", "/streams/many/groups/g", "/dead", "/jobs"], dict[str, int]()
        while todo:
            path = todo.pop(0)
            shape = re.sub(r"\d+", "N", path)
            if seen.get(shape, 0) >= (2 if MANY > 1000 else 1):  # where ids may be written oddly, more of them are read
                continue
            seen[shape] = seen.get(shape, 0) + 1
            page = await self.expect(200, "GET", path)
            for tag in _TAG.findall(page.text):
                for name, quoted in _ATTRIBUTE.findall(tag):
                    value = html.unescape(quoted)
                    if name in FORMS and _is_odd(value) and "<svg" not in tag and "<path" not in tag:
                        self.odd.append(f"{path}: {name}={value[:60]}")
                    if name == "href" and value.startswith("/") and not value.startswith(("/static", "/api")):
                        todo.append(value)
        if len(seen) < 25:
            self.failed.append(f"only {len(seen)} kinds of pages: {sorted(seen)}")


async def probe() -> Probe:
    from django.apps import apps

    from brokerweb.asgi import application
    from brokerweb.servers import lifecycle

    await lifecycle.start()
    transport = httpx.ASGITransport(cast(Any, application), client=("127.0.0.1", 1))
    try:
        async with httpx.AsyncClient(transport=transport, base_url=BASE, headers={"Referer": BASE + "/"}, timeout=60) as client:
            found = Probe(client)
            await found.api()
            if apps.is_installed("brokerweb.console"):
                await found.console()
    finally:
        await lifecycle.stop()
    return found


def main() -> None:
    gc.disable()  # its life is too short for a collector, and so is its end
    atexit.register(gc.freeze)
    import django

    django.setup()
    from django.core import checks
    from django.core.management import call_command

    messages = [message for message in checks.run_checks(databases=["default"]) if not message.is_silenced()]
    said = {"checks": sorted({str(message.id) for message in messages}), "failed": [], "odd": []}
    if not any(message.is_serious() for message in messages):
        for app in sys.argv[1:]:
            call_command("makemigrations", app, verbosity=0)
        call_command("migrate", verbosity=0)
        try:
            call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)
        except SystemExit:
            said["failed"].append("migrations are missing")
        from brokerweb.identity.first_start import first_start
        from brokerweb.identity.signin import forget_old_sessions

        first_start(PASSWORD, TOKEN)
        forget_old_sessions(0)
        found = asyncio.run(probe())
        said["failed"] += found.failed
        said["odd"] = found.odd
    sys.stdout.write("\n" + json.dumps(said))


if __name__ == "__main__":
    main()
