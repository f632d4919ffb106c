"""F10: the wall clock steps under a running broker, and between two starts."""

from __future__ import annotations

from tests.crash.campaign import Campaign
from tests.crash.dose import rounds
from tests.powerfail.shim import WALL_OFFSET_S, Disk

HOUR, DAY = 3600, 86_400
STEPS = [HOUR, -2 * HOUR, DAY]


def test_steps_of_the_wall_clock_end_no_lease_and_repeat_nothing(disk_campaign: Campaign, disk: Disk) -> None:
    disk_campaign.open()
    for number in range(max(rounds(1, 10), len(STEPS))):
        disk_campaign.traffic(50)
        disk.set(WALL_OFFSET_S, STEPS[number % len(STEPS)])
    disk_campaign.traffic()
    _no_negative_ages(disk_campaign)
    disk_campaign.close()


def test_a_lease_outlives_restarts_on_a_stepped_clock(disk_campaign: Campaign, disk: Disk) -> None:
    server = disk_campaign.server
    with server.start().rest() as rest:
        rest.declare("orders", lease=600)
        rest.publish("orders", *({"body": step} for step in STEPS))
        taken = rest.receive("orders", wait=5)
    for step, message in zip(STEPS, taken, strict=True):
        disk.set(WALL_OFFSET_S, step)
        server.terminate()
        with server.start().rest() as rest:
            assert rest.queue("orders")["counts"]["ready"] == 0
            (result,) = rest.settle("orders", ack=[message["receipt"]])

            assert result["status"] == "ok"


def _no_negative_ages(campaign: Campaign) -> None:
    with campaign.server.rest() as rest:
        queues = [*rest.call("GET", "/queues")["items"]]
    assert queues
    assert all(queue["oldest_ready_age"] is None or queue["oldest_ready_age"] >= 0 for queue in queues)
