"""Programs to copy: publish and consume against this host, in the languages people come with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.http import HttpRequest

from brokerweb import conf


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
        """By the address that the operator named, where there is one of this host: a proxy may not tell its port."""
        named = [
            origin
            for origin in conf.get().public_url
            if urlsplit(origin).hostname == urlsplit(f"//{request.get_host()}").hostname
        ]
        base = named[0] if named else request.build_absolute_uri("/").rstrip("/")
        return cls(base, "ws" + base.removeprefix("http"))


TOKEN = ""  # none is known: programs take it from where they run
_JSON = "-H 'Content-Type: application/json'"


def _in_shell(token: str) -> str:
    return f'-H "Authorization: Bearer {token or "$TOKEN"}"'


def _in_python(token: str) -> str:
    return f'"Bearer {token}"' if token else '"Bearer " + os.environ["TOKEN"]'


def _in_javascript(token: str) -> str:
    """In Node from the environment; a page asks for it."""
    said = json.dumps(token) if token else 'globalThis.process?.env.TOKEN ?? prompt("A token")'
    return f"const token = {said};\n"


def publishing(host: Host, queue: str, token: str = TOKEN) -> list[Snippet]:
    """Publish one message over REST."""
    url = f"{host.http}/api/v1/queues/{queue}/messages"
    sent = '{"messages": [{"body": {"hello": "world"}}]}'
    curl = _curl(url, token, sent)
    python = f"""import json, os, urllib.request

request = urllib.request.Request(
    {json.dumps(url)},
    data=json.dumps({{"messages": [{{"body": {{"hello": "world"}}}}]}}).encode(),
    headers={{"Authorization": {_in_python(token)}, "Content-Type": "application/json"}},
)
print(urllib.request.urlopen(request).read().decode())"""
    javascript = f"""{_in_javascript(token)}const answer = await fetch({json.dumps(url)}, {{
  method: "POST",
  headers: {{ Authorization: `Bearer ${{token}}`, "Content-Type": "application/json" }},
  body: JSON.stringify({{ messages: [{{ body: {{ hello: "world" }} }}] }}),
}});
console.log(await answer.json());"""
    return [Snippet("curl", curl), Snippet("Python", python), Snippet("JavaScript", javascript)]


def consuming(host: Host, queue: str, token: str = TOKEN) -> list[Snippet]:
    """Lease, handle and acknowledge: over the WebSocket, and with curl by a long poll."""
    queue_url, head = f"{host.http}/api/v1/queues/{queue}", f"{_in_shell(token)} {_JSON}"
    curl = f"""answer=$(curl -sS -X POST {queue_url}/receive {head} \\
  -d '{{"max": 1, "wait": 20}}')
echo "$answer"
receipt=$(echo "$answer" | grep -o '"receipt":"[^"]*"' | head -n 1 | cut -d '"' -f 4)
[ -z "$receipt" ] || curl -sS -X POST {queue_url}/settle {head} \\
  -d "{{\\"ack\\": [\\"$receipt\\"]}}\""""
    python = f"""# pip install websockets
import json, os
from websockets.sync.client import connect

with connect("{host.ws}/ws", additional_headers={{"Authorization": {_in_python(token)}}}) as ws:
    ws.send(json.dumps({{"op": "consume", "id": 1, "queue": "{queue}"}}))
    for frame in map(json.loads, ws):
        if frame["op"] == "error":
            raise SystemExit(frame["message"])
        for message in frame.get("messages", []):
            print(message["id"], message["body"])
            ws.send(json.dumps({{"op": "ack", "receipts": [message["receipt"]]}}))"""
    javascript = f"""{_in_javascript(token)}const ws = new WebSocket("{host.ws}/ws", "brokerweb.v1");
ws.onopen = () => ws.send(JSON.stringify({{ op: "auth", id: 1, token }}));
ws.onmessage = (event) => {{
  const frame = JSON.parse(event.data);
  if (frame.op === "error") throw new Error(frame.message);
  if (frame.op === "ok" && frame.id === 1) ws.send(JSON.stringify({{ op: "consume", id: 2, queue: "{queue}" }}));
  for (const message of frame.messages ?? []) {{
    console.log(message.id, message.body);
    ws.send(JSON.stringify({{ op: "ack", receipts: [message.receipt] }}));
  }}
}};
ws.onclose = (event) => console.log("closed:", event.code, event.reason);"""
    return [Snippet("curl", curl), Snippet("Python", python), Snippet("JavaScript", javascript)]


