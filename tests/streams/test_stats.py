"""Rates of streams are told by commits; one that is gone is forgotten."""

from __future__ import annotations

import pytest

from brokerweb.core import events
from brokerweb.storage.run import perform
from brokerweb.streams import control, duties, engine, stats
from brokerweb.streams.models import Stream
from brokerweb.streams.records import NewRecord


@pytest.mark.django_db(transaction=True)
def test_appended_records_are_counted_until_their_stream_is_swept() -> None:
    counted = stats.StreamStats()
    unlisten = events.listen(counted)
    perform(control.declare, "events", {"partitions": 2})
    perform(engine.append, "events", [NewRecord(b"1")] * 20)
    stream_id = Stream.objects.get().pk
    assert counted.rates(stream_id)["appended"] > 0
    assert counted.totals() == {(events.APPENDED, stream_id): 20}
    perform(control.delete, "events")
    while perform(duties.sweep_deleted):
        pass
    assert counted.totals() == {}
    assert counted.sums()["appended"] == 20
    unlisten()
