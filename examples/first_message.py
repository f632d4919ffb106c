import asyncio
import json
import os

from websockets.asyncio.client import connect


async def main() -> None:
    async with connect("ws://127.0.0.1:8000/ws", additional_headers={"Authorization": f"Bearer {os.environ['TOKEN']}"}) as socket:
        await socket.send(json.dumps({"op": "consume", "id": 1, "queue": "orders"}))
        async for frame in socket:
            frame = json.loads(frame)
            if frame["op"] == "error":
                raise SystemExit(frame["message"])
            if frame["op"] == "deliver":
                for message in frame["messages"]:
                    print(message["body"])
                await socket.send(json.dumps({"op": "ack", "receipts": [m["receipt"] for m in frame["messages"]]}))


asyncio.run(main())
