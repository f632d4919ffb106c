"""WebSocket frames that are nothing but a text: those of a client that came whole, and those of a server."""

from __future__ import annotations

from websockets.frames import apply_mask  # type: ignore[attr-defined]  # of the module in C, where there is one

FINAL_TEXT = 0x81  # and no reserved bit
MASKED = 0x80


def whole_texts(data: bytes | bytearray, most: int, number: int) -> tuple[list[str], int]:
    """Up to ``number`` whole masked text frames of at most ``most`` bytes at the beginning of what a client sent; and how many
    bytes these are. What comes behind them is none: another kind of frame, a part, text that is not UTF-8, a length that is
    not the shortest.
    """
    texts: list[str] = []
    at, end = 0, len(data)
    while len(texts) < number and end - at >= 6 and data[at] == FINAL_TEXT:
        size, start, least = data[at + 1] - MASKED, at + 6, 0
        if size >= 126:
            start, least = (at + 8, 126) if size == 126 else (at + 14, 1 << 16)
            size = int.from_bytes(data[at + 2 : start - 4], "big")
        if not least <= size <= most or start + size > end:
            break
        try:
            text = apply_mask(data[start : start + size], data[start - 4 : start]).decode()
        except UnicodeDecodeError:
            break
        texts.append(text)
        at = start + size
    return texts, at
