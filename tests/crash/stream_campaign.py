"""One run over streams: appends, reads, commits, retention, a shared group, a pipe and replays, with faults in between."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.clients import Json, Rest
from tests.crash.run import Run
from tests.crash.stream_actors import Appender, Follower, Member, Piper, Watcher, Worker
from tests.crash.stream_books import stream_wrongs
from tests.crash.stream_history import Seen, StreamHistory, digest, stream_complaints
from tests.eventually import eventually
from tests.powerfail.shim import Disk
from tests.server import Server

LOG, SHORT, SOURCE = "log", "short", "source"
STREAMS: dict[str, Json] = {
    LOG: {"partitions": 3},
    SHORT: {"partitions": 2, "retention_records": 20},
    SOURCE: {},
    Piper.OUT: {},
}
GROUPS: dict[str, Json] = {
    Member.GROUP: {"start": "earliest", "session_timeout": 1},
    Worker.GROUP: {"kind": "shared", "start": "earliest", "max_failures": None, "lease": 2, "backoff": {"initial": 0.05}},
    Piper.GROUP: {"start": "earliest"},
}
REPLAYED = 1000  # records of every replay


class StreamCampaign(Run):
    """A server, its traffic over streams, and what its clients saw."""

    pipe = Piper

    def __init__(self, server: Server, number: int, *, disk: Disk | None = None) -> None:
        super().__init__(server, number, disk=disk)
        self.history = StreamHistory()
        self.replays: dict[str, str] = {}  # queue -> job id

    def seen(self) -> int:
        return len(self.history.seen)

    def wrongs(self) -> list[str]:
        return super().wrongs() + stream_wrongs(self.server.data)

    def complaints(self) -> list[str]:
        return stream_complaints(self.history)

    # --- traffic ---

    def open(self) -> None:
        """Start the server, declare what there is, set everybody to work."""
        self.server.start()
        with self.server.rest() as rest:
            for name, settings in STREAMS.items():
                rest.call("PUT", f"/streams/{name}", settings)
            for name, settings in GROUPS.items():
                rest.call("PUT", f"/streams/{LOG}/groups/{name}", settings)
            for i in range(0, REPLAYED, 500):
                rest.call("POST", f"/streams/{SOURCE}/records", {"records": [{"body": i + n} for n in range(500)]})
        self.employ()

    def employ(self) -> None:
        name, streams = f"{self.seed}", [LOG, LOG, SHORT]
        server, history = self.server, self.history
        self.actors = [
            Appender(server, history, f"{name}.ra", streams=streams, socket=False),
            Appender(server, history, f"{name}.wa", streams=streams, socket=True),
            Follower(server, history, f"{name}.fl", stream=LOG),
            Follower(server, history, f"{name}.fs", stream=SHORT),
            Member(server, history, f"{name}.ma", stream=LOG),
            Member(server, history, f"{name}.mb", stream=LOG),
            Worker(server, history, f"{name}.sa", stream=LOG),
            Worker(server, history, f"{name}.sb", stream=LOG),
            Watcher(server, history, f"{name}.wt", stream=LOG),
            self.pipe(server, history, f"{name}.pi", stream=LOG),
        ]
        for actor in self.actors:
            actor.start()

    def traffic(self, least: int = 60) -> None:
        super().traffic(least)

    def begin_more(self) -> None:
        """Another replay."""
        queue = f"copies-{len(self.replays)}"
        with self.server.rest() as rest:
            rest.declare(queue)
            answer = rest.call("POST", f"/streams/{SOURCE}/replay", {"from": "earliest", "to": f"queue:{queue}"})
            self.replays[queue] = answer["job"]["id"]

    # --- the end ---

    def close(self) -> None:
        """End the traffic, let the shared group and the replays finish, read everything, stop the server, and judge."""
        self.dismiss(actor for actor in self.actors if not isinstance(actor, Worker))
        with self.server.rest() as rest:
            eventually(lambda: self._workers_done(rest), 60, why="the shared group has finished", interval=0.2)
            self.dismiss(actor for actor in self.actors if isinstance(actor, Worker))
            self._check_replays(rest)
            self._read_all(rest)
            self._read_pipe(rest)
        self.stop()
        self.judge()

    def _workers_done(self, rest: Rest) -> bool:
        shown = rest.call("GET", f"/streams/{LOG}/groups/{Worker.GROUP}")
        return shown["lag"] == 0 and not any(shown["counts"].values())

    def _check_replays(self, rest: Rest) -> None:
        """Every replay ends done, and copied each record once, whatever happened meanwhile."""
        for queue, job in self.replays.items():
            eventually(lambda: rest.call("GET", f"/jobs/{job}")["state"] == "done", 60, why=f"replay {job}", interval=0.1)  # noqa: B023 (called at once)
            copied = sorted(message["body"] for message in rest.browse(queue))
            if copied != list(range(REPLAYED)):
                self.trouble.append(f"C6 the replay to {queue} copied {len(copied)} records, {len(set(copied))} different")

    def _read_all(self, rest: Rest) -> None:
        for stream in (LOG, SHORT):
            shown = rest.call("GET", f"/streams/{stream}")
            for number, low in shown["low"].items():
                self.history.lows[stream, int(number)] = int(low)
                self.history.replay[stream] += list(self._records(rest, stream, int(number)))

    def _records(self, rest: Rest, stream: str, number: int) -> Iterator[Seen]:
        offset: dict[str, Any] = {"from": "earliest"}
        while True:
            read = rest.call("GET", f"/streams/{stream}/records", None, partition=number, limit=1000, **offset)
            for record in read["records"]:
                body = record["body"]
                intact = body["digest"] == digest(body["uid"], body["pad"])
                place = (stream, number, int(record["offset"]))
                yield Seen(place, body["uid"], intact, record["appended_at"], "replay")
            if read["next"] == read["end"]:
                return
            offset = {"offset": read["next"]}

    def _read_pipe(self, rest: Rest) -> None:
        self.history.piped = [seen.uid for seen in self._records(rest, Piper.OUT, 0)]
        committed = rest.call("GET", f"/streams/{LOG}/groups/{Piper.GROUP}")["committed"]
        replay = self.history.replay[LOG]
        self.history.committed_pipe = [seen.uid for seen in replay if seen.place[2] < int(committed[str(seen.place[1])])]
