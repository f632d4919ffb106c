"""WebSocket frames that are nothing but a text: those of a client that came whole, and those of a server."""

from __future__ import annotations

from websockets.frames import apply_mask  # type: ignore[attr-defined]  # of the module in C, where there is one

FINAL_TEXT = 0x81  # and no reserved bit
MASKED = 0x80


def whole_texts(buffer: bytearray, most: int, number: int) -> list[str]:
    """Take up to ``number`` whole masked text frames of at most ``most`` bytes from the beginning of what a client sent.

    What comes behind them, and is not one of these, stays: another kind of frame, a part, text that is not UTF-8.
    """
    texts: list[str] = []
    at, end = 0, len(buffer)
    while len(texts) < number and end - at >= 6 and buffer[at] == FINAL_TEXT:
        size, start = buffer[at + 1] - MASKED, at + 6
        if size >= 126:
            start = at + (8 if size == 126 else 14)
            size = int.from_bytes(buffer[at + 2 : start - 4], "big")
        if not 0 <= size <= most or start + size > end:
            break
        try:
            text = apply_mask(buffer[start : start + size], buffer[start - 4 : start]).decode()
        except UnicodeDecodeError:
            break
        texts.append(text)
        at = start + size
    del buffer[:at]
    return texts
