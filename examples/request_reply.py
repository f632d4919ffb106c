"""Request and reply: a client asks over a queue and says where the answer goes; services answer, however many there are.

BROKERWEB_TOKEN=bw_… python examples/request_reply.py
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from broker import Socket, call, run, socket

ANSWERS = f"answers-{uuid.uuid4().hex[:8]}"  # a queue of this client's own


async def serve(name: str) -> None:
    """A service: answers whoever asks, with the question's own correlation_id, in the commit that acknowledges it."""
    async with socket() as broker:
        await broker.say("consume", id=1, queue="ask", prefetch=4)
        async for frame in broker.frames("deliver"):
            for message in frame["messages"]:
                answer = {"body": {"square": message["body"] ** 2, "by": name}, "correlation_id": message["correlation_id"]}
                await broker.say(
                    "transact",
                    settle={"ask": {"ack": [message["receipt"]]}},
                    publish=[{"to": message["reply_to"], "messages": [answer]}],
                )


class Client:
    """Asks, and waits for the answer that belongs to the question."""

    def __init__(self, broker: Socket, answers: str) -> None:
        self._broker, self._answers = broker, answers
        self._open: dict[str, asyncio.Future[Any]] = {}

    async def ask(self, question: int) -> Any:
        name = uuid.uuid4().hex
        self._open[name] = answer = asyncio.get_running_loop().create_future()
        message = {"body": question, "reply_to": f"queue:{self._answers}", "correlation_id": name, "ttl": 30}
        await self._broker.say("publish", to="queue:ask", messages=[message])
        return await asyncio.wait_for(answer, 30)

    async def listen(self) -> None:
        await self._broker.say("consume", id=1, queue=self._answers)
        async for frame in self._broker.frames("deliver"):
            for message in frame["messages"]:
                waiting = self._open.pop(message["correlation_id"], None)
                if waiting is not None:
                    waiting.set_result(message["body"])
            await self._broker.say("ack", receipts=[message["receipt"] for message in frame["messages"]])


def prepare() -> None:
    call("PUT", "/queues/ask", {})
    call("PUT", f"/queues/{ANSWERS}", {"expires": 60})  # goes by itself when nobody listens any more


async def main() -> None:
    async with socket() as broker, asyncio.TaskGroup() as group:
        client = Client(broker, ANSWERS)
        working = [group.create_task(each) for each in (serve("one"), serve("two"), client.listen())]
        replies = await asyncio.gather(*(client.ask(n) for n in range(10)))
        for task in working:
            task.cancel()
    print(" ".join(str(reply["square"]) for reply in replies))


if __name__ == "__main__":
    run(prepare, main)
