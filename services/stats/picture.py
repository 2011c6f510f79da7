"""A chart of a table of counts as SVG 1.1: bars of one dimension, a line of days or months, a heat table of two. Pure.

PNG is made by the page, which has the reader's fonts: a server often has none with Chinese in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from services.stats.table import Cell

WIDTH_PX, LINE_PX, LEFT_PX, TOP_PX, FOOT_PX = 760, 24, 190, 56, 34
BARS_MOST, COLUMNS_MOST = 40, 16
# Okabe and Ito's blue and a single-hue ramp: told apart with every colour vision.
BLUE, INK, SOFT, HIDDEN = "#0072b2", "#17222d", "#5d6b78", "#cdd5dc"
_FONT = "font-family=\"system-ui, 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif\""


def drawn(names: Sequence[str], rows: Sequence[Sequence[Cell]], width: int, measure: str, *, dated: bool, note: str) -> str:
    """The SVG text. ``width``: how many columns are names; a hidden cell is drawn grey with an asterisk, never as zero."""
    place = list(names).index(measure)
    if width == 2:
        return _heat(names, rows, place, note)
    return _line(names, rows, place, note) if dated and len(rows) > 1 else _bars(names, rows, place, note)


def _whole(height: int, title: str, note: str, body: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH_PX}" height="{height}" viewBox="0 0 {WIDTH_PX} {height}" role="img" {_FONT}>'
    lines = [
        head, f"<title>{escape(title)}</title>", f'<rect width="{WIDTH_PX}" height="{height}" fill="#ffffff"/>',
        _text(16, 28, title, size=16, weight=600), *body, _text(16, height - 12, note, size=11, fill=SOFT), "</svg>",
    ]  # fmt: skip
    return "\n".join(lines)


def _text(x: float, y: float, text: str, *, size: int = 12, fill: str = INK, anchor: str = "start", weight: int = 400) -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{fill}" text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>'


def _short(name: Cell, most: int) -> str:
    text = str(name) if name not in ("", None) else "–"
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _number(value: Cell) -> str:
    return "*" if value is None else f"{int(value):,}"


def _bars(names: Sequence[str], rows: Sequence[Sequence[Cell]], place: int, note: str) -> str:
    shown = rows[:BARS_MOST]
    most = max((int(row[place] or 0) for row in shown), default=0) or 1
    room = WIDTH_PX - LEFT_PX - 100
    body = []
    for index, row in enumerate(shown):
        y, value = TOP_PX + index * LINE_PX, row[place]
        length = room / 8 if value is None else room * int(value) / most
        fill = HIDDEN if value is None else BLUE
        body += [
            _text(LEFT_PX - 8, y + 15, _short(row[0], 26), anchor="end"),
            f'<rect x="{LEFT_PX}" y="{y + 3}" width="{length:.1f}" height="{LINE_PX - 7}" fill="{fill}"/>',
            _text(LEFT_PX + length + 6, y + 15, _number(value), fill=SOFT),
        ]
    if not shown:
        body.append(_text(16, TOP_PX + 16, "–", fill=SOFT))
    left = len(rows) - len(shown)
    return _whole(TOP_PX + max(1, len(shown)) * LINE_PX + FOOT_PX, f"{names[place]} / {names[0]}", f"{note}  (+{left})" if left > 0 else note, body)


def _line(names: Sequence[str], rows: Sequence[Sequence[Cell]], place: int, note: str) -> str:
    dated = [row for row in rows if row[0]]
    most = max((int(row[place] or 0) for row in dated), default=0) or 1
    room, high = WIDTH_PX - 90, 260
    step = room / max(1, len(dated) - 1)
    points = [(60 + index * step, TOP_PX + high * (1 - int(row[place] or 0) / most), row) for index, row in enumerate(dated)]
    # A hidden value is a gap in the line, not a zero.
    runs: list[list[str]] = [[]]
    for x, y, row in points:
        if row[place] is None:
            runs.append([])
        else:
            runs[-1].append(f"{x:.1f},{y:.1f}")
    body = [f'<polyline points="{" ".join(run)}" fill="none" stroke="{BLUE}" stroke-width="2"/>' for run in runs if run]
    body += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{BLUE}"/>' for x, y, row in points if row[place] is not None and len(points) <= 120]
    body += [_text(54, TOP_PX + 4, f"{most:,}", anchor="end", fill=SOFT), _text(54, TOP_PX + high, "0", anchor="end", fill=SOFT)]
    for index in sorted({0, len(points) // 2, len(points) - 1} if points else set()):
        body.append(_text(points[index][0], TOP_PX + high + 20, _short(points[index][2][0], 12), anchor="middle", fill=SOFT))
    return _whole(TOP_PX + high + 34 + FOOT_PX, f"{names[place]} / {names[0]}", note, body)


def _heat(names: Sequence[str], rows: Sequence[Sequence[Cell]], place: int, note: str) -> str:
    down = list(dict.fromkeys(str(row[0]) for row in rows))[:BARS_MOST]
    across = list(dict.fromkeys(str(row[1]) for row in rows))[:COLUMNS_MOST]
    cells = {(str(row[0]), str(row[1])): row[place] for row in rows}
    most = max((int(value or 0) for value in cells.values()), default=0) or 1
    wide = (WIDTH_PX - LEFT_PX - 16) / max(1, len(across))
    body = [_text(LEFT_PX + (n + 0.5) * wide, TOP_PX + 10, _short(name, max(3, int(wide / 8))), size=11, anchor="middle") for n, name in enumerate(across)]
    for line, name in enumerate(down):
        y = TOP_PX + 18 + line * LINE_PX
        body.append(_text(LEFT_PX - 8, y + 16, _short(name, 26), anchor="end"))
        for n, other in enumerate(across):
            value = cells.get((name, other), 0)
            share = int(value or 0) / most
            fill = HIDDEN if value is None else f"rgb({_mix(255, 0, share)},{_mix(255, 114, share)},{_mix(255, 178, share)})"
            ink = "#ffffff" if value is not None and share > 0.55 else INK
            body.append(f'<rect x="{LEFT_PX + n * wide:.1f}" y="{y}" width="{wide - 1:.1f}" height="{LINE_PX - 1}" fill="{fill}"/>')
            body.append(_text(LEFT_PX + (n + 0.5) * wide, y + 16, _number(value), size=11, anchor="middle", fill=ink))
    return _whole(TOP_PX + 18 + max(1, len(down)) * LINE_PX + FOOT_PX, f"{names[place]} / {names[0]} × {names[1]}", note, body)


def _mix(start: int, end: int, share: float) -> int:
    return round(start + (end - start) * share)
