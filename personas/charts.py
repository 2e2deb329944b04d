"""Small line charts as SVG: coordinates are computed here, the template only draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

WIDTH, HEIGHT = 420, 150
LEFT, RIGHT, TOP, BOTTOM = 34, 12, 12, 22
LABELS = 6


@dataclass(frozen=True)
class Point:
    """One value: where it lies, what stands below it, and its figure."""

    x: float
    y: float
    label: str
    value: float
    is_chosen: bool = False
    is_labelled: bool = True


@dataclass(frozen=True)
class Line:
    """A line with the limit it is held against; grid are (y, figure)."""

    points: Sequence[Point]
    path: str
    limit: float
    limit_y: float
    grid: Sequence[tuple[float, float]]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    label_y: int = HEIGHT - 6


def straight_line(
    values: Sequence[tuple[str, float]], *, limit: float, top: float, chosen: str = ""
) -> Line | None:
    """Evenly spaced values with a label each; None for none."""
    if not values:
        return None
    step = (WIDTH - LEFT - RIGHT) / max(len(values) - 1, 1)
    points = [
        Point(round(LEFT + at * step, 1), _y(value, top), label, value, label == chosen)
        for at, (label, value) in enumerate(values)
    ]
    return _line(points, limit, top)


def steps_line(values: Sequence[tuple[date, float]], *, limit: float, top: float) -> Line | None:
    """Values of days, spaced by time; the first, the last and some between are labelled. None for none."""
    if not values:
        return None
    first, last = values[0][0], values[-1][0]
    days = max((last - first).days, 1)
    every = max(1, -(-len(values) // LABELS))
    points = [
        Point(
            x=round(LEFT + (day - first).days / days * (WIDTH - LEFT - RIGHT), 1),
            y=_y(value, top),
            label=f"{day:%-d %b}",
            value=value,
            is_chosen=day == last,
            is_labelled=at % every == 0,
        )
        for at, (day, value) in enumerate(values)
    ]
    return _line(points, limit, top)


def _line(points: Sequence[Point], limit: float, top: float) -> Line:
    path = "M" + " ".join(f"{point.x} {point.y}" for point in points)
    grid = [(_y(part * top, top), round(part * top, 2)) for part in (0, 0.5, 1)]
    return Line(points, path, limit, _y(limit, top), grid)


def _y(value: float, top: float) -> float:
    return round(HEIGHT - BOTTOM - min(value, top) / top * (HEIGHT - TOP - BOTTOM), 1)
