"""People who look: so many browsers on a queue's pages, told of news, each asking for what its page shows as the script does.

``python -m benchmarks.consoles URL NUMBER QUEUE``; says ``ready`` once all are signed in.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time

import httpx

PASSWORD = "password-of-the-real-server-tests"  # as ``tests.server`` starts a broker
SELDOM = 60.0  # seconds between looks of a page that is told of news
PLACES = ("/queues/{}", "/queues/{}/messages")
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


async def main(url: str, number: int, queue: str) -> None:
    """Look until the process is ended."""
    clients = [httpx.AsyncClient(base_url=url, timeout=60, verify=False) for _ in range(number)]
    for client in clients:
        await _sign_in(client)
    print("ready", flush=True)
    places = [PLACES[n % len(PLACES)].format(queue) for n in range(number)]
    await asyncio.gather(*(_look(client, place, queue) for client, place in zip(clients, places, strict=True)))


async def _sign_in(client: httpx.AsyncClient) -> None:
    found = TOKEN.search((await client.get("/sign-in")).text)
    assert found is not None
    given = {"csrfmiddlewaretoken": found[1], "username": "admin", "password": PASSWORD}
    answer = await client.post("/sign-in", data=given)
    assert answer.status_code == 302, answer.text[:500]


async def _look(client: httpx.AsyncClient, place: str, queue: str) -> None:
    while (await client.get(place)).status_code != 200:  # noqa: ASYNC110 (the load generator declares the queue)
        await asyncio.sleep(0.5)
    page = Page(client, place)
    async with client.stream("GET", "/news", params={"queue": queue}) as told:
        assert told.status_code == 200
        seldom = asyncio.ensure_future(page.look_seldom())
        async for line in told.aiter_lines():
            if line == "event: fresh":
                await page.look()
        seldom.cancel()


class Page:
    """One that is open."""

    def __init__(self, client: httpx.AsyncClient, place: str) -> None:
        self._client, self._place, self._tag, self._at = client, place, "", time.monotonic()

    async def look(self) -> None:
        headers = {"HX-Request": "true"} | ({"HX-PTag": self._tag} if self._tag else {})
        self._at = time.monotonic()
        answer = await self._client.get(self._place, headers=headers)
        self._tag = answer.headers.get("HX-PTag", "")

    async def look_seldom(self) -> None:
        while True:
            await asyncio.sleep(max(0.1, self._at + SELDOM - time.monotonic()))
            if time.monotonic() >= self._at + SELDOM:
                await self.look()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
