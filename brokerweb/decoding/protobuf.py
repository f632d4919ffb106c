"""Protocol Buffers by a descriptor set that somebody gave, as ``protoc --descriptor_set_out --include_imports`` writes it.

``protobuf`` says whether the set holds together, in a pool of its own. Bodies are read here: fields in the order in which they
were sent, each as often, with exact numbers; those that the descriptors do not have, by their numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from brokerweb.decoding import wire
from brokerweb.decoding.effort import Effort
from brokerweb.decoding.values import DEEPEST, Members, Number, Other, Refused, Told, name_of

MOST_FILES, MOST_NAMES, LONGEST = 500, 50_000, 500  # files of a set; names in them; characters of a message's full name
REGISTRY = b"\x00"  # begins a body with the id that a registry gave its schema; no message begins so
SHOWN = 20  # names that an error tells
_DOUBLE, _FLOAT, _BOOL, _STRING, _GROUP, _MESSAGE, _BYTES, _ENUM = 1, 2, 8, 9, 10, 11, 12, 14  # types of fields


def _signed(bits: int) -> Callable[[int], Number]:
    half, whole = 1 << (bits - 1), 1 << bits
    return lambda value: Number((value & (whole - 1)) - whole if value & half else value & (whole - 1))


def _unsigned(bits: int) -> Callable[[int], Number]:
    return lambda value: Number(value & ((1 << bits) - 1))


def _zigzag(value: int) -> Number:
    value &= (1 << 64) - 1
    return Number((value >> 1) ^ -(value & 1))


# Of each type of numbers how it is written, and what it is.
_NUMBERS: Mapping[int, tuple[int, Callable[[int], Any]]] = {
    _DOUBLE: (wire.FIXED64, lambda value: Number(struct.unpack("<d", value.to_bytes(8, "little"))[0])),
    _FLOAT: (wire.FIXED32, lambda value: Number(struct.unpack("<f", value.to_bytes(4, "little"))[0])),
    3: (wire.VARINT, _signed(64)),
    4: (wire.VARINT, _unsigned(64)),
    5: (wire.VARINT, _signed(32)),
    6: (wire.FIXED64, _unsigned(64)),
    7: (wire.FIXED32, _unsigned(32)),
    _BOOL: (wire.VARINT, bool),
    13: (wire.VARINT, _unsigned(32)),
    _ENUM: (wire.VARINT, _signed(32)),
    15: (wire.FIXED32, _signed(32)),
    16: (wire.FIXED64, _signed(64)),
    17: (wire.VARINT, _zigzag),
    18: (wire.VARINT, _zigzag),
}


class NoSuchMessage(Refused):
    """The descriptor set has no message of that name."""


@dataclass(slots=True)
class Message:
    """A type of messages: its fields by their numbers. ``entry``: it is one of the pairs that a map consists of."""

    fields: dict[int, Field] = field(default_factory=dict)
    entry: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One field. ``within`` is the type of its messages, ``words`` those of its enum by their numbers."""

    name: str
    type: int
    many: bool
    within: Message | None
    words: Mapping[int, str]

    @property
    def absent(self) -> Any:
        """What half of a map's pair is that was not sent."""
        if self.within is not None:
            return Members()
        if self.type in (_STRING, _BYTES):
            return "" if self.type == _STRING else Other("bytes ")
        return self.number(0)

    def number(self, value: int) -> Any:
        """What a number that was sent is."""
        found = _NUMBERS[self.type][1](value)
        return Other(self.words[int(found)]) if self.type == _ENUM and int(found) in self.words else found


# Bodies


def read(body: bytes, of: Message, effort: Effort | None = None) -> Told:
    """A message, bare or behind the head that a registry's clients put before it. Raises Refused."""
    if not body.startswith(REGISTRY):
        return Told(_Named(effort).named(body, of, 0))
    if len(body) < 6:
        raise Refused("It ends in the midst of its head.")
    count, place = wire.varint(body, 5)
    for _ in range(min(count >> 1, len(body))):  # which of the file's messages it is, and which of those within
        _, place = wire.varint(body, place)
    return Told(_Named(effort).named(body[place:], of, 0), f"with a registry's id before it, {int.from_bytes(body[1:5], 'big')}")


