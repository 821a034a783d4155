"""Draws a day: an SVG of three panels, and the same in characters for a terminal. Numbers in, text out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from html import escape

from gridiface.cli.story.record import Record, Sample

_WIDTH, _PANEL, _LEFT, _TOP, _GAP = 1000, 220, 84, 56, 56
_KINDS = (("storage", "#2563a8"), ("sun", "#c98a00"), ("vehicles", "#7a3b9d"), ("loads", "#8a5a44"))
_BLOCKS = " ▁▂▃▄▅▆▇█"

Line = tuple[str, str, Sequence[tuple[float, float]], str]


def svg(record: Record, *, title: str) -> str:
    """A picture of the day: totals in the evening, the limited feeder, and the whole day by kind of device."""
    evening = [s for s in record.samples if record.event[0] - 900 <= s.at <= record.event[1] + 600]
    panels = [
        ("The fleet in the evening, MW", _totals(evening)),
        (f"{record.limited}, MW", _feeder(record, evening)),
        ("The whole day by kind of device, MW", _kinds(record.samples)),
    ]
    height = _TOP + len(panels) * (_PANEL + _GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="30" font-size="18" fill="#1a1a1a">{escape(title)}</text>',
    ]
    for number, (name, lines) in enumerate(panels):
        parts += _panel(name, lines, _TOP + number * (_PANEL + _GAP))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _totals(samples: Sequence[Sample]) -> list[Line]:
    asked = [(s.at, s.asked / 1e6) for s in samples if s.asked is not None]
    feasible = [(s.at, s.feasible / 1e6) for s in samples if s.feasible is not None]
    delivered = [(s.at, s.delivered / 1e6) for s in samples]
    return [
        ("asked", "#c23b22", asked, ""),
        ("feasible", "#2e7d32", feasible, "6 4"),
        ("delivered", "#1a1a1a", delivered, ""),
    ]


def _feeder(record: Record, samples: Sequence[Sample]) -> list[Line]:
    lines: list[Line] = [("delivered", "#1a1a1a", [(s.at, s.feeder / 1e6) for s in samples], "")]
    if record.limit is not None:
        (start, end), watts = record.limit
        lines.insert(0, ("export limit (IEEE 2030.5)", "#c23b22", [(start, watts / 1e6), (end, watts / 1e6)], ""))
    return lines


def _kinds(samples: Sequence[Sample]) -> list[Line]:
    return [
        (name, colour, [(s.at, s.kinds[at] / 1e6) for s in samples], "") for at, (name, colour) in enumerate(_KINDS)
    ]


def _panel(name: str, lines: Sequence[Line], top: int) -> list[str]:
    points = [point for _, _, series, _ in lines for point in series]
    if not points:
        return []
    first, last = min(at for at, _ in points), max(at for at, _ in points)
    low, high = min(0.0, *(v for _, v in points)), max(0.0, *(v for _, v in points))
    span, reach = max(last - first, 1.0), max(high - low, 1e-6)
    bottom, right = top + _PANEL, _WIDTH - 24

    def place(at: float, value: float) -> tuple[float, float]:
        x = _LEFT + (at - first) / span * (right - _LEFT)
        return x, bottom - (value - low) / reach * (_PANEL - 24)

    parts = [f'<text x="{_LEFT}" y="{top + 4}" fill="#1a1a1a">{escape(name)}</text>']
    parts += _axes(low, high, first, last, place, bottom, right)
    x = _LEFT + 330
    for label, colour, series, dash in lines:
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in (place(at, value) for at, value in series))
        style = f' stroke-dasharray="{dash}"' if dash else ""
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"{style}/>')
        parts.append(f'<line x1="{x}" y1="{top}" x2="{x + 22}" y2="{top}" stroke="{colour}" stroke-width="2"{style}/>')
        parts.append(f'<text x="{x + 27}" y="{top + 4}" fill="#1a1a1a">{escape(label)}</text>')
        x += 50 + 7 * len(label)
    return parts


def _axes(
    low: float,
    high: float,
    first: float,
    last: float,
    place: Callable[[float, float], tuple[float, float]],
    bottom: int,
    right: int,
) -> list[str]:
    parts = []
    for value in _ticks(low, high):
        _, y = place(first, value)
        colour = "#6b6b6b" if value == 0 else "#dddddd"
        parts.append(f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="{colour}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#444444">{value:g}</text>')
    step = next((s for s in (600, 900, 1800, 3600, 7200, 10_800) if (last - first) / s <= 10), 21_600)
    at = (first // step + 1) * step if first % step else first
    while at <= last:
        x, _ = place(at, 0.0)
        shown = datetime.fromtimestamp(at, UTC).strftime("%H:%M")
        parts.append(f'<line x1="{x:.1f}" y1="{bottom}" x2="{x:.1f}" y2="{bottom + 5}" stroke="#6b6b6b"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 19}" text-anchor="middle" fill="#444444">{shown}</text>')
        at += step
    return parts


def _ticks(low: float, high: float) -> list[float]:
    """Round values between two ends, 0 among them."""
    rough = max(high - low, 1e-6) / 5
    size = 10.0 ** len(str(int(rough))) / 10 if rough >= 1 else 10.0 ** -_zeros(rough)
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
    first = int(low // step)
    return [round(number * step, 9) for number in range(first, int(high // step) + 1) if number * step >= low - 1e-9]


def _zeros(value: float) -> int:
    count = 0
    while value < 1:
        value, count = value * 10, count + 1
    return count


def spark(values: Sequence[float], width: int) -> str:
    """A line of blocks: the values squeezed into so many characters, least to most."""
    if not values:
        return ""
    chosen = [values[int(at * len(values) / width)] for at in range(width)] if len(values) > width else list(values)
    low, high = min(chosen), max(chosen)
    return "".join(_BLOCKS[1 + round((value - low) / max(high - low, 1e-9) * 7)] for value in chosen)


def terminal(record: Record, *, width: int = 72) -> list[str]:
    """The day in a few lines of characters, each with its least and most, MW."""
    evening = [s for s in record.samples if s.asked is not None]
    rows: list[tuple[str, list[float]]] = [
        ("asked", [s.asked or 0.0 for s in evening]),
        ("feasible", [s.feasible or 0.0 for s in evening]),
        ("delivered", [s.delivered for s in evening]),
        (record.limited, [s.feeder for s in evening]),
        *((f"day: {name}", [s.kinds[at] for s in record.samples]) for at, (name, _) in enumerate(_KINDS)),
    ]
    return [
        f"{name:16} {min(values) / 1e6:8.2f} {spark(values, width)} {max(values) / 1e6:.2f}"
        for name, values in rows
        if values
    ]
