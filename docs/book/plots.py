#!/usr/bin/env python3
"""Draws the book's plots from what was measured, and its diagrams.

    ciro bench --runs 7 --json >docs/book/figures/tensor.json
    docs/book/anatomy.py logreg_iris=FILE.ciro mlp_mnist=FILE.ciro >docs/book/figures/anatomy.json
    docs/book/plots.py            writes docs/book/src/images/*.svg
    docs/book/plots.py --check    fails where a picture is not what would be drawn
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from diagrams import DIAGRAMS
from pages import BOOK, SRC
from svg import BLUE, GREEN, INK, ORANGE, SOFT, Picture, Scale

IMAGES = SRC / "images"
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 30, 70
PART_COLOURS = (ORANGE, INK, "#7c3aed", BLUE, GREEN, SOFT)


def main() -> int:
    bench = json.loads((BOOK / "figures" / "tensor.json").read_text())
    pictures = {
        "prove.svg": scatter(bench, "parameters", "params", "milliseconds to prove", lambda row: row["prove_ms"]),
        "others.svg": others(bench, json.loads((BOOK / "figures" / "others.json").read_text())),
        "cells.svg": scatter(bench, "cells of the trace", "cells", "milliseconds to prove", lambda row: row["prove_ms"]),
        "size.svg": scatter(bench, "parameters", "params", "kB of proof", lambda row: row["proof_bytes"] / 1000),
        "accuracy.svg": accuracy(bench),
        "anatomy.svg": anatomy(json.loads((BOOK / "figures" / "anatomy.json").read_text())),
        **{name: draw() for name, draw in DIAGRAMS.items()},
    }
    stale = [name for name, picture in pictures.items() if not (IMAGES / name).exists() or (IMAGES / name).read_text() != str(picture)]
    if "--check" not in sys.argv[1:]:
        for name in stale:
            (IMAGES / name).write_text(str(pictures[name]))
        return 0
    for name in stale:
        print(f"book: {name} is not what docs/book/plots.py draws", file=sys.stderr)
    return 1 if stale else 0


def origin(bench: dict) -> str:
    """Where figures come from."""
    machine = bench["machine"]
    simd = " with AVX-512" if machine["avx512"] else ""
    return f"{bench['command']}, best of {bench['rows'][0]['runs']}; {machine['threads']} cores of {machine['cpu']}{simd}; commit {bench['commit']}"


def count(value: float) -> str:
    """A power of ten as people say it."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:g} {unit}"
    return f"{value:g}"


def scatter(bench: dict, across: str, field: str, up: str, height: Callable[[dict], float]) -> Picture:
    """One point for each model, on logarithmic axes."""
    rows = bench["rows"]
    picture = Picture(760, 460, f"{up} against {across}, one point for each example model")
    x = Scale([row[field] for row in rows], LEFT, 760 - RIGHT)
    y = Scale([height(row) for row in rows], 460 - BOTTOM, TOP)
    axes(picture, x, y)
    points = [(x(row[field]), y(height(row))) for row in rows]
    for point in points:
        picture.dot(*point)
    taken = [(at - 6, up - 6, at + 6, up + 6) for at, up in points]
    for row, point in sorted(zip(rows, points, strict=True), key=lambda pair: pair[1]):
        spot = label(point, 6.3 * len(row["model"]), taken)
        taken.append(spot)
        picture.text(spot[0], spot[3] - 3, row["model"], size=11, anchor="start")
    picture.text((LEFT + 760 - RIGHT) / 2, 460 - 32, across, bold=True)
    picture.text(LEFT, 18, up, anchor="start", bold=True)
    picture.text(760 - RIGHT, 460 - 8, origin(bench), size=11, anchor="end", colour=SOFT)
    return picture


def others(bench: dict, rivals: list[dict]) -> Picture:
    """Time to prove against parameters, beside what is known of other systems."""
    colours = dict(zip((rival["who"] for rival in rivals), (ORANGE, "#b45309", GREEN), strict=True))
    series = [(BLUE, "", row) for row in bench["rows"]]
    series += [(colours[rival["who"]], rival["who"], point) for rival in rivals for point in rival["points"]]
    picture = Picture(760, 480, "Milliseconds to prove against parameters: Ciro's example models, and figures of other systems on other models and machines")
    x = Scale([row["params"] for _, _, row in series], LEFT, 760 - RIGHT)
    y = Scale([row["prove_ms"] for _, _, row in series], 480 - BOTTOM, TOP)
    axes(picture, x, y)
    taken: list[tuple[float, float, float, float]] = []
    for colour, who, row in series:
        point = x(row["params"]), y(row["prove_ms"])
        picture.dot(*point, colour)
        taken.append((point[0] - 6, point[1] - 6, point[0] + 6, point[1] + 6))
    for colour, who, row in series:
        if who:
            words = f"{who}: {row['model']}"
            spot = label((x(row["params"]), y(row["prove_ms"])), 6.3 * len(words), taken)
            taken.append(spot)
            picture.text(spot[0], spot[3] - 3, words, size=11, anchor="start", colour=colour)
    picture.text(x(100), y(2.2), "Ciro's example models", size=12, colour=BLUE, anchor="start")
    picture.text((LEFT + 760 - RIGHT) / 2, 480 - 34, "parameters", bold=True)
    picture.text(LEFT, 18, "milliseconds to prove", anchor="start", bold=True)
    picture.text(760 - RIGHT, 480 - 20, "Other models on other machines: orders of magnitude, and no race. Sources are in the text.", size=11, anchor="end", colour=SOFT)
    picture.text(760 - RIGHT, 480 - 6, f"Ciro: {origin(bench)}", size=11, anchor="end", colour=SOFT)
    return picture


