"""Figures that a page quotes from another one stand there."""

from __future__ import annotations

import re

import pytest

from tests.meta.printed import ROOT

DOCS = ROOT / "docs"


@pytest.mark.parametrize(("page", "column"), [("which-rule.md", 2), ("sizing.md", 1)])
def test_every_measured_figure_of_a_table_stands_in_the_page_that_it_names(page: str, column: int) -> None:
    rows = [line.strip("| ").split(" | ") for line in (DOCS / page).read_text("utf-8").splitlines() if line[:1] == "|"]
    quoted = [cells[column] for cells in rows if len(cells) > column and re.search(r"\(\[\w", cells[column])]
    assert len(quoted) >= 7
    for text in quoted:
        words, _, link = text.rpartition(" ([")
        (name,) = re.findall(r"\]\(([\w-]+\.md)", link)
        source = (DOCS / name).read_text(encoding="utf-8")
        # Thresholds, budgets and lengths are what was measured, and figures what came of it; both have to be there.
        for figure in re.findall(r"(?<![\w.])\.?\d[\d,]*(?:\.\d+)?(?:e-\d)?(?!\w)", words):
            assert re.search(rf"(?<![\w.]){re.escape(figure)}(?![\w]|\.\d)", source), f"{page}: {figure} of {name}"