class _Named(wire.Reading):
    """One body whose fields have names. All its methods raise Refused."""

    def named(self, body: bytes, of: Message, depth: int) -> Members:
        """A message of that type."""
        if depth > DEEPEST:
            raise Refused(f"It is nested more than {DEEPEST} deep.")
        found, place = Members(), 0
        lists: dict[int, list[Any]] = {}
        while place < len(body):
            number, kind, place = self.field(body, place)
            known = of.fields.get(number)
            if known is None:
                value, place = self.value(body, place, kind, 0)
                found.append((str(number), value))
                continue
            values, place = self._values(body, place, kind, known, depth)
            if not known.many:
                found += [(known.name, value) for value in values]
            else:
                if number not in lists:
                    lists[number] = Members() if known.within is not None and known.within.entry else []
                    found.append((known.name, lists[number]))
                lists[number] += values
        return found

    def _values(self, body: bytes, place: int, kind: int, known: Field, depth: int) -> tuple[list[Any], int]:
        """What a field holds: one value, or many numbers in one piece."""
        usual = _NUMBERS[known.type][0] if known.type in _NUMBERS else wire.LENGTH
        packed = known.many and kind == wire.LENGTH and usual != wire.LENGTH
        if known.type == _GROUP or (kind != usual and not packed):
            raise Refused(f"What stands at {known.name} is not written as what that is.")
        if kind == wire.VARINT:
            value, place = wire.varint(body, place)
            return [known.number(value)], place
        part, place = wire.written(body, place, kind)
        if packed:
            return [known.number(value) for value in self._packed(part, usual)], place
        return [known.number(int.from_bytes(part, "little")) if usual != wire.LENGTH else self._part(part, known, depth)], place

    def _packed(self, part: bytes, kind: int) -> Iterator[int]:
        place = 0
        while place < len(part):
            self.count()
            if kind == wire.VARINT:
                value, place = wire.varint(part, place)
            else:
                piece, place = wire.written(part, place, kind)
                value = int.from_bytes(piece, "little")
            yield value

    def _part(self, part: bytes, known: Field, depth: int) -> Any:
        """A text, bytes, a message or a pair of a map."""
        if known.type == _BYTES:
            return Other(f"bytes {part.hex(' ')}")
        if known.within is None:
            try:
                return part.decode()
            except UnicodeDecodeError:
                raise Refused(f"What stands at {known.name} is no text.") from None
        found = self.named(part, known.within, depth + 1)
        if not known.within.entry:
            return found
        key, value = (next((v for name, v in reversed(found) if name == each), None) for each in ("key", "value"))
        absent = known.within.fields
        return name_of(absent[1].absent if key is None else key), absent[2].absent if value is None else value


# Descriptors


def checked(source: bytes, message: str) -> Message:
    """The type of that full name in a descriptor set. Raises Refused for what is no set, or holds none of that name."""
    files = _files(source)
    pool = import_module("google.protobuf.descriptor_pool").DescriptorPool()
    for file in _in_order(files):
        try:
            pool.AddSerializedFile(file.SerializeToString())
        except Exception as error:  # the library's own, of several kinds
            raise Refused(f"Its {file.name[:100]} does not hold together: {str(error)[:200]}") from None
    try:
        found = pool.FindMessageTypeByName(message)
    except KeyError:
        raise NoSuchMessage(f"It has no message {message[:200]!r}, but {_told(names(files))}.") from None
    return _Types(pool).of(found)


def names(files: Iterable[Any]) -> Iterator[str]:
    """The full names of the messages of files, those of the last first: it is what the others were imported for."""
    for file in reversed(list(files)):
        yield from (name for name, message in _messages(file.message_type, file.package) if not message.options.map_entry)


def _told(known: Iterable[str]) -> str:
    told = list(known)
    return ", ".join(told[:SHOWN]) + (f" and {len(told) - SHOWN} more" if len(told) > SHOWN else "") if told else "none"


