"""Lines and areas as SVG paths whose points are the figures: a step to the right is 1, and the height is ``HEIGHT``.

What is drawn so stretches to whatever room there is. All coordinates are whole numbers, and each but a line's first is told by
its distance from the one before: a picture of a hundred figures is some hundred bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

HEIGHT = 1000
Figures = Sequence[float | None]
_ROUND = (1, 2, 4, 6, 8, 10)  # whose halves are round, too
_TIMES = (2, 10, 20, 60, 120, 240, 600, 1200, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400)


def round_top(most: float) -> float:
    """A round number that is not less."""
    if most < 1e-9:
        return 2
    size = 10.0 ** math.floor(math.log10(most))
    return next(top * size for top in _ROUND if top * size >= most * (1 - 1e-9))


def round_count(most: float) -> float:
    """The same of what there is none or one of, whose half is whole."""
    return max(2.0, round_top(most))


def round_time(most: float) -> float:
    """The same of seconds, as people count them."""
    return next((top for top in _TIMES if top >= most), 86_400 * round_top(most / 86_400))


class Scale(NamedTuple):
    """Where figures stand: 0 at ``zero``, and ``top`` at so many units above it, or below where that is less than 0."""

    top: float
    zero: int = HEIGHT
    height: int = HEIGHT

    def y(self, figure: float) -> int:
        return self.zero - round(figure / self.top * self.height)

    def figure(self, y: float) -> float:
        """What stands there."""
        return (self.zero - y) / self.height * self.top


def line(figures: Figures, scale: Scale) -> str:
    """The path of a line through the figures; a gap where there is none."""
    return area_and_line(figures, scale)[1]


def area(figures: Figures, scale: Scale) -> str:
    """The path of the area between the figures and 0."""
    return area_and_line(figures, scale)[0]


def area_and_line(figures: Figures, scale: Scale) -> tuple[str, str]:
    """Both, whose points are the same."""
    ground, below, upon = scale.zero, "", ""
    for start, ys in _runs(figures, scale):
        onwards = _onwards(ys)
        upon += f"M{start} {ys[0]}{onwards}"
        if set(ys) != {ground}:
            below += f"M{start} {ground}V{ys[0]}{onwards}V{ground}z"
    return below, upon


def bars(figures: Sequence[float], scale: Scale, wide: int) -> str:
    """The path of a bar for each figure, with a gap of a tenth between them."""
    ground, bar = scale.zero, wide - max(1, wide // 10)
    tops = [(n * wide, scale.y(figure)) for n, figure in enumerate(figures) if figure]
    return "".join(f"M{x} {ground}V{min(y, ground - 1)}h{bar}V{ground}z" for x, y in tops)


def ticks(at: Sequence[int], height: int) -> str:
    """The path of short strokes on the ground."""
    return "".join(f"M{n} {HEIGHT}v-{height}" for n in at)


def _runs(figures: Figures, scale: Scale) -> list[tuple[int, list[int]]]:
    """Where figures begin after a gap, and the heights of those that follow."""
    runs: list[tuple[int, list[int]]] = []
    gap = True
    for n, figure in enumerate(figures):
        if figure is None:
            gap = True
            continue
        if gap:
            runs.append((n, heights := []))
            gap = False
        heights.append(scale.y(figure))
    return runs


def _onwards(ys: Sequence[int]) -> str:
    """From each height to the next, one to the right; what goes on as it went is one piece."""
    path, drawn = "", ""
    n = 1
    while n < len(ys):
        up = ys[n] - ys[n - 1]
        if up == 0:
            flat = 1
            while n + flat < len(ys) and ys[n + flat] == ys[n]:
                flat += 1
            path, drawn, n = f"{path}h{flat}", "h", n + flat
            continue
        first = "l" if drawn != "l" else " "
        path, drawn, n = f"{path}{first}1{up if up < 0 else f' {up}'}", "l", n + 1
    return path