def axes(picture: Picture, x: Scale, y: Scale) -> None:
    """Lines at powers of ten, with their numbers."""
    bottom, right = picture.height - BOTTOM, picture.width - RIGHT
    for tick in x.ticks():
        picture.line(x(tick), TOP, x(tick), bottom)
        picture.text(x(tick), bottom + 18, count(tick), size=12, colour=SOFT)
    for tick in y.ticks():
        picture.line(LEFT, y(tick), right, y(tick))
        picture.text(LEFT - 8, y(tick) + 4, count(tick), size=12, anchor="end", colour=SOFT)


def label(point: tuple[float, float], width: float, taken: list[tuple[float, float, float, float]]) -> tuple[float, float, float, float]:
    """The rectangle of a point's name: the nearest place that is free, else the one to the right."""
    x, y = point
    places = [
        (x + dx, y + dy) for dy in (-6, -17, 5, -28, 16, -39, 27, -50, 38, -61) for dx in (8, -8 - width, -width / 2)
        if dx != -width / 2 or abs(dy + 6) > 10
    ]
    for left, top in sorted(places, key=lambda at: abs(at[1] - y + 6) + (0 if at[0] > x else 1)):
        spot = (left, top, left + width, top + 12)
        free = all(spot[2] < other[0] or spot[0] > other[2] or spot[3] < other[1] or spot[1] > other[3] for other in taken)
        if free and LEFT < spot[0] and spot[2] < 760 - RIGHT:
            return spot
    return (x + 8, y - 6, x + 8 + width, y + 6)


def accuracy(bench: dict) -> Picture:
    """The mean error of each model as a bar, and the share of the same decisions."""
    rows = sorted((row for row in bench["rows"] if row["accuracy"]), key=lambda row: row["accuracy"]["relative_error"])
    top, step, begin, end = 52, 22, 190, 590
    picture = Picture(760, top + step * len(rows) + 44, "Mean error and share of the same decisions of each example model")
    most = max(row["accuracy"]["relative_error"] for row in rows)
    picture.text(begin, 20, "mean error, part of the outputs' mean size", anchor="start", bold=True)
    picture.text(700, 20, "same decision", bold=True)
    for tick in (0, 0.002, 0.004, 0.006):
        at = begin + (end - begin) * tick / most
        picture.line(at, 34, at, top + step * len(rows))
        picture.text(at, 46, f"{100 * tick:g} %", size=11, colour=SOFT)
    for number, row in enumerate(rows):
        y = top + step * number
        error, same = row["accuracy"]["relative_error"], row["accuracy"]["top1"]
        picture.text(begin - 8, y + 14, row["model"], size=12, anchor="end")
        picture.bar(begin, y + 3, max((end - begin) * error / most, 1), step - 8, BLUE)
        picture.text(begin + (end - begin) * error / most + 5, y + 14, f"{100 * error:.3f} %", size=11, anchor="start", colour=SOFT)
        picture.text(700, y + 14, "–" if same is None else f"{100 * same:.0f} %", size=12)
    picture.text(740, picture.height - 8, f"16 samples each; {origin(bench)}", size=11, anchor="end", colour=SOFT)
    return picture


def anatomy(measured: dict) -> Picture:
    """The bytes of proofs by what they are."""
    proofs = measured["proofs"]
    picture = Picture(760, 262, "Bytes of proofs by what they are")
    most = max(proof["bytes"] for proof in proofs)
    for number, proof in enumerate(proofs):
        y, x = 34 + 62 * number, 20.0
        picture.text(20, y - 8, f"{proof['model']}: {proof['bytes']:,} bytes", anchor="start", bold=True)
        for colour, size in zip(PART_COLOURS, proof["parts"].values(), strict=True):
            width = 720 * size / most
            picture.bar(x, y, width, 26, colour)
            if width > 60:
                picture.text(x + width / 2, y + 18, f"{size / 1000:.0f} kB", size=12, colour="#ffffff")
            x += width
    for number, (colour, name) in enumerate(zip(PART_COLOURS, proofs[0]["parts"], strict=True)):
        x, y = 20 + 250 * (number % 3), 172 + 24 * (number // 3)
        picture.bar(x, y, 12, 12, colour)
        picture.text(x + 18, y + 11, name, size=12, anchor="start")
    picture.text(740, 254, f"{measured['command']}, preset standard; commit {measured['commit']}", size=11, anchor="end", colour=SOFT)
    return picture


if __name__ == "__main__":
    sys.exit(main())
