"""One run where things go: messages by a ttl, by redrives and purges, records by retention and compaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.clients import Json, Refused, Rest
from tests.crash.actors import CUT, TRY_LATER, Actor
from tests.crash.removal_history import (
    AGAIN,
    BURYING,
    DROPPING,
    FAILING,
    KEEPS,
    KEPT,
    LATEST,
    NEW,
    OLD,
    WASTE,
    Done,
    Left,
    RemovalHistory,
    Sent,
    Taken,
    removal_complaints,
)
from tests.crash.run import Run
from tests.crash.stream_books import stream_wrongs
from tests.eventually import eventually
from tests.powerfail.shim import Disk
from tests.server import Server

LEASED: Json = {"lease": 1, "max_failures": None, "backoff": {"initial": 0.05, "max": 0.2}}
QUEUES: dict[str, Json] = {
    DROPPING: LEASED,
    BURYING: {**LEASED, "on_expire": "dead"},
    FAILING: LEASED,
    AGAIN: LEASED,
    WASTE: {},
}
STREAMS: dict[str, Json] = {KEPT: {"partitions": 2, "retention_records": KEEPS}, LATEST: {"partitions": 2, "compact": True}}
TARGETS = (DROPPING, BURYING, FAILING, FAILING, WASTE, WASTE, KEPT, LATEST)
BRIEF, ENOUGH = 0.2, 600.0  # seconds of ttl
MUST_HAPPEN = ("expired", "redriven", "purged", "trimmed", "compacted")
RATE = 80  # of jobs: so slow that each has many chunks, and a fault comes in the middle


class RemovalActor(Actor):
    """An actor whose history is that of removals."""

    def __init__(self, server: Server, removals: RemovalHistory, seed: str) -> None:
        super().__init__(server, removals, seed)  # type: ignore[arg-type]  # all that an actor asks of a history
        self.removals = removals


class Sender(RemovalActor):
    """Stores batches everywhere; each has dedup ids, and is sent again until it is answered."""

    def __init__(self, server: Server, removals: RemovalHistory, seed: str) -> None:
        super().__init__(server, removals, seed)
        self.made = self.batches = 0
        self.again: list[list[Sent]] = []

    def session(self) -> None:
        with self.server.rest() as rest:
            while not self.over.is_set():
                batch = self.again.pop() if self.again else self._batch()
                try:
                    results = self.timed("send", lambda: self._send(rest, batch))  # noqa: B023 (called at once)
                except (Refused, *CUT) as error:
                    if not isinstance(error, Refused) or error.code in TRY_LATER:
                        self.again.append(batch)
                    raise
                for sent, result in zip(batch, results, strict=True):
                    self.removals.stored(sent, result)
                self.over.wait(0.05)

    def _batch(self) -> list[Sent]:
        self.batches += 1
        if self.batches <= len(TARGETS):  # in the shortest run, too, there is enough of each to go
            to, size = TARGETS[self.batches - 1], 20
        else:
            to, size = self.dice.choice(TARGETS), self.dice.choice([1, 5, 20])
        return self.removals.sending([self._make(to) for _ in range(size)])

    def _make(self, to: str) -> Sent:
        self.made += 1
        key = {WASTE: self.dice.choice([OLD, NEW]), LATEST: self.dice.choice([None, *(f"k{n}" for n in range(9))])}.get(to)
        brief = to in (DROPPING, BURYING) and self.dice.random() < 0.5
        return Sent(f"{self.name}-{self.made}", to, key, brief)

    def _send(self, rest: Rest, batch: list[Sent]) -> list[Json]:
        to = batch[0].to
        kind, field = ("streams", "records") if to in STREAMS else ("queues", "messages")
        return list(rest.call("POST", f"/{kind}/{to}/{field}", {field: [self._wire(sent) for sent in batch]})["results"])

    @staticmethod
    def _wire(sent: Sent) -> Json:
        ttl = {"ttl": BRIEF if sent.brief else ENOUGH} if sent.to in (DROPPING, BURYING) else {}
        return {"body": {"uid": sent.uid}, "key": sent.key, "dedup_id": sent.uid, **ttl}


class Taker(RemovalActor):
    """Takes a few messages at a time, so that some expire before their turn; acknowledges, or rejects, all of them."""

    def __init__(self, server: Server, removals: RemovalHistory, seed: str, *, queue: str, verdict: str = "ack") -> None:
        super().__init__(server, removals, seed)
        self.queue, self.verdict = queue, verdict
        self.most, self.pace = (2, 0.05) if queue in (DROPPING, BURYING) else (100, 0.01)

    def session(self) -> None:
        with self.server.rest() as rest:
            while not self.over.is_set():
                asked = {"max": self.most, "wait": 0.2}
                taken = self.timed("receive", lambda: rest.receive(self.queue, **asked))  # noqa: B023 (called at once)
                for item in taken:
                    self.removals.took_out(_taken(self.queue, item))
                if taken:
                    self._settle(rest, taken)
                self.over.wait(self.pace)

    def _settle(self, rest: Rest, taken: list[Json]) -> None:
        uids = {item["receipt"]: item["body"]["uid"] for item in taken}
        if self.verdict == "dead":
            rest.settle(self.queue, dead=[{"receipt": receipt} for receipt in uids])
            return
        self.removals.settling(self.queue, [*uids.values()])
        results = rest.settle(self.queue, ack=[*uids])
        self.removals.settled(self.queue, [uids[result["receipt"]] for result in results if result["status"] == "ok"])


def _taken(queue: str, item: Json) -> Taken:
    expires = item["expires_at"]
    lease_from = _microseconds(item["lease_until_at"]) - round(item["lease"] * 1_000_000)
    return Taken(item["body"]["uid"], queue, item["id"], lease_from, _microseconds(expires) if expires else None)


def _microseconds(instant: str) -> int:
    return round(datetime.fromisoformat(instant).timestamp() * 1_000_000)


class Looker(RemovalActor):
    """Looks at where retention has come."""

    def session(self) -> None:
        with self.server.rest() as rest:
            while not self.over.is_set():
                look(rest, self.removals)
                self.over.wait(0.05)


def look(rest: Rest, removals: RemovalHistory) -> None:
    shown = rest.call("GET", f"/streams/{KEPT}")
    for number, low in shown["low"].items():
        removals.looked(KEPT, int(number), int(low), int(shown["end"][number]))


class RemovalCampaign(Run):
    """A server, its traffic, and the jobs that are begun before each fault."""

    def __init__(self, server: Server, number: int, *, disk: Disk | None = None) -> None:
        super().__init__(server, number, disk=disk)
        self.history = RemovalHistory()
        self.jobs: list[str] = []

    def seen(self) -> int:
        return len(self.history.taken)

    def wrongs(self) -> list[str]:
        return super().wrongs() + stream_wrongs(self.server.data)

    def complaints(self) -> list[str]:
        return removal_complaints(self.history)

    # --- traffic ---

    def open(self) -> None:
        """Start the server, declare what there is, set everybody to work."""
        self.server.start()
        with self.server.rest() as rest:
            for name, settings in QUEUES.items():
                rest.declare(name, **settings)
            for name, settings in STREAMS.items():
                rest.call("PUT", f"/streams/{name}", settings)
        server, history, name = self.server, self.history, f"{self.seed}"
        self.actors = [
            *(Sender(server, history, f"{name}.s{n}") for n in range(3)),
            *(Taker(server, history, f"{name}.t.{queue}", queue=queue) for queue in (DROPPING, BURYING, AGAIN)),
            Taker(server, history, f"{name}.t.{FAILING}", queue=FAILING, verdict="dead"),
            Looker(server, history, f"{name}.l"),
        ]
        for actor in self.actors:
            actor.start()

    def begin_more(self) -> None:
        """A redrive and a purge that the next fault is to interrupt."""
        with self.server.rest() as rest:
            self._begin(rest, f"/queues/{FAILING}/redrive", {"to": AGAIN, "rate": RATE})
            self._begin(rest, f"/queues/{WASTE}/purge", {"filter": {"key": OLD}, "rate": RATE})

    def _begin(self, rest: Rest, path: str, asked: Json) -> None:
        self.jobs.append(rest.call("POST", path, asked)["job"]["id"])

    # --- the end ---

    def close(self) -> None:
        """End the traffic, let jobs and housekeeping come to their end, read what is left, stop the server, and judge."""
        takers = [actor for actor in self.actors if isinstance(actor, Taker)]
        self.dismiss(actor for actor in self.actors if not isinstance(actor, Taker))
        with self.server.rest() as rest:
            eventually(lambda: not _waiting(rest, FAILING), 30, why="all that fails is dead")
            self._end_jobs(rest)
            self.begin_more()
            self._end_jobs(rest)
            for taker in takers:
                taker.most = 100
            eventually(lambda: not any(_waiting(rest, queue) for queue in (DROPPING, BURYING, AGAIN)), 30, why="all is taken")
            self.dismiss(takers)
            eventually(lambda: self._kept_house(rest), 30, why="retention and compaction have come to their end", interval=0.1)
            self._read(rest)
        self.stop()
        nothing = [name for name in MUST_HAPPEN if not self.history.summary()[name]]
        self.trouble += [f"nothing was {name}: the run proves nothing of that" for name in nothing]
        self.judge()

    def _end_jobs(self, rest: Rest) -> None:
        for id in self.jobs:
            shown: dict[str, Any] = {}

            def ended() -> bool:
                shown.update(rest.call("GET", f"/jobs/{id}"))  # noqa: B023 (called at once)
                return shown["state"] not in ("waiting", "running")  # noqa: B023 (called at once)

            eventually(ended, 60, why=f"job {id} ends", interval=0.1)
            self.history.jobs.append(Done(shown["kind"], shown["state"], shown["done"], shown["failed"]))
        self.jobs.clear()

    def _kept_house(self, rest: Rest) -> bool:
        kept = rest.call("GET", f"/streams/{KEPT}")
        latest = [sent for sent in self.history.sent.values() if sent.to == LATEST]
        most = len({sent.key for sent in latest} - {None}) + sum(sent.key is None for sent in latest)
        few = sum(rest.call("GET", f"/streams/{LATEST}")["records"].values()) <= most
        return few and all(number <= KEEPS for number in kept["records"].values())

    def _read(self, rest: Rest) -> None:
        look(rest, self.history)
        for queue in QUEUES:
            for item in rest.browse(queue):
                self.history.left[queue].append(Left(item["body"]["uid"], item["state"], item["reason"]))
        for stream, settings in STREAMS.items():
            for partition in range(settings["partitions"]):
                self._read_partition(rest, stream, partition)

    def _read_partition(self, rest: Rest, stream: str, partition: int) -> None:
        where: dict[str, Any] = {"from": "earliest"}
        while True:
            read = rest.call("GET", f"/streams/{stream}/records", None, partition=partition, limit=1000, **where)
            for record in read["records"]:
                place = (stream, partition, int(record["offset"]))
                self.history.records[place] = (record["body"]["uid"], record["key"])
            if read["next"] == read["end"]:
                return
            where = {"offset": read["next"]}


def _waiting(rest: Rest, queue: str) -> int:
    return sum(n for state, n in rest.queue(queue)["counts"].items() if state != "dead")