def appending(host: Host, stream: str, token: str = TOKEN) -> list[Snippet]:
    """Append one record over REST."""
    url = f"{host.http}/api/v1/streams/{stream}/records"
    curl = _curl(url, token, '{"records": [{"key": "customer-42", "body": {"hello": "world"}}]}')
    python = f"""import json, os, urllib.request

request = urllib.request.Request(
    {json.dumps(url)},
    data=json.dumps({{"records": [{{"key": "customer-42", "body": {{"hello": "world"}}}}]}}).encode(),
    headers={{"Authorization": {_in_python(token)}, "Content-Type": "application/json"}},
)
print(urllib.request.urlopen(request).read().decode())"""
    javascript = f"""{_in_javascript(token)}const answer = await fetch({json.dumps(url)}, {{
  method: "POST",
  headers: {{ Authorization: `Bearer ${{token}}`, "Content-Type": "application/json" }},
  body: JSON.stringify({{ records: [{{ key: "customer-42", body: {{ hello: "world" }} }}] }}),
}});
console.log(await answer.json());"""
    return [Snippet("curl", curl), Snippet("Python", python), Snippet("JavaScript", javascript)]


def following(host: Host, stream: str, token: str = TOKEN) -> list[Snippet]:
    """Follow a stream: live with curl, as a member of a group over the WebSocket."""
    curl = f"curl -N {host.http}/api/v1/streams/{stream}/live \\\n  {_in_shell(token)}"
    python = f"""# pip install websockets
import json, os
from websockets.sync.client import connect

with connect("{host.ws}/ws", additional_headers={{"Authorization": {_in_python(token)}}}) as ws:
    ws.send(json.dumps({{"op": "subscribe", "id": 1, "stream": "{stream}", "group": "mine", "prefetch": 300}}))
    for frame in map(json.loads, ws):
        if frame["op"] == "error":
            raise SystemExit(frame["message"])
        if frame["op"] == "records":
            for record in frame["records"]:
                print(record["offset"], record["body"])
            following = {{str(frame["partition"]): str(int(frame["records"][-1]["offset"]) + 1)}}
            ws.send(json.dumps({{"op": "commit", "sub": frame["sub"], "offsets": following}}))
            ws.send(json.dumps({{"op": "credit", "sub": frame["sub"], "n": len(frame["records"])}}))"""
    javascript = f"""{_in_javascript(token)}const ws = new WebSocket("{host.ws}/ws", "brokerweb.v1");
ws.onopen = () => ws.send(JSON.stringify({{ op: "auth", id: 1, token }}));
ws.onmessage = (event) => {{
  const frame = JSON.parse(event.data);
  if (frame.op === "error") throw new Error(frame.message);
  const subscribe = {{ op: "subscribe", id: 2, stream: "{stream}", from: "earliest", prefetch: 300 }};
  if (frame.op === "ok" && frame.id === 1) ws.send(JSON.stringify(subscribe));
  if (frame.op !== "records") return;
  for (const record of frame.records) console.log(record.partition, record.offset, record.body);
  ws.send(JSON.stringify({{ op: "credit", sub: frame.sub, n: frame.records.length }}));
}};
ws.onclose = (event) => console.log("closed:", event.code, event.reason);"""
    return [Snippet("curl", curl), Snippet("Python", python), Snippet("JavaScript", javascript)]


def _curl(url: str, token: str, sent: str) -> str:
    return " \\\n  ".join([f"curl -X POST {url}", _in_shell(token), _JSON, f"-d '{sent}'"])
