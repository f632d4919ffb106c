"""Figures as a table to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.arms import Arm, Figure, median
from benchmarks.target import Figures


def table(title: str, about: Mapping[str, str], arms: Sequence[Arm], runs: Mapping[tuple[str, str], Sequence[Figures]]) -> str:
    """Rows are workloads, columns are arms; a compared arm's cell says how many times better its base is."""
    rows = [["", *(arm.name for arm in arms), "unit"]]
    for workload in about:
        figures = {arm.name: median(runs.get((workload, arm.name), [])) for arm in arms}
        unit = next((figure.unit for figure in figures.values() if figure), "")
        rows.append([workload, *(_cell(figures[arm.name], figures.get(arm.base)) for arm in arms), unit])
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = [" | ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:-1], widths[1:]), row[-1]]).rstrip() for row in rows]
    lines.insert(1, "-+-".join("-" * width for width in widths))
    notes = [f"{workload}: {text}" for workload, text in about.items() if text]
    notes += [f"{arm.name}: {arm.about}" for arm in arms if arm.about]
    if any(arm.base for arm in arms):
        notes.append("x2.00: the column it is compared with is twice as good")
    return "\n".join(["", title, "", *lines, "", *notes])


def _cell(figure: Figure | None, base: Figure | None) -> str:
    if figure is None:
        return "-"
    text = f"{figure.value:,.0f}" if figure.value >= 100 else f"{figure.value:.2f}"
    ratio = base.over(figure) if base else None
    return f"{text} x{ratio:.2f}" if ratio is not None else text
