"""What a form holds as programs that publish just that: a line of curl, Python, JavaScript, the command.

All of them send the same JSON, whose body is the text that was typed: no number of it is ever read. Inside strings what does not
print is escaped, as JSON may have it, so that what is copied is what is seen.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from brokerweb.console.snippets import Host, Snippet

LONGEST = 64 * 1024  # characters of a program's message: a shell takes no much longer argument
TOO_LONG = "This is too long for a program to copy: write the body to a file, and publish it from there."


class Call(NamedTuple):
    """What is sent: to which destination, under which name in the request, how often."""

    kind: str
    name: str
    message: bytes  # as JSON
    times: int = 1

    @property
    def path(self) -> str:
        return f"/api/v1/{self.kind}s/{self.name}/{self.part}"

    @property
    def part(self) -> str:
        return "records" if self.kind == "stream" else "messages"


def programs(host: Host, call: Call) -> list[Snippet]:
    """The programs, or none of what is too long for any."""
    message = seen(call.message)
    if len(message) > LONGEST:
        return []
    made = [
        Snippet("curl", _curl(host, call, message)),
        Snippet("Python", _python(host, call, message)),
        Snippet("JavaScript", _javascript(host, call, message)),
    ]
    command = _command(host, call)
    return made if command is None else [*made, Snippet("Command", command)]


def seen(message: bytes) -> str:
    """The message without fields that say nothing; whatever does not print stands in strings alone, and is escaped there."""
    parts = msgspec.json.decode(message, type=dict[str, msgspec.Raw])
    said = {name: str(bytes(part), "utf-8") for name, part in parts.items() if name == "body" or bytes(part) != b"null"}
    return escaped("{" + ", ".join(f'"{name}": {part}' for name, part in said.items()) + "}")


def escaped(text: str) -> str:
    """JSON of the same value, all of which prints."""
    return text if text.isprintable() else "".join(char if _prints(char) else json.dumps(char)[1:-1] for char in text)


def _prints(char: str) -> bool:
    return char.isprintable() or char in "\n\t\r"


def _loop(times: int, line: str) -> str:
    return line if times == 1 else f"for n in $(seq {times}); do\n{line}\ndone"


def _curl(host: Host, call: Call, message: str) -> str:
    sent = f'{{"{call.part}": [{message}]}}'
    parts = [
        f"curl -X POST {shlex.quote(host.http + call.path)}",
        '-H "Authorization: Bearer $BROKERWEB_TOKEN"',
        "-H 'Content-Type: application/json'",
        f"-d {shlex.quote(sent)}",
    ]
    return _loop(call.times, " \\\n  ".join(parts))


def _python(host: Host, call: Call, message: str) -> str:
    raw = "\n" in message and not re.search(r"'''|\\|\r", message)
    written = f"'''{message}'''" if raw else repr(message)
    several = f'", ".join([message] * {call.times})' if call.times > 1 else "message"
    return f"""import os, urllib.request

message = {written}
request = urllib.request.Request(
    {json.dumps(host.http + call.path)},
    data=('{{"{call.part}": [' + {several} + "]}}").encode(),
    headers={{"Authorization": "Bearer " + os.environ["BROKERWEB_TOKEN"], "Content-Type": "application/json"}},
)
print(urllib.request.urlopen(request).read().decode())"""


def _javascript(host: Host, call: Call, message: str) -> str:
    raw = "\n" in message and not re.search(r"[`\\\r]|\$\{", message)
    written = f"`{message}`" if raw else json.dumps(message)
    several = f"Array({call.times}).fill(message)" if call.times > 1 else "message"
    return f"""const token = globalThis.process?.env.BROKERWEB_TOKEN ?? prompt("A token");
const message = {written};
const answer = await fetch({json.dumps(host.http + call.path)}, {{
  method: "POST",
  headers: {{ Authorization: `Bearer ${{token}}`, "Content-Type": "application/json" }},
  body: `{{"{call.part}": [${{{several}}}]}}`,
}});
console.log(await answer.json());"""


# The command


def _command(host: Host, call: Call) -> str | None:
    """The command; None where a shell cannot say it, or Python does not read it as the broker does."""
    parts = msgspec.json.decode(call.message, type=dict[str, msgspec.Raw])
    binary = "body_base64" in parts
    body = parts.pop("body_base64" if binary else "body")
    options = _options(call.kind, parts, binary=binary)
    if options is None:
        return None
    line = f"BROKERWEB_URL={shlex.quote(host.http)} {shlex.join(['brokerweb', 'publish', f'{call.kind}:{call.name}', *options])}"
    if not binary:
        written = escaped(str(bytes(body), "utf-8"))
        return _loop(call.times, f"{line} -- {shlex.quote(written)}") if _read_by_python(written) else None
    text = _text(msgspec.json.decode(body, type=bytes))
    if text in (None, "", "-"):  # the last is standard input's name
        encoded = msgspec.json.decode(body, type=str)
        return _loop(call.times, f"printf %s {shlex.quote(encoded)} | base64 -d | {line} --text")
    return _loop(call.times, f"{line} --text -- {shlex.quote(str(text))}")


def _options(kind: str, parts: Mapping[str, msgspec.Raw], *, binary: bool) -> list[str] | None:
    given: dict[str, Any] = {name: value for name, raw in parts.items() if (value := msgspec.json.decode(raw)) is not None}
    words = []
    if _plain(given.get("key")):
        words.append(f"--key={given.pop('key')}")
    if kind == "topic":
        routing_key = given.pop("routing_key", "")
        if not routing_key.isprintable():
            return None
        words.append(f"--routing-key={routing_key}")
    headers = given.pop("headers", {})
    if all(_plain(name) and "=" not in name and _plain(value) for name, value in headers.items()):
        words += [f"--header={name}={value}" for name, value in headers.items()]
    else:
        given["headers"] = headers
    if binary:
        given.setdefault("content_type", "application/octet-stream")
    return words + [f"--set={name}={json.dumps(value)}" for name, value in given.items()]


def _plain(value: Any) -> bool:
    return isinstance(value, str) and value != "" and value.isprintable()


def _text(content: bytes) -> str | None:
    """The bytes as a text that a shell can say, and that is seen whole."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    return text if all(_prints(char) and char != "\r" for char in text) else None


def _read_by_python(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
