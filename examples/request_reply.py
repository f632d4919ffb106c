"""Request and reply: a client asks over a queue and says where the answer goes; services answer, however many there are.

TOKEN=bw_… python examples/request_reply.py
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from broker import Socket, call, socket


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


async def main() -> None:
    answers = f"answers-{uuid.uuid4().hex[:8]}"
    call("PUT", "/queues/ask", {})
    call("PUT", f"/queues/{answers}", {"expires": 60})  # goes by itself when nobody listens any more
    services = [asyncio.create_task(serve(name)) for name in ("one", "two")]
    async with socket() as broker:
        client = Client(broker, answers)
        services.append(asyncio.create_task(client.listen()))
        replies = await asyncio.gather(*(client.ask(n) for n in range(10)))
    for task in services:
        task.cancel()
    await asyncio.gather(*services, return_exceptions=True)
    print(" ".join(str(reply["square"]) for reply in replies))


if __name__ == "__main__":
    asyncio.run(main())
