"""Charts: where the points of a picture lie, in per cent of its width and height."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from math import log1p
from typing import Any, Final

_MOST: Final = 100


@dataclass(frozen=True, slots=True)
class LineChart:
    """A line over time, as points of SVG in a box of 1000 by 100.

    ``limit`` and ``last`` are heights in per cent from the top; ``ticks`` are the times along its foot.
    """

    line: str
    area: str
    limit: float
    last: float
    ticks: tuple[datetime, ...]

    @property
    def is_over(self) -> bool:
        """Whether the last point is at the limit or above."""
        return self.last <= self.limit


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: all in per cent of the chart's width and height, from the left and from the top."""

    left: float
    width: float
    top: float
    height: float


def line_chart(
    points: Sequence[tuple[datetime, float]], limit: float, *, ticks: int = 4, room: float = 1.25
) -> LineChart | None:
    """Return the chart of shares from 0 to 1 over time; None: there are no points.

    ``room`` is how much higher the chart is than the highest of them.
    """
    if not points:
        return None
    top = min(max([limit, *(share for _, share in points)]) * room, 1.0 * room) or 1.0
    step = 1000 / max(len(points) - 1, 1)
    heights = [_MOST * (1 - share / top) for _, share in points]
    line = " ".join(f"{n * step:.0f},{height:.1f}" for n, height in enumerate(heights))
    marked = [points[round(n * (len(points) - 1) / (ticks - 1))][0] for n in range(ticks)]
    return LineChart(
        line=line,
        area=f"0,100 {line} 1000,100",
        limit=round(_MOST * (1 - limit / top), 1),
        last=round(heights[-1], 1),
        ticks=tuple(marked),
    )


def ratio_chart(evidence: Mapping[str, Any], limit: float) -> LineChart | None:
    """Return the failure ratio over time of an evidence document; ``limit`` is in per cent. None: there is none."""
    points = [
        (datetime.fromisoformat(one["at"]), one["ratio"] or 0.0) for one in evidence["over_time"]
    ]
    return line_chart(points, limit / 100)


def bars(counts: Sequence[int], *, gap: float = 0.4, highest: int | None = None) -> list[Bar]:
    """Return a bar for each count; ``gap`` is the part of each place that stays empty.

    ``highest`` is the count that fills the height; None: the highest of them.
    """
    most = max(highest or 0, *counts, 1) if counts else 1
    place = _MOST / max(len(counts), 1)
    return [
        Bar(
            left=round(n * place + place * gap / 2, 3),
            width=round(place * (1 - gap), 3),
            top=round(_MOST * (1 - count / most), 2),
            height=round(_MOST * count / most, 2),
        )
        for n, count in enumerate(counts)
    ]


@dataclass(frozen=True, slots=True)
class LevelBar:
    """How many there were at most in one hour; ``kind`` is ``over`` above the limit."""

    bar: Bar
    kind: str
    at: datetime
    level: int


@dataclass(frozen=True, slots=True)
class LevelChart:
    """How many there were by the hour, beside a limit. All places are in per cent, from the left and from the top.

    ``nights`` and ``days`` are where these begin; the former with how wide they are, the latter with their time.
    ``marks`` are heights with their numbers, ``limit`` that of the limit; None: each one fires.
    """

    bars: Sequence[LevelBar]
    nights: Sequence[tuple[float, float]]
    days: Sequence[tuple[float, datetime]]
    marks: Sequence[tuple[float, int]]
    limit: float | None
    is_logarithmic: bool


LEVELS_WIDTH: Final = 93.0
"""So much of the width has the bars; the rest has the numbers of the marks."""

_FEW: Final = 20
"""Up to this level heights are even; above it they are logarithmic."""


def level_chart(
    starts: Sequence[datetime],
    levels: Sequence[int],
    limit: int | None,
    is_night: Callable[[datetime], bool],
) -> LevelChart:
    """Return the chart of ``levels`` in the hours that begin at ``starts``."""
    top = max(1, *levels, limit or 0) * 1.25
    is_logarithmic = top > _FEW
    place = LEVELS_WIDTH / len(levels)

    def height(level: float) -> float:
        share = log1p(level) / log1p(top) if is_logarithmic else level / top
        return round(_MOST * (1 - share), 1)

    def left(number: int) -> float:
        return round(number * place, 2)

    shown = [
        LevelBar(
            Bar(left(n), round(place * 0.75, 2), height(level), round(_MOST - height(level), 1)),
            "over" if limit is None or level > limit else "ok",
            starts[n],
            level,
        )
        for n, level in enumerate(levels)
        if level
    ]
    nights: list[tuple[float, float]] = []
    begins = 0
    for dark, group in groupby(map(is_night, starts[: len(levels)])):
        long = len(list(group))
        if dark:
            nights.append((left(begins), round(long * place, 2)))
        begins += long
    days = [
        (left(n), at)
        for n, at in enumerate(starts[: len(levels)])
        if n and at.hour < starts[n - 1].hour and left(n) < LEVELS_WIDTH - 10
    ]
    return LevelChart(
        bars=shown,
        nights=nights,
        days=days,
        marks=[(height(one), one) for one in _marks(top, limit)],
        limit=None if limit is None else height(limit),
        is_logarithmic=is_logarithmic,
    )


def _marks(top: float, limit: int | None) -> list[int]:
    """Return the numbers that stand beside a chart: powers of ten, or a half, away from the limit."""
    known = (
        [10**power for power in range(1, 13) if 10**power < top] if top > _FEW else [int(top / 2)]
    )
    away = [one for one in known if not limit or not limit / 2 < one < limit * 2]
    return [one for one in away if one][-3:]


def stacked(layers: Sequence[Sequence[int]], *, gap: float = 0.44) -> list[list[Bar]]:
    """Return the bars of each layer, every one standing on those of the layers before it."""
    totals = [sum(counts) for counts in zip(*layers, strict=True)]
    most = max(totals, default=0) or 1
    place = _MOST / max(len(totals), 1)
    below = [0] * len(totals)
    found = []
    for layer in layers:
        found.append(
            [
                Bar(
                    left=round(n * place + place * gap / 2, 3),
                    width=round(place * (1 - gap), 3),
                    top=round(_MOST * (1 - (below[n] + count) / most), 2),
                    height=round(_MOST * count / most, 2),
                )
                for n, count in enumerate(layer)
            ]
        )
        below = [under + count for under, count in zip(below, layer, strict=True)]
    return found
