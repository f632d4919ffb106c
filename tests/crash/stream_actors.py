"""Appenders, readers, members and workers of streams: each goes on across outages and writes down what it sent and saw."""

from __future__ import annotations

import time
from typing import Any

from tests.clients import Json, Refused, Rest, Socket
from tests.crash.actors import CUT, PAD, TRY_LATER, Actor
from tests.crash.stream_history import Append, Commit, StreamHistory, digest
from tests.server import Server


class StreamActor(Actor):
    """An actor whose history is that of streams."""

    def __init__(self, server: Server, records: StreamHistory, seed: str) -> None:
        super().__init__(server, _Quiet(records), seed)  # type: ignore[arg-type]  # all that an actor asks of a history
        self.records = records


class _Quiet:
    """What an actor tells any history."""

    def __init__(self, records: StreamHistory) -> None:
        self._records = records

    def complain(self, text: str) -> None:
        self._records.complain(text)

    def took(self, what: str, seconds: float) -> None:
        if seconds > 30:
            self._records.complain(f"{what} took {seconds:.1f} s")


class Appender(StreamActor):
    """Appends over REST or WebSocket, one batch at a time; what has dedup_ids is sent again until it is answered."""

    def __init__(self, server: Server, records: StreamHistory, seed: str, *, streams: list[str], socket: bool) -> None:
        super().__init__(server, records, seed)
        self.streams, self.over_socket = streams, socket
        self.made = self.batches = 0
        self.again: list[list[Append]] = []

    def batch(self) -> list[Append]:
        if self.again:
            return self.again.pop()
        stream, dedup = self.dice.choice(self.streams), self.dice.random() < 0.5
        self.batches += 1
        made = [self._make(stream, dedup) for _ in range(self.dice.choice([1, 1, 5, 20]))]
        return self.records.appending(made)

    def _make(self, stream: str, dedup: bool) -> Append:
        self.made += 1
        uid = f"{self.name}-{self.made}"
        key = self.dice.choice([None, *(f"k{n}" for n in range(6))])
        return Append(uid, stream, key, uid if dedup else None, self.batches)

    def session(self) -> None:
        if self.over_socket:
            with self.server.socket() as socket:
                self._work(lambda batch: self._publish(socket, batch))
        else:
            with self.server.rest() as rest:
                self._work(lambda batch: self._post(rest, batch))

    def _work(self, send: Any) -> None:
        while not self.over.is_set():
            batch = self.batch()
            try:
                results = self.timed("append", lambda: send(batch))  # noqa: B023 (called at once)
            except Refused as refused:
                self._unanswered(batch, refused)
                raise
            except CUT:
                self._unanswered(batch, None)
                raise
            for append, result in zip(batch, results, strict=True):
                self.records.appended(append, result)
            if all(append.dedup_id for append in batch) and self.dice.random() < 0.2:
                self.again.append(batch)  # as a client does that lost the answer; maybe only after the next outage
            self.over.wait(0.005)

    def _post(self, rest: Rest, batch: list[Append]) -> list[Json]:
        body = {"records": [_record(append) for append in batch]}
        return list(rest.call("POST", f"/streams/{batch[0].stream}/records", body)["results"])

    def _publish(self, socket: Socket, batch: list[Append]) -> list[Json]:
        sent = [_record(append) for append in batch]
        return list(socket.call("publish", to=f"stream:{batch[0].stream}", messages=sent)["results"])

    def _unanswered(self, batch: list[Append], refused: Refused | None) -> None:
        """``unavailable`` leaves the outcome open, as a cut does; every other error says that nothing was stored."""
        if refused is not None and refused.code != "unavailable":
            self.records.refuse(batch)
        if all(append.dedup_id for append in batch) and (refused is None or refused.code in TRY_LATER):
            self.again.append(batch)


def _record(append: Append) -> Json:
    """The record as it goes on the wire; its body carries a digest of itself."""
    body = {"uid": append.uid, "pad": PAD, "digest": digest(append.uid, PAD)}
    optional = {"key": append.key, "dedup_id": append.dedup_id}
    return {"body": body, **{name: value for name, value in optional.items() if value is not None}}


class Follower(StreamActor):
    """Reads a stream by itself, from wherever it was; what retention took is said, and passed."""

    def __init__(self, server: Server, records: StreamHistory, seed: str, *, stream: str) -> None:
        super().__init__(server, records, seed)
        self.stream = stream
        self.places: dict[int, int] = {}

    def session(self) -> None:
        reader = self.connection_name()
        with self.server.socket() as socket:
            start = {str(n): str(offset) for n, offset in self.places.items()} or "earliest"
            try:
                sub = socket.call("subscribe", stream=self.stream, prefetch=200, **{"from": start})["sub"]
            except Refused as refused:
                if refused.code != "offset_out_of_range":
                    raise
                self.places.clear()
                return
            while not self.over.is_set():
                frame = socket.next(0.2)
                if frame is not None and frame["op"] == "records":
                    self._read(socket, sub, frame, reader)
                elif frame is not None and frame["op"] == "closed":
                    self.places.clear()
                    return

    def _read(self, socket: Socket, sub: str, frame: Json, reader: str) -> None:
        for record in frame["records"]:
            self.records.saw(self.stream, record, reader)
            self.places[record["partition"]] = int(record["offset"]) + 1
        socket.send("credit", sub=sub, n=len(frame["records"]))


