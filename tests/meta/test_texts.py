"""What no file of the repository may say, and that links between its pages lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("sentinel", "detectors", "tests", "deploy", "config", "docs", ".ci")
VENDORED = "uplot"
"""A folder of somebody else's files, which are kept as they came."""
SUFFIXES = {".py", ".md", ".toml", ".yaml", ".json", ".service", ".html", ".css", ".js", ".txt", ""}

# Each pattern is written so that it does not match itself.
FORBIDDEN = {
    "the path of one machine": r"(?<![\w.])/(work|root/\.)[/]|/home/[a-z]+/(?!\*)",
    "a package registry's host": r"\b(py[p]i\.org|pythonhosted\.[o]rg|test\.py[p]i)",
    "an unfinished note": r"\b(TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b",
    "a debugger": r"\b(breakpoint\([)]|pdb\.set[_]trace)",
}
INDEX_OPTION = r"--(extra-)?index-[u]rl|--find-[l]inks"


@cache
def text_of(path: Path) -> str:
    """What a file says; nothing where it is an input in another encoding, on purpose."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def texts() -> Iterator[Path]:
    """Every text file that belongs to the repository."""
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix in SUFFIXES and not {"__pycache__", VENDORED} & set(path.parts):
                yield path
    yield from (path for path in ROOT.iterdir() if path.is_file() and path.suffix in {".md", ".toml", ".yaml"})


def matches(pattern: str) -> list[str]:
    """Where a pattern occurs, as path:line."""
    sought = re.compile(pattern, re.MULTILINE)
    return [
        f"{path.relative_to(ROOT)}:{1 + text_of(path).count(chr(10), 0, found.start())}"
        for path in texts()
        for found in sought.finditer(text_of(path))
    ]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what: str) -> None:
    assert matches(FORBIDDEN[what]) == []


def test_only_the_readme_says_where_else_a_package_may_come_from() -> None:
    assert [place for place in matches(INDEX_OPTION) if not place.startswith("README.md:")] == []


def test_no_message_promises_what_cannot_be_known() -> None:
    # An alarm says that a series returns more slowly, never what becomes of it; to say just that is allowed.
    assert matches(r"(?i)^(?!.*\b(not|never)\b).*\bwill (soon )?(tip|collaps[e])\b") == []


def anchors(page: Path) -> set[str]:
    """What a link may lead to within a page: its headings, as a web page of them names them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_links_lead_to_files_and_headings_that_exist() -> None:
    for page in (path for path in texts() if path.suffix == ".md"):
        links = re.findall(r"\]\((?!https?:|mailto:)([^)#\s]*)#?([^)\s]*)\)", page.read_text(encoding="utf-8"))
        for target, anchor in links:
            led = (page.parent / target) if target else page
            assert led.exists(), f"{page.relative_to(ROOT)}: {target}"
            assert not anchor or anchor in anchors(led), f"{page.relative_to(ROOT)}: {target}#{anchor}"


def test_the_code_uses_the_words_of_the_glossary() -> None:
    # It says observation and alarm; `.samples` is an attribute of prometheus_client.
    found = matches(r"(?i)(?<!\.)\b(anomal(y|ies|ous)|sample[s]?)\b")
    assert [place for place in found if place.startswith(("sentinel/", "detectors/"))] == []
