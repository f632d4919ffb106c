"""A pipe whose client does as one must where a commit may come late: it asks again for the very same until it is answered."""

from __future__ import annotations

from tests.clients import Json, Refused, Rest
from tests.crash.actors import TRY_LATER
from tests.crash.stream_actors import Piper


class SurePiper(Piper):
    """A transaction whose outcome is unknown is sent again with its ``dedup_id``, before anything else is piped."""

    pending: Json | None = None
    number = 0

    def session(self) -> None:
        with self.server.rest() as rest:
            if self.pending is not None:
                self._transact(rest)
            while not self.over.is_set():
                committed = rest.call("GET", f"/streams/{self.stream}/groups/{self.GROUP}")["committed"]
                for number, offset in committed.items():
                    self._pipe(rest, number, offset)
                self.over.wait(0.05)

    def _pipe(self, rest: Rest, number: str, offset: str) -> None:
        read = rest.call("GET", f"/streams/{self.stream}/records", None, partition=number, offset=offset, limit=20)
        if read["records"]:
            self.number += 1
            commit = {"stream": self.stream, "group": self.GROUP, "offsets": {number: read["next"]}}
            messages = [{"body": record["body"]} for record in read["records"]]
            publish = [{"to": f"stream:{self.OUT}", "messages": messages}]
            self.pending = {"dedup_id": f"{self.name}-{self.number}", "commit": [commit], "publish": publish}
            self._transact(rest)

    def _transact(self, rest: Rest) -> None:
        try:
            rest.call("POST", "/transact", self.pending)
        except Refused as refused:
            if refused.code not in TRY_LATER:
                self.pending = None
            raise
        self.pending = None