class Member(StreamActor):
    """A member of a group: reads what it is assigned, commits now and then, leaves now and then with or without a word."""

    GROUP = "billing"

    def __init__(self, server: Server, records: StreamHistory, seed: str, *, stream: str) -> None:
        super().__init__(server, records, seed)
        self.stream = stream

    def session(self) -> None:
        name = self.connection_name()
        socket = self.server.socket()
        done: dict[int, int] = {}
        reader: dict[int, str] = {}
        try:
            sub = socket.call("subscribe", stream=self.stream, group=self.GROUP, prefetch=200)["sub"]
            while not self.over.is_set():
                frame = socket.next(0.2)
                if frame is not None and frame["op"] == "closed":
                    return
                if frame is not None:
                    self._take(socket, frame, (name, sub), (done, reader))
                self._commit(socket, sub, done)
                if self.dice.random() < 0.01:
                    break
            if self.over.is_set() or self.dice.random() < 0.5:
                socket.close()
        finally:
            socket.cut()

    def _take(self, socket: Socket, frame: Json, who: tuple[str, str], state: tuple[dict[int, int], dict[int, str]]) -> None:
        (name, sub), (done, reader) = who, state
        if frame["op"] == "assigned":
            for number, offset in frame["partitions"].items():
                done.pop(int(number), None)
                reader[int(number)] = f"{name}/{frame['generation']}/{number}/{offset}"
        elif frame["op"] == "revoked":
            self._commit(socket, sub, {n: done.pop(n) for n in frame["partitions"] if n in done})
        elif frame["op"] == "records":
            for record in frame["records"]:
                self.records.saw(self.stream, record, reader[frame["partition"]])
                done[frame["partition"]] = int(record["offset"]) + 1
            socket.send("credit", sub=sub, n=len(frame["records"]))

    def _commit(self, socket: Socket, sub: str, done: dict[int, int]) -> None:
        """Commit one by one: a partition that was revoked meanwhile refuses, and says nothing of the others."""
        for number, offset in list(done.items()):
            del done[number]
            sent = time.monotonic()
            try:
                socket.call("commit", sub=sub, offsets={str(number): str(offset)})
            except Refused as refused:
                if refused.code not in {"conflict", "not_found", *TRY_LATER}:
                    raise
                continue
            self.records.committed(Commit(self.GROUP, number, offset, sent, time.monotonic()))


class Worker(StreamActor):
    """Takes records of a shared group over REST, acknowledges most, gives some back."""

    GROUP = "workers"

    def __init__(self, server: Server, records: StreamHistory, seed: str, *, stream: str) -> None:
        super().__init__(server, records, seed)
        self.path = f"/streams/{stream}/groups/{self.GROUP}"

    def session(self) -> None:
        with self.server.rest() as rest:
            while not self.over.is_set():
                taken = rest.call("POST", f"{self.path}/receive", {"max": 50, "wait": 0.2})["messages"]
                if taken:
                    self._settle(rest, taken)

    def _settle(self, rest: Rest, taken: list[Json]) -> None:
        uids = {item["receipt"]: item["body"]["uid"] for item in taken}
        verdicts: dict[str, list[str]] = {"ack": [], "release": []}
        nacks = []
        for receipt in uids:
            verdict = self.dice.choices(["ack", "release", "nack"], [90, 5, 5])[0]
            if verdict == "nack":
                nacks.append({"receipt": receipt, "delay": 0})
            else:
                verdicts[verdict].append(receipt)
        self.records.acking([uids[receipt] for receipt in verdicts["ack"]])
        results = rest.call("POST", f"{self.path}/settle", {**verdicts, "nack": nacks})["results"]
        statuses = {result["receipt"]: result["status"] for result in results}
        self.records.acked([uids[receipt] for receipt in verdicts["ack"] if statuses[receipt] == "ok"])


class Watcher(StreamActor):
    """Looks at where the groups are."""

    def __init__(self, server: Server, records: StreamHistory, seed: str, *, stream: str) -> None:
        super().__init__(server, records, seed)
        self.stream = stream

    def session(self) -> None:
        with self.server.rest() as rest:
            while not self.over.is_set():
                asked = time.monotonic()
                shown = rest.call("GET", f"/streams/{self.stream}/groups/{Member.GROUP}")
                for number, offset in shown["committed"].items():
                    self.records.position(Member.GROUP, int(number), int(offset), asked)
                self.over.wait(0.1)


class Piper(StreamActor):
    """Copies a stream into another: what it read is committed and published in one transaction."""

    GROUP, OUT = "pipe", "out"

    def __init__(self, server: Server, records: StreamHistory, seed: str, *, stream: str) -> None:
        super().__init__(server, records, seed)
        self.stream = stream

    def session(self) -> None:
        with self.server.rest() as rest:
            while not self.over.is_set():
                committed = rest.call("GET", f"/streams/{self.stream}/groups/{self.GROUP}")["committed"]
                for number, offset in committed.items():
                    self._pipe(rest, number, offset)
                self.over.wait(0.05)

    def _pipe(self, rest: Rest, number: str, offset: str) -> None:
        read = rest.call("GET", f"/streams/{self.stream}/records", None, partition=number, offset=offset, limit=20)
        if read["records"]:
            commit = {"stream": self.stream, "group": self.GROUP, "offsets": {number: read["next"]}}
            messages = [{"body": record["body"]} for record in read["records"]]
            rest.call("POST", "/transact", {"commit": [commit], "publish": [{"to": f"stream:{self.OUT}", "messages": messages}]})
