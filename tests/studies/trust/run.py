"""Measure the trust suite on two cores and print its page.

python -m tests.studies.trust.run                   print the page
python -m tests.studies.trust.run --write           write docs/trust.md and docs/trust.json
python -m tests.studies.trust.run --only sine       the parts whose name holds a word; with --write only those are new
python -m tests.studies.trust.run --short           few and short series: does it run at all
"""

from __future__ import annotations

import argparse
import sys
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from tests.studies.trust.effort import FULL, SHORT, Effort
from tests.studies.trust.page import data_of, groups_of, page
from tests.studies.trust.row import Row
from tests.studies.trust.suite import SUITE

PAGE = Path(__file__).resolve().parents[3] / "docs" / "trust.md"
PROCESSES = 2


def rows_of(effort: Effort, place: int) -> list[Row]:
    """The rows of one part of the suite."""
    return SUITE[place].rows(effort)


def measured(effort: Effort, places: Sequence[int]) -> dict[str, list[Row]]:
    """The rows of these parts by group, in the order of the suite."""
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        return gathered(places, pool.map(partial(rows_of, effort), places))


def gathered(places: Sequence[int], measured_rows: Iterable[list[Row]]) -> dict[str, list[Row]]:
    """Rows by group as they come; what is measured is told on standard error."""
    groups: dict[str, list[Row]] = {}
    for place, rows in zip(places, measured_rows, strict=True):
        groups.setdefault(SUITE[place].group, []).extend(rows)
        missed = sum(not row.met for row in rows)
        print(f"{SUITE[place].name}{f': {missed} of its bars missed' if missed else ''}", file=sys.stderr)
    return groups


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="The trust suite: is the false-alarm budget kept?")
    parser.add_argument("--write", action="store_true", help="write docs/trust.md and docs/trust.json")
    parser.add_argument("--only", default="", metavar="WORD", help="parts whose name holds it")
    parser.add_argument("--short", action="store_true", help="few and short series")
    asked = parser.parse_args()
    if asked.write and asked.short:
        parser.error("--write takes series of their full length; leave out --short")
    places = [place for place, part in enumerate(SUITE) if asked.only in part.name]
    groups = measured(SHORT if asked.short else FULL, places)
    if asked.write:
        data = PAGE.with_suffix(".json")
        groups = groups if not asked.only else among(groups_of(data.read_text(encoding="utf-8")), groups)
        data.write_text(data_of(groups), encoding="utf-8")
        PAGE.write_text(page(groups), encoding="utf-8")
    else:
        print(page(groups))


def among(kept: dict[str, list[Row]], new: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Put rows measured anew into the place of those of before, in the order of the suite; drop those no more in it.

    A part draws random numbers of its own, by its name: what is measured beside it changes nothing.
    """
    groups: dict[str, list[Row]] = {part.group: [] for part in SUITE}
    names = {(part.group, part.name) for part in SUITE}
    left = [
        {group: deque(row for row in rows.get(group, ()) if (group, row.scenario) in names) for group in groups}
        for rows in (kept, new)
    ]
    for part in SUITE:
        before, now = (_take(rows[part.group], part.name) for rows in left)
        groups[part.group] += now or before
    if any(rows for each in left for rows in each.values()):
        raise SystemExit("the suite is in another order than when it was written; write all of it, without --only")
    return groups


def _take(rows: deque[Row], name: str) -> list[Row]:
    """Take the first rows, as long as they are of that name."""
    taken = []
    while rows and rows[0].scenario == name:
        taken.append(rows.popleft())
    return taken


if __name__ == "__main__":
    main()
