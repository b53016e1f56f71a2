"""The pages of the book: which there are, what is included in them, where their links lead.

A page includes a document of the repository with `{{#doc docs/network.md}}`, or one section of it with
`{{#doc docs/ARCHITECTURE.md#files}}`, so that nothing is told twice. Links of what is included are turned: to the page
that includes their target, else to the repository.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

BOOK = Path(__file__).resolve().parent
SRC = BOOK / "src"
ROOT = BOOK.parent.parent
REPOSITORY = "https://github.com/ciro-network/ciro"

INCLUDE = re.compile(r"^\{\{#doc ([^}#\s]+)(?:#([^}\s]+))?\}\}$", re.MULTILINE)
LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\])*\])\(([^()\s]+)\)")
FENCE = re.compile(r"^( {0,3})(`{3,})([^`\n]*)\n(.*?)^\1\2`*\s*$", re.MULTILINE | re.DOTALL)


def chapters() -> list[str]:
    """The pages that SUMMARY.md lists, in order, as paths below `src`."""
    return [target for _, target in LINK.findall((SRC / "SUMMARY.md").read_text())]


@cache
def homes() -> dict[str, str]:
    """The page that includes a whole document, by the document's path from the root."""
    return {
        document: chapter
        for chapter in chapters()
        for document, anchor in INCLUDE.findall((SRC / chapter).read_text())
        if not anchor
    }


def expand(chapter: str, text: str) -> str:
    """A page's text with what it includes."""
    return INCLUDE.sub(lambda match: document(chapter, match[1], match[2]), text)


def document(chapter: str, path: str, anchor: str | None) -> str:
    """A document, or one of its sections, with links that are right on the page `chapter`.

    Raises:
        ValueError: if there is no such section.
    """
    text = (ROOT / path).read_text()
    if anchor:
        text = section(text, anchor, path)
    folder = Path(path).parent
    return outside_code(text, lambda part: LINK.sub(lambda link: _turn(link, chapter, folder), part)).rstrip()


def section(text: str, anchor: str, path: str) -> str:
    """What stands below a heading, up to the next one of its level, without the heading."""
    start = level = None
    for depth, title, begin, end in headings(text):
        if start is not None and depth <= level:
            return text[start:begin].strip()
        if start is None and slug(title) == anchor:
            start, level = end, depth
    if start is None:
        raise ValueError(f"{path} has no section #{anchor}")
    return text[start:].strip()


def headings(text: str) -> Iterator[tuple[int, str, int, int]]:
    """Level, title, and where they begin and end, of all headings outside of code."""
    code = [match.span() for match in FENCE.finditer(text)]
    for match in re.finditer(r"^(#{1,6}) (.+)$", text, re.MULTILINE):
        if not any(begin <= match.start() < end for begin, end in code):
            yield len(match[1]), match[2], match.start(), match.end()


def slug(title: str) -> str:
    """The anchor of a heading, as GitHub and mdBook make it."""
    title = LINK.sub(lambda link: link[1][1:-1], title)
    return re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")


def outside_code(text: str, change) -> str:
    """A text with `change` applied to what is no block of code."""
    parts, at = [], 0
    for match in FENCE.finditer(text):
        parts += [change(text[at:match.start()]), match[0]]
        at = match.end()
    return "".join([*parts, change(text[at:])])


def _turn(link: re.Match[str], chapter: str, folder: Path) -> str:
    target, _, anchor = link[2].partition("#")
    if not target or "://" in target or target.startswith("mailto:"):
        return link[0]
    path = os.path.normpath(folder / target)
    anchor = anchor and f"#{anchor}"
    here = Path(chapter).parent
    if path in homes():
        return f"{link[1]}({os.path.relpath(homes()[path], here)}{anchor})"
    inside = os.path.relpath(ROOT / path, SRC)
    if not inside.startswith(".."):
        return f"{link[1]}({os.path.relpath(inside, here)}{anchor})"
    kind = "tree" if (ROOT / path).is_dir() else "blob"
    return f"{link[1]}({REPOSITORY}/{kind}/main/{path}{anchor})"
