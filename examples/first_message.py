import asyncio
import json
import os
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

URL = os.environ.get("BROKERWEB_URL", "http://127.0.0.1:8000")
TOKEN = os.environ.get("BROKERWEB_TOKEN") or sys.exit("set BROKERWEB_TOKEN")
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


async def main() -> None:
    async with connect(URL.replace("http", "ws", 1) + "/ws", additional_headers=HEADERS) as socket:
        await socket.send(json.dumps({"op": "consume", "id": 1, "queue": "orders"}))
        async for frame in socket:
            frame = json.loads(frame)
            if frame["op"] == "error":
                raise SystemExit(frame["message"])
            if frame["op"] == "deliver":
                for message in frame["messages"]:
                    print(message["body"])
                await socket.send(json.dumps({"op": "ack", "receipts": [m["receipt"] for m in frame["messages"]]}))


try:
    asyncio.run(main())
except (OSError, ConnectionClosed) as error:
    sys.exit(f"{URL}: {error}")
except KeyboardInterrupt:
    sys.exit(130)
