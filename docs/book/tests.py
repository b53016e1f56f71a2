#!/usr/bin/env python3
"""Tests of the book's tools: each check finds what it is for."""

from __future__ import annotations

import contextlib
import io
import tempfile
import unittest
from pathlib import Path

import anatomy
import check
import pages
import run


def execute(page: str) -> int:
    """Runs a page, and returns how many of its blocks were run."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        return run.run("page.md", page, Path(folder), run.settle([], Path(folder)))


def fence(kind: str, text: str) -> str:
    return f"```{kind}\n{text}\n```\n\n"


class Commands(unittest.TestCase):
    def test_what_is_quoted_is_what_is_printed(self) -> None:
        execute(fence("sh", "echo one; echo two") + fence("text", "one\ntwo"))
        with self.assertRaisesRegex(run.Failed, "the page quotes"):
            execute(fence("sh", "echo one") + fence("text", "two"))

    def test_dots_stand_for_anything_and_for_nothing_else(self) -> None:
        self.assertTrue(run.matches("a ... ms\n...\nend", "a 1.5 ms\nb\nc\nend"))
        self.assertFalse(run.matches("a ... ms", "a 1.5 ms\nb"))
        self.assertFalse(run.matches("1.5", "1x5"))

    def test_numbers_vary_where_the_page_says_so(self) -> None:
        quoted = "prove  about 11.6 ms\nkey  3b958c3832094a0d47fad444cdcdae00c05c73bfe32e97c89ade6ef5c77c4707"
        printed = "prove    about 1.2 s\nkey  0a958c3832094a0d47fad444cdcdae00c05c73bfe32e97c89ade6ef5c77c4700"
        self.assertTrue(run.matches(quoted, printed, numbers_vary=True))
        self.assertFalse(run.matches(quoted, printed))
        self.assertFalse(run.matches(quoted, printed.replace("about", "exactly"), numbers_vary=True))
        execute(fence("sh", "echo 1") + "<!-- numbers vary -->\n" + fence("text", "2"))

    def test_a_command_that_fails_fails_the_page(self) -> None:
        for command in ("false; true", "false | true", "echo $ABSENT"):
            with self.assertRaisesRegex(run.Failed, "exit code"):
                execute(fence("sh", command))

    def test_folder_variables_and_functions_last(self) -> None:
        first = fence("sh", "mkdir inner && cd inner && export NAME=value\nsay() { echo \"$1\"; }")
        execute(first + fence("sh", 'say "$NAME" && basename "$PWD"') + fence("text", "value\ninner"))

    def test_files_are_written_where_the_reader_is(self) -> None:
        execute(fence("sh", "mkdir inner && cd inner") + fence("python,file=a.py", "x") + fence("sh", "cat a.py") + fence("text", "x"))

    def test_a_block_is_left_out_for_a_reason_alone(self) -> None:
        self.assertEqual(execute("<!-- not run: too long -->\n" + fence("sh", "false") + fence("sh", "true")), 1)

    def test_the_cleanup_is_run_whatever_happened(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            mark = Path(folder) / "mark"
            with self.assertRaises(run.Failed):
                execute(f"<!-- cleanup: touch {mark} -->\n" + fence("sh", "false"))
            self.assertTrue(mark.exists())

    def test_commands_of_included_documents_are_accounted_for(self) -> None:
        self.assertEqual(run.stray(), set())
        known = run.ELSEWHERE.pop("docs/kafka.md")
        try:
            self.assertEqual(run.stray(), {"docs/kafka.md"})
        finally:
            run.ELSEWHERE["docs/kafka.md"] = known


class Links(unittest.TestCase):
    def test_a_link_to_nowhere_is_found(self) -> None:
        page = pages.SRC / "tutorial.md"
        for text, faults in (
            ("[a](nowhere.md)", 1), ("[a](introduction.md#nowhere)", 1), ("[a](introduction.md#where-to-go)", 0), ("`[a](nowhere.md)`", 0),
            (fence("text", "[a](nowhere.md)"), 0), (f"[a]({pages.REPOSITORY}/blob/main/nowhere.md)", 1), ("[a](https://example.org/x)", 0),
        ):
            self.assertEqual(len(check.broken(page, text, {})), faults, text)

    def test_links_of_an_included_document_are_turned(self) -> None:
        pages.homes.cache_clear()
        text = pages.document("reference/metrics.md", "docs/privacy.md", None)
        self.assertIn("https://github.com/ciro-network/ciro/blob/main/ciro-sdk/cairo/README.md#what-a-proof-shows", text)
        text = pages.document("reference/metrics.md", "docs/ARCHITECTURE.md", None)
        self.assertIn("](../concepts/network.md)", text)

    def test_a_section_ends_with_the_next_of_its_level(self) -> None:
        text = "# a\n\n## b\n\none\n\n### c\n\n```sh\n# no heading\n```\n\n## d\n\ntwo\n"
        self.assertEqual(pages.section(text, "b", "x"), "one\n\n### c\n\n```sh\n# no heading\n```")
        with self.assertRaises(ValueError):
            pages.section(text, "absent", "x")


class Anatomy(unittest.TestCase):
    def test_a_file_that_is_no_bundle_is_refused(self) -> None:
        with self.assertRaises(ValueError):
            anatomy.statement_and_proof(b"CIROPROF" + bytes(100))
        with self.assertRaises(ValueError):
            anatomy.statement_and_proof(b"other")


if __name__ == "__main__":
    unittest.main()