def _messages(found: Iterable[Any], within: str) -> Iterator[tuple[str, Any]]:
    """Messages and those in them, with their full names. Raises Refused for long ones: each begins with the one before."""
    for message in found:
        name = f"{within}.{message.name}" if within else message.name
        if len(name) > LONGEST:
            raise Refused(f"It has a message whose name is longer than {LONGEST} characters.")
        yield name, message
        yield from _messages(message.nested_type, name)


def _files(source: bytes) -> list[Any]:
    library = import_module("google.protobuf.descriptor_pb2")
    try:
        files = library.FileDescriptorSet.FromString(source).file
    except Exception:  # the library's own
        files = []
    if not files:
        raise Refused("It is no descriptor set, as protoc --include_imports --descriptor_set_out writes one.")
    if len(files) > MOST_FILES:
        raise Refused(f"It has more than {MOST_FILES} files.")
    if sum(map(_size, files)) > MOST_NAMES:
        raise Refused(f"It has more than {MOST_NAMES:,} messages, fields, enums and words of enums.")
    return list(files)


def _size(file: Any) -> int:
    """How many names a file has. What bodies do not need is taken out of it."""
    if len(file.package) > LONGEST:
        raise Refused(f"It has a package whose name is longer than {LONGEST} characters.")
    file.ClearField("service")
    file.ClearField("source_code_info")
    found = [message for _, message in _messages(file.message_type, file.package)]
    enums = [enum for place in (file, *found) for enum in place.enum_type]
    fields = len(file.extension) + sum(len(message.field) + len(message.extension) for message in found)
    return len(found) + fields + sum(1 + len(enum.value) for enum in enums)


def _in_order(files: list[Any]) -> Iterator[Any]:
    """The files, each after those that it imports. Raises Refused where one is missing, or imports what imports it."""
    known = {file.name for file in files}
    for file in files:
        for imported in file.dependency:
            if imported not in known:
                raise Refused(f"It lacks {imported[:100]}, which {file.name[:100]} imports: protoc --include_imports puts it in.")
    done: set[str] = set()
    while files:
        later = []
        for file in files:
            if done.issuperset(file.dependency):
                done.add(file.name)
                yield file
            else:
                later.append(file)
        if len(later) == len(files):
            raise Refused(f"Its {later[0].name[:100]} imports what imports it.")
        files = later


class _Types:
    """The messages of a pool as they are read with, each made once: they may be within themselves."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._known: dict[str, Message] = {}
        self._words: dict[str, Mapping[int, str]] = {}  # of enums, each once: many fields may be of one

    def of(self, wanted: Any) -> Message:
        """A message's type with all that it leads to."""
        todo: list[tuple[Any, Message]] = []
        found = self._begun(wanted, todo)
        while todo:
            descriptor, message = todo.pop()
            for each in descriptor.fields:
                message.fields[each.number] = self._field(each, each.name, todo)
            for each in self._pool.FindAllExtensions(descriptor):
                message.fields[each.number] = self._field(each, f"[{each.full_name}]", todo)
        return found

    def _begun(self, descriptor: Any, todo: list[tuple[Any, Message]]) -> Message:
        name = descriptor.full_name
        if name not in self._known:
            numbers = {each.number for each in descriptor.fields}
            self._known[name] = Message(entry=descriptor.GetOptions().map_entry and {1, 2} <= numbers)
            todo.append((descriptor, self._known[name]))
        return self._known[name]

    def _field(self, known: Any, name: str, todo: list[tuple[Any, Message]]) -> Field:
        within = self._begun(known.message_type, todo) if known.type == _MESSAGE else None
        words = self._words_of(known.enum_type) if known.type == _ENUM else {}
        return Field(name, known.type, _is_many(known), within, words)

    def _words_of(self, enum: Any) -> Mapping[int, str]:
        name = enum.full_name
        if name not in self._words:
            self._words[name] = {value.number: value.name for value in reversed(enum.values)}
        return self._words[name]


def _is_many(known: Any) -> bool:
    many = getattr(known, "is_repeated", None)
    return bool(known.label == known.LABEL_REPEATED if many is None else many)
