#!/usr/bin/env python3
"""mdBook's preprocessor of this book: puts documents of the repository into pages (see `pages.py`)."""

from __future__ import annotations

import json
import sys

from pages import expand


def walk(items: list) -> None:
    """Expands all chapters, whatever they are nested in."""
    for item in items:
        chapter = isinstance(item, dict) and item.get("Chapter")
        if chapter:
            if chapter.get("path"):
                chapter["content"] = expand(chapter["path"], chapter["content"])
            walk(chapter["sub_items"])


def main() -> None:
    if sys.argv[1:2] == ["supports"]:
        sys.exit(0 if sys.argv[2:] == ["html"] else 1)
    _, book = json.load(sys.stdin)
    walk(book.get("items") or book.get("sections") or [])
    json.dump(book, sys.stdout)


if __name__ == "__main__":
    main()
