"""Programs to copy: publish and consume against this host, in the languages people come with."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.http import HttpRequest

from brokerweb import conf
from brokerweb.identity.grants import ADMIN, BROWSE, CONSUME, MANAGE, MONITOR, PUBLISH, Permit


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
    return f'-H "Authorization: Bearer {token or "$BROKERWEB_TOKEN"}"'


def _in_python(token: str) -> str:
    return f'"Bearer {token}"' if token else '"Bearer " + os.environ["BROKERWEB_TOKEN"]'


def _in_javascript(token: str) -> str:
    """In Node from the environment; a page asks for it."""
    said = json.dumps(token) if token else 'globalThis.process?.env.BROKERWEB_TOKEN ?? prompt("A token")'
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
    command = _command(host, token, ["publish", f"queue:{queue}", '{"hello": "world"}'])
    return _all(curl, python, javascript, command)


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
    command = "# It acknowledges each message once it is printed; --keep gives them back.\n"
    return _all(curl, python, javascript, command + _command(host, token, ["consume", queue]))


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
    command = _command(host, token, ["publish", f"stream:{stream}", "--key=customer-42", '{"hello": "world"}'])
    return _all(curl, python, javascript, command)


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
    return _all(curl, python, javascript, _command(host, token, ["tail", stream]))


def routing(host: Host, topic: str, token: str = TOKEN) -> list[Snippet]:
    """Publish one message to a topic over REST."""
    url = f"{host.http}/api/v1/topics/{topic}/messages"
    curl = _curl(url, token, '{"messages": [{"routing_key": "orders.new", "body": {"hello": "world"}}]}')
    python = f"""import json, os, urllib.request

request = urllib.request.Request(
    {json.dumps(url)},
    data=json.dumps({{"messages": [{{"routing_key": "orders.new", "body": {{"hello": "world"}}}}]}}).encode(),
    headers={{"Authorization": {_in_python(token)}, "Content-Type": "application/json"}},
)
print(urllib.request.urlopen(request).read().decode())"""
    javascript = f"""{_in_javascript(token)}const answer = await fetch({json.dumps(url)}, {{
  method: "POST",
  headers: {{ Authorization: `Bearer ${{token}}`, "Content-Type": "application/json" }},
  body: JSON.stringify({{ messages: [{{ routing_key: "orders.new", body: {{ hello: "world" }} }}] }}),
}});
console.log(await answer.json());"""
    command = _command(host, token, ["publish", f"topic:{topic}", "--routing-key=orders.new", '{"hello": "world"}'])
    return _all(curl, python, javascript, command)


Known = Callable[[str], Iterable[str]]  # the names of queues, streams or topics that are there
_PUBLISHING = {"queue": publishing, "stream": appending, "topic": routing}
_CONSUMING = {"queue": consuming, "stream": following}


def trying(host: Host, permits: Iterable[Permit], token: str, known: Known) -> list[Snippet]:
    """What just such a token may do, with something that is there if there is any; nothing for one that may nothing."""
    permits = list(permits)
    for verb, made in ((PUBLISH, _PUBLISHING), (CONSUME, _CONSUMING)):
        found = [(kind, permit) for permit in permits if permit.gives(verb) for kind in made if permit.kind in (None, kind)]
        named = [(kind, permit, name) for kind, permit in found if (name := next(_matching(permit, known(kind)), None))]
        for kind, _, name in named:
            return made[kind](host, name, token)
        for kind, permit in found:
            return made[kind](host, _example(permit), token)
    for permit in permits:
        place = _looked_at(permit, known)
        return [Snippet("curl", f"curl {host.http}{place} \\\n  {_in_shell(token)}")]
    return []


def _matching(permit: Permit, names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if permit.matches(permit.kind or "queue", name))


def _example(permit: Permit) -> str:
    """A name that the pattern matches."""
    return permit.pattern.replace("*", "example").replace("?", "x") if permit.pattern != "*" else "orders"


def _looked_at(permit: Permit, known: Known) -> str:
    if set(permit.verbs) == {MONITOR}:
        return "/metrics"
    kind = permit.kind or "queue"
    name = next(_matching(permit, known(kind)), None) or _example(permit)
    return f"/api/v1/{kind}s/{name}" if permit.verbs & {BROWSE, MANAGE, ADMIN} else "/metrics"


def _command(host: Host, token: str, words: list[str]) -> str:
    """The command, with what it does not know from where it runs."""
    named = f"BROKERWEB_URL={shlex.quote(host.http)} " + (f"BROKERWEB_TOKEN={shlex.quote(token)} " if token else "")
    return named + shlex.join(["brokerweb", *words])


def _all(curl: str, python: str, javascript: str, command: str) -> list[Snippet]:
    return [Snippet("curl", curl), Snippet("Python", python), Snippet("JavaScript", javascript), Snippet("Command", command)]


def _curl(url: str, token: str, sent: str) -> str:
    return " \\\n  ".join([f"curl -X POST {url}", _in_shell(token), _JSON, f"-d '{sent}'"])
