"""What an image is and how large, by its first bytes. Images of strangers are never shown: they are told of, and may be saved."""

from __future__ import annotations

import struct
from typing import NamedTuple


class Image(NamedTuple):
    """An image, and its size where its head says it."""

    kind: str
    width: int | None = None
    height: int | None = None

    def __str__(self) -> str:
        return f"{self.kind} image" + (f", {self.width:,} × {self.height:,} pixels" if self.width and self.height else "")


def image(body: bytes, content_type: str) -> Image | None:
    """The image that the body is, or says it is."""
    head = body[:65_536]
    try:
        found = _by_its_bytes(head)
    except (struct.error, IndexError):
        found = None
    if found is None and content_type.lower().startswith("image/"):
        return Image(content_type.partition(";")[0].strip()[6:][:40].upper())
    return found


def _by_its_bytes(head: bytes) -> Image | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return Image("PNG", *struct.unpack(">II", head[16:24]))
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return Image("GIF", *struct.unpack("<HH", head[6:10]))
    if head.startswith(b"\xff\xd8\xff"):
        return _jpeg(head)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _webp(head)
    return None


def _jpeg(head: bytes) -> Image:
    """Its frame stands behind any number of segments, each with its length."""
    place = 2
    while place + 9 < len(head) and head[place] == 0xFF:
        sign = head[place + 1]
        if 0xC0 <= sign <= 0xCF and sign not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", head[place + 5 : place + 9])
            return Image("JPEG", width, height)
        place += 2 + struct.unpack(">H", head[place + 2 : place + 4])[0]
    return Image("JPEG")


def _webp(head: bytes) -> Image:
    if head[12:16] == b"VP8 ":
        width, height = struct.unpack("<HH", head[26:30])
        return Image("WebP", width & 0x3FFF, height & 0x3FFF)
    if head[12:16] == b"VP8X":
        return Image("WebP", 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little"))
    return Image("WebP")
