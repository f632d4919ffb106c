"""Delivery on a real store and a real loop, without duties: subscribers that note what they get, and long polls."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from brokerweb.core import clock
from brokerweb.delivery import hub as hub_module
from brokerweb.delivery.connections import Connection
from brokerweb.delivery.hub import Hub
from brokerweb.delivery.polls.receive import receive
from brokerweb.delivery.queues.subscription import Subscription
from brokerweb.identity.principal import Principal
from brokerweb.queues import control, counters, engine
from brokerweb.queues.messages import Handout, Leased, NewMessage, Settle
from brokerweb.queues.states import State
from brokerweb.storage import run
from brokerweb.storage.calls import Call
from brokerweb.storage.committer import Committer
from brokerweb.storage.lanes import Lanes
from brokerweb.storage.reading import THREADS, aread
from brokerweb.storage.run import aperform
from tests.contract.store import NO_JITTER

WITHIN = 30.0  # seconds
ADA = Principal("ada", "token:1")


async def soon(predicate: Callable[[], Any], why: str = "") -> Any:
    """The first truthy answer, looked for at every turn of the loop."""
    deadline = time.monotonic() + WITHIN
    while not (answer := predicate()):
        assert time.monotonic() < deadline, f"not within {WITHIN} s: {why}"
        await asyncio.sleep(0.002)
    return answer


class Held:
    """The committer stands still until let go."""

    def __init__(self) -> None:
        self.inside, self.go_on = threading.Event(), threading.Event()

    def verb(self, tx: Any) -> None:
        self.inside.set()
        assert self.go_on.wait(20)


async def hold() -> tuple[Held, asyncio.Future[None]]:
    held = Held()
    future = asyncio.ensure_future(aperform(held.verb))
    await soon(held.inside.is_set)
    return held, future


async def uncommitted(call: Coroutine[Any, Any, Any]) -> tuple[asyncio.Future[Any], threading.Event]:
    """A call that has done its work in a transaction, which is committed when the event is set."""
    before, gathering = await hold()
    answer, behind = asyncio.ensure_future(call), Held()
    await asyncio.sleep(0)
    commit = asyncio.ensure_future(aperform(behind.verb))
    await asyncio.sleep(0)
    before.go_on.set()
    await soon(behind.inside.is_set)
    return asyncio.ensure_future(_answer_of(answer, gathering, commit)), behind.go_on


async def _answer_of(answer: asyncio.Future[Any], *others: asyncio.Future[Any]) -> Any:
    return (await asyncio.gather(answer, *others))[0]


class Client:
    """A connection with one subscription, which acknowledges nothing by itself."""

    def __init__(self, stage: Stage, definition: Any, prefetch: int, terms: engine.Terms) -> None:
        self.stage, self.got, self.frames = stage, list[Leased](), list[int]()
        self.ended: list[str] = []
        self.connection = Connection(stage.hub.queues, stage.hub.verbs, ADA, "127.0.0.1", "test")
        self.sub = stage.hub.queues.subscription("1", definition, terms, prefetch)
        self.sub.deliver = self._deliver
        self.sub.ended = self._ended
        self.connection.add(self.sub)

    def _deliver(self, sub: Subscription, messages: list[Leased]) -> None:
        self.got += messages
        self.frames.append(len(messages))

    def _ended(self, sub: Subscription, code: str, message: str) -> None:
        self.ended.append(code)
        self.connection.cancel(sub.sub, release=True)

    @property
    def bodies(self) -> list[str]:
        return [m.body.decode() for m in self.got]

    async def has(self, n: int) -> list[Leased]:
        await soon(lambda: len(self.got) >= n, f"{n} messages; has {len(self.got)}")
        return self.got

    async def settle(self, kind: Any, *messages: Leased, **fields: Any) -> list[str]:
        return await self.stage.settle(kind, *messages, **fields)

    async def ack_all(self) -> None:
        """Acknowledge whatever is held, and what comes then, until nothing does."""
        while self.sub.held:
            await self.stage.settle_receipts("ack", list(self.sub.held))
            await self.stage.quiet()


class Stage:
    def __init__(self, hub: Hub, committer: Committer | Lanes) -> None:
        self.hub, self.committer = hub, committer

    async def queue(self, name: str = "orders", **settings: Any) -> int:
        queue, _ = await aperform(control.declare, name, {"backoff": NO_JITTER, **settings})
        return int(queue.pk)

    async def client(
        self, *, prefetch: int = 10, lease: float | None = None, acknowledge: bool = True, queue: str = "orders"
    ) -> Client:
        definition = await aperform(engine.find, queue)
        return Client(self, definition, prefetch, engine.Terms("ws:node-1/c/1", lease, acknowledge))

    async def publish(self, *bodies: object, queue: str = "orders", **fields: Any) -> list[int]:
        accepted = await aperform(engine.publish, queue, [NewMessage(str(b).encode(), **fields) for b in bodies])
        return [a.id for a in accepted]

    def poll(self, **options: Any) -> asyncio.Task[Handout]:
        return asyncio.ensure_future(receive("orders", f"rest:{ADA.owner}", **{"limit": 10, "wait": WITHIN, **options}))

    async def settle(self, kind: Any, *messages: Leased, **fields: Any) -> list[str]:
        return await self.settle_receipts(kind, [str(m.receipt) for m in messages], **fields)

    async def settle_receipts(self, kind: Any, receipts: list[str], **fields: Any) -> list[str]:
        answers = await aperform(engine.settle, [Settle(kind, r, **fields) for r in receipts])
        return [answer.status for answer in answers]

    async def counts(self, queue: str = "orders") -> dict[str, int]:
        def verb(tx: Any) -> list[int]:
            return list(counters.counted(tx, engine.find(tx, queue).id))

        counted = await aperform(verb)
        return {state.name.lower(): n for state, n in zip(State, counted, strict=True) if n}

    async def counts_are(self, **expected: int) -> None:
        deadline = time.monotonic() + WITHIN
        while (found := await self.counts()) != expected:
            assert time.monotonic() < deadline, found

    async def quiet(self) -> None:
        """Let everything under way come to rest: looks, reads, releases, and what they lead to."""
        for _ in range(3):
            await aperform(_nothing)
            await _nobody_reads()
            await asyncio.sleep(0)

    async def waits(self, n: int = 1) -> None:
        """``n`` takers are there, and have found that nothing is ready."""
        await soon(lambda: sum(len(self.hub.book.of(q)) for q in self.hub.book.queues()) >= n)
        await self.quiet()


def _nothing(tx: Any) -> None: ...


async def _nobody_reads() -> None:
    """Every reader's thread is done with what it was given before."""
    all_of_them = threading.Barrier(THREADS)
    await asyncio.gather(*(aread(lambda _: all_of_them.wait(WITHIN)) for _ in range(THREADS)))


@asynccontextmanager
async def opened() -> AsyncIterator[Stage]:
    loop = asyncio.get_running_loop()
    hub = Hub()

    def deliver(batch: list[Call]) -> None:
        loop.call_soon_threadsafe(lambda: [call.done(call) for call in batch])

    committer = Committer(deliver, handover=hub.book, closing=hub.refilling)
    committer.start()
    run.install(committer)
    hub.listen()
    hub_module.current = hub
    try:
        yield Stage(hub, committer)
    finally:
        hub.stop()
        hub_module.current = None
        await loop.run_in_executor(None, committer.stop)
        run.install(None)
        clock.install(None)


def play(scene: Callable[[Stage], Coroutine[Any, Any, None]]) -> None:
    """Run a scene, with nothing of it left behind."""

    async def run_scene() -> None:
        async with opened() as stage:
            await asyncio.wait_for(scene(stage), 60)

    asyncio.run(run_scene())
