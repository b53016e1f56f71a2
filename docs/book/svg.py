"""Pictures of the book as SVG: text, boxes, arrows, and axes with decimal logarithms."""

from __future__ import annotations

import math
from html import escape

INK, SOFT, BLUE, ORANGE, GREEN, PAPER = "#1f2937", "#6b7280", "#2563eb", "#ea580c", "#059669", "#ffffff"
FILLS = {"blue": ("#dbeafe", BLUE), "orange": ("#ffedd5", ORANGE), "green": ("#d1fae5", GREEN), "plain": ("#f3f4f6", SOFT)}


class Picture:
    """A picture of so many pixels, with a title for whoever does not see it."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.width, self.height, self.title = width, height, title
        self.parts: list[str] = []

    def text(self, x: float, y: float, words: str, *, size: int = 13, anchor: str = "middle", colour: str = INK, bold: bool = False) -> None:
        """Words, with their base line at `y`."""
        weight = ' font-weight="600"' if bold else ""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}"{weight}>{escape(words)}</text>'
        )

    def box(self, x: float, y: float, width: float, height: float, lines: list[str], kind: str = "plain") -> None:
        """A box; its first line is its name."""
        fill, edge = FILLS[kind]
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="7" fill="{fill}" stroke="{edge}" stroke-width="1.5"/>'
        )
        top = y + height / 2 - (len(lines) - 1) * 8.5 + 4.5
        for at, line in enumerate(lines):
            self.text(x + width / 2, top + 17 * at, line, size=14 if at == 0 else 12, bold=at == 0, colour=INK if at == 0 else SOFT)

    def arrow(self, x1: float, y1: float, x2: float, y2: float, words: str = "", *, below: bool = False) -> None:
        """An arrow, with words at its middle."""
        angle = math.atan2(y2 - y1, x2 - x1)
        left, right = angle + 2.7, angle - 2.7
        self.parts.append(f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{SOFT}" stroke-width="1.6" fill="none"/>')
        self.parts.append(
            f'<path d="M{x2:.1f} {y2:.1f}L{x2 + 9 * math.cos(left):.1f} {y2 + 9 * math.sin(left):.1f}'
            f'L{x2 + 9 * math.cos(right):.1f} {y2 + 9 * math.sin(right):.1f}Z" fill="{SOFT}"/>'
        )
        if words:
            vertical = abs(x2 - x1) < 1
            x, y = (x1 + x2) / 2, (y1 + y2) / 2
            self.text(x + (8 if vertical else 0), y + (4 if vertical else (17 if below else -7)), words, size=12, colour=SOFT,
                      anchor="start" if vertical else "middle")

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str = "#e5e7eb") -> None:
        """A thin line."""
        self.parts.append(f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{colour}" fill="none"/>')

    def bar(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """A filled rectangle."""
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" fill="{colour}"/>')

    def dot(self, x: float, y: float, colour: str = BLUE) -> None:
        """A point of a plot."""
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{colour}" fill-opacity="0.85"/>')

    def __str__(self) -> str:
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" role="img" '
            f'font-family="system-ui, Segoe UI, Helvetica, Arial, sans-serif">\n<title>{escape(self.title)}</title>\n'
            f'<rect width="{self.width}" height="{self.height}" fill="{PAPER}"/>\n' + "\n".join(self.parts) + "\n</svg>\n"
        )


class Scale:
    """Where a number is along an axis with decimal logarithms."""

    def __init__(self, values: list[float], begin: float, end: float) -> None:
        self.low, self.high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        self.begin, self.end = begin, end

    def __call__(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """The powers of ten."""
        return [10.0**power for power in range(self.low, self.high + 1)]
