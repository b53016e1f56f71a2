"""Tables for notebooks."""

from __future__ import annotations

from html import escape


def table(title: str, rows: dict[str, object]) -> str:
    """A small table with a title, one row for each entry; all text is escaped."""
    cells = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th>'
        f'<td style="text-align:left">{escape(str(value))}</td></tr>'
        for name, value in rows.items()
    )
    return f"<table><caption><b>{escape(title)}</b></caption>{cells}</table>"


def size(count: int) -> str:
    """A number of bytes in words: `12.3 kB`."""
    for unit, scale in (("MB", 1_000_000), ("kB", 1_000)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} bytes"


def shape(extents: tuple[int, ...]) -> str:
    """A shape in words: `1x28x28`, or `scalar`."""
    return "x".join(map(str, extents)) or "scalar"
