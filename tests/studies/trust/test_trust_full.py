"""The full trust suite gives the rows of docs/trust.json again; fast tests hold those to their bars and to the page.

A few scenarios to a test, so that both cores share them.
"""

from __future__ import annotations

from itertools import groupby

import pytest

from tests.studies.trust.effort import FULL
from tests.studies.trust.page import data_of, groups_of
from tests.studies.trust.run import PAGE
from tests.studies.trust.slower import SMALL_GROUP
from tests.studies.trust.suite import SUITE

pytestmark = pytest.mark.slow

AT_ONCE = 12
"""Scenarios in a test: half a minute of work."""


def _parts() -> list[tuple[str, list[str]]]:
    """Groups, each with some of its scenarios. What takes longest is measured by --write alone."""
    parts = []
    for group, members in groupby(SUITE, key=lambda part: part.group):
        names = list(dict.fromkeys(part.name for part in members))
        parts += [(group, names[first : first + AT_ONCE]) for first in range(0, len(names), AT_ONCE)]
    return [part for part in parts if part[0] != SMALL_GROUP]


@pytest.mark.parametrize(("group", "names"), _parts(), ids=lambda found: found if isinstance(found, str) else found[0])
def test_a_new_run_of_the_full_suite_gives_the_rows_of_the_page(group: str, names: list[str]) -> None:
    written = groups_of(PAGE.with_suffix(".json").read_text(encoding="utf-8"))[group]
    rows = [row for part in SUITE if part.group == group and part.name in names for row in part.rows(FULL)]
    assert data_of({group: rows}) == data_of({group: [row for row in written if row.scenario in names]})
