"""How fast consumer groups read: offsets committed a second, told by commits, and since when a group falls behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from brokerweb.core import events, remembered
from brokerweb.core.rates import Counts, Rates

READ = "read"


class Progress(Rates):
    """Of groups by id, since the process started."""

    rated, known = (READ,), (READ,)

    def begin(self) -> None:
        super().begin()
        self._streams: dict[int, int] = {}  # group id -> its stream's
        self._streams_elsewhere: dict[str, dict[int, int]] = {}  # node -> the same
        self.behind: dict[int, int] = {}  # groups that read more slowly than their streams grow, and since when

    def __call__(self, outcome: events.Outcome) -> None:
        """Listen to one commit."""
        if outcome.advanced:
            counts: Counts = {}
            for group_id, stream_id, n in outcome.advanced:
                self._streams[group_id] = stream_id
                counts[READ, group_id] = counts.get((READ, group_id), 0) + n
            self.add(counts)

    def note_behind(self, appended: Mapping[int, Mapping[str, float]], swell: float, now: int) -> None:
        """Compare what is read with what is appended, by stream; only of groups that have read something lately."""
        read = self.by_id()
        for group_id in [group_id for group_id in list(self._streams) if group_id not in read]:
            del self._streams[group_id]
        streams = dict(self._streams)
        for told in self._streams_elsewhere.values():
            streams |= told
        self.behind = {
            group_id: self.behind.get(group_id, now)
            for group_id, stream_id in streams.items()
            if group_id in read and appended.get(stream_id, {}).get(events.APPENDED, 0.0) > read[group_id][READ] * swell
        }

    def told_of(self) -> list[list[float]]:
        """What other nodes are told: of groups that have read something lately their ids, rates and streams."""
        return [[id, rates[READ], stream_id] for id, rates in self.here().items() if (stream_id := self._streams.get(id))]

    def hear(self, node: str, groups: Sequence[Sequence[float]] | None) -> None:
        """The same of another node; None where it is there no more."""
        self.told(node, None if groups is None else [row[:2] for row in groups])
        elsewhere = {name: told for name, told in self._streams_elsewhere.items() if name != node}
        if groups is not None:
            elsewhere[node] = {int(id): int(stream_id) for id, _, stream_id in groups}
        self._streams_elsewhere = elsewhere


progress = Progress()
remembered.of_run(progress.begin)


def install() -> Callable[[], None]:
    """Listen to this process's commits; returns how to stop that."""
    return events.listen(progress)
