"""Programs to copy: publish and consume against this host, in the languages people come with."""

from __future__ import annotations

import json
from dataclasses import dataclass

from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Snippet:
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Host:
    """Where this broker is reached, as the person reached it."""

    http: str
    ws: str

    @classmethod
    def of(cls, request: HttpRequest) -> Host:
        base = request.build_absolute_uri("/").rstrip("/")
        return cls(base, "ws" + base.removeprefix("http"))


TOKEN = "$TOKEN"  # noqa: S105 (a place to put one)


def publishing(host: Host, queue: str, token: str = TOKEN) -> list[Snippet]:
    """Publish one message over REST."""
    url = f"{host.http}/api/v1/queues/{queue}/messages"
    sent = '{"messages": [{"body": {"hello": "world"}}]}'
    curl = _curl(url, token, sent)
    python = f"""import json, urllib.request

request = urllib.request.Request(
    {json.dumps(url)},
    data=json.dumps({{"messages": [{{"body": {{"hello": "world"}}}}]}}).encode(),
    headers={{"Authorization": "Bearer {token}", "Content-Type": "application/json"}},
)
print(urllib.request.urlopen(request).read().decode())"""
    javascript = f"""const answer = await fetch({json.dumps(url)}, {{
  method: "POST",
  headers: {{ Authorization: "Bearer {token}", "Content-Type": "application/json" }},
  body: JSON.stringify({{ messages: [{{ body: {{ hello: "world" }} }}] }}),
}});
console.log(await answer.json());"""
    return [Snippet("curl", curl), Snippet("Python", python), Snippet("JavaScript", javascript)]


def consuming(host: Host, queue: str, token: str = TOKEN) -> list[Snippet]:
    """Consume and acknowledge: over the WebSocket, and with curl by a long poll."""
    url = f"{host.http}/api/v1/queues/{queue}/receive"
    curl = (
        f'curl -X POST {url} \\\n  -H "Authorization: Bearer {token}" \\\n'
        '  -H \'Content-Type: application/json\' \\\n  -d \'{"max": 10, "wait": 20, "ack": "none"}\''
    )
    python = f"""# pip install websockets
import json
from websockets.sync.client import connect

with connect("{host.ws}/ws", additional_headers={{"Authorization": "Bearer {token}"}}) as ws:
    ws.send(json.dumps({{"op": "consume", "id": 1, "queue": "{queue}"}}))
    for frame in map(json.loads, ws):
        for message in frame.get("messages", []):
            print(message["id"], message["body"])
            ws.send(json.dumps({{"op": "ack", "receipts": [message["receipt"]]}}))"""
    javascript = f"""const ws = new WebSocket("{host.ws}/ws", "brokerweb.v1");
ws.onopen = () => ws.send(JSON.stringify({{ op: "auth", id: 1, token: "{token}" }}));
ws.onmessage = (event) => {{
  const frame = JSON.parse(event.data);
  if (frame.op === "ok" && frame.id === 1) ws.send(JSON.stringify({{ op: "consume", id: 2, queue: "{queue}" }}));
  for (const message of frame.messages ?? []) {{
    console.log(message.id, message.body);
    ws.send(JSON.stringify({{ op: "ack", receipts: [message.receipt] }}));
  }}
}};"""
    return [Snippet("curl", curl), Snippet("Python", python), Snippet("JavaScript", javascript)]


def appending(host: Host, stream: str, token: str = TOKEN) -> list[Snippet]:
    """Append one record over REST."""
    url = f"{host.http}/api/v1/streams/{stream}/records"
    curl = _curl(url, token, '{"records": [{"key": "customer-42", "body": {"hello": "world"}}]}')
    python = f"""import json, urllib.request

request = urllib.request.Request(
    {json.dumps(url)},
    data=json.dumps({{"records": [{{"key": "customer-42", "body": {{"hello": "world"}}}}]}}).encode(),
    headers={{"Authorization": "Bearer {token}", "Content-Type": "application/json"}},
)
print(urllib.request.urlopen(request).read().decode())"""
    javascript = f"""const answer = await fetch({json.dumps(url)}, {{
  method: "POST",
  headers: {{ Authorization: "Bearer {token}", "Content-Type": "application/json" }},
  body: JSON.stringify({{ records: [{{ key: "customer-42", body: {{ hello: "world" }} }}] }}),
}});
console.log(await answer.json());"""
    return [Snippet("curl", curl), Snippet("Python", python), Snippet("JavaScript", javascript)]


def following(host: Host, stream: str, token: str = TOKEN) -> list[Snippet]:
    """Follow a stream: live with curl, as a member of a group over the WebSocket."""
    curl = f'curl -N {host.http}/api/v1/streams/{stream}/live \\\n  -H "Authorization: Bearer {token}"'
    python = f"""# pip install websockets
import json
from websockets.sync.client import connect

with connect("{host.ws}/ws", additional_headers={{"Authorization": "Bearer {token}"}}) as ws:
    ws.send(json.dumps({{"op": "subscribe", "id": 1, "stream": "{stream}", "group": "mine", "prefetch": 300}}))
    for frame in map(json.loads, ws):
        if frame["op"] == "records":
            for record in frame["records"]:
                print(record["offset"], record["body"])
            following = {{str(frame["partition"]): str(int(frame["records"][-1]["offset"]) + 1)}}
            ws.send(json.dumps({{"op": "commit", "sub": frame["sub"], "offsets": following}}))
            ws.send(json.dumps({{"op": "credit", "sub": frame["sub"], "n": len(frame["records"])}}))"""
    javascript = f"""const ws = new WebSocket("{host.ws}/ws", "brokerweb.v1");
ws.onopen = () => ws.send(JSON.stringify({{ op: "auth", id: 1, token: "{token}" }}));
ws.onmessage = (event) => {{
  const frame = JSON.parse(event.data);
  const subscribe = {{ op: "subscribe", id: 2, stream: "{stream}", from: "earliest", prefetch: 300 }};
  if (frame.op === "ok" && frame.id === 1) ws.send(JSON.stringify(subscribe));
  if (frame.op !== "records") return;
  for (const record of frame.records) console.log(record.partition, record.offset, record.body);
  ws.send(JSON.stringify({{ op: "credit", sub: frame.sub, n: frame.records.length }}));
}};"""
    return [Snippet("curl", curl), Snippet("Python", python), Snippet("JavaScript", javascript)]


def _curl(url: str, token: str, sent: str) -> str:
    lines = [f"curl -X POST {url}", f'-H "Authorization: Bearer {token}"', "-H 'Content-Type: application/json'", f"-d '{sent}'"]
    return " \\\n  ".join(lines)
