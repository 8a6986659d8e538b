"""The default rule beside other sequential detectors, at the same budget, when lag 1 jumps from .5 to .85.

python -m tests.studies.slower.peers              measure and print
python -m tests.studies.slower.peers --write      write it into docs/statistics.md

The peers are those of the optional group `bench`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from itertools import product
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tests.studies.slower.sequential import CHANGES, FITTED, GRIDCP, METHODS, RHO, VALID, Alarms
from tests.studies.trust.effort import SEED, generator
from tests.studies.trust.interval import Figure, median, rate, share
from tests.studies.trust.nulls import Maker, Shape, changing, stationary
from tests.studies.trust.power import until

Floats = NDArray[np.float64]

PAGE = Path(__file__).resolve().parents[3] / "docs" / "statistics.md"
BEGIN = "<!-- peers: written by python -m tests.studies.slower.peers --write -->\n"
END = "<!-- end of peers -->"

ALPHAS = (1e-3, 1e-4)
SERIES, TICKS = 100, 4_500
AFTER, SLOW = 1_000, 0.85
"""Ticks in which the jump is to be found, and lag 1 after it."""
STEP_EVERY, STEP = 500, 3.0


def _steps(random: Generator, shape: Shape) -> Floats:
    values = stationary(RHO)(random, shape)
    jumps = (random.random(shape) < 1.0 / STEP_EVERY) * random.choice([-STEP, STEP], shape)
    jumps[:FITTED] = 0.0
    return values + np.cumsum(jumps, axis=0)


NULLS: dict[str, Maker] = {
    "AR(1) .5": stationary(RHO),
    "Student-3 shocks": stationary(RHO, "Student-3"),
    "steps of 3 sd": _steps,
}


def _jump(*, unit_variance: bool) -> Maker:
    def make(random: Generator, shape: Shape) -> Floats:
        rho = np.repeat([RHO, SLOW], [CHANGES, shape[0] - CHANGES])
        return changing(rho, random.standard_normal(shape), unit_variance=unit_variance)

    return make


JUMPS = {"same shocks": _jump(unit_variance=False), "same variance": _jump(unit_variance=True)}


class Row(NamedTuple):
    """A method at a budget."""

    name: str
    alpha: float
    false: dict[str, Figure]
    """Alarms per 10,000 ticks, by null."""
    delay: dict[str, Figure]
    """Median ticks until the first alarm after the jump."""
    found: dict[str, Figure]
    """Share with an alarm within `AFTER` ticks of the jump; for "nothing", of the first null at the same time."""


def measure(name: str, alpha: float, series: int = SERIES) -> Row:
    """Run a method over the nulls and the jumps."""
    alarms = METHODS[name].alarms
    held = {null: alarms(make(generator(f"peers: {null}"), (TICKS, series)), alpha) for null, make in NULLS.items()}
    false = {}
    for null, said in held.items():
        counts = np.array([(ticks >= FITTED).sum() for ticks in said.raised], np.int64)
        false[null] = rate(counts, series * (TICKS - FITTED))
    delay, found = {}, {"nothing": _within(held["AR(1) .5"])}
    for jump, make in JUMPS.items():
        said = alarms(make(generator(f"peers: {jump}"), (CHANGES + AFTER, series)), alpha)
        delay[jump], found[jump] = median(until(said.raised, CHANGES)[~said.open]), _within(said)
    return Row(name, alpha, false, delay, found)


def _within(said: Alarms) -> Figure:
    waited = until(said.raised, CHANGES)[~said.open]
    return share(int((waited <= AFTER).sum()), waited.size)


def lines(row: Row) -> str:
    """The row in the table."""
    cells = [row.name, f"{row.alpha:g}", *(_rate(figure) for figure in row.false.values())]
    for jump in JUMPS:
        cells += [_ticks(row.delay[jump]), _share(row.found[jump])]
    return f"| {' | '.join([*cells, _share(row.found['nothing'])])} |"


def _rate(figure: Figure) -> str:
    value, low, high = (f"{end:,.{0 if figure.value >= 100 else 1}f}" for end in figure[:3])
    return f"{value} ({low} to {high})"


def _ticks(figure: Figure) -> str:
    value, low, high = ("more" if np.isinf(end) else f"{end:,.0f}" for end in figure[:3])
    return f"over {AFTER:,}" if low == "more" else f"{value} ({low} to {high})"


def _share(figure: Figure) -> str:
    return f"{figure.value:.2f} ({figure.low:.2f} to {figure.high:.2f})"


def head() -> str:
    """What stands before the figures; says which versions were measured."""
    words = f"""\
Written by `python -m tests.studies.slower.peers --write` (seed {SEED}; peers: `pip install '.[bench]'`).
{SERIES} AR(1) series of unit variance with lag 1 at .5, which jumps to .85 after {CHANGES:,} ticks: once at shocks of
the same size, so that the variance grows, and once at the same variance. Every method has the same budget of false
alarms per tick. **gridcp** {PINNED[GRIDCP]} finds changes of mean, variance, regression or distribution on a sparse
grid of split points, and calibrates its threshold by simulation to a mean time to a false alarm.
**validanytime-detectors** {PINNED[VALID]} watches metrics of services for a worse level or more scatter, by an
e-detector on the misses of conformal intervals, or by control charts. (Its sibling `validanytime` only talks to a
hosted service, so it cannot be run here.) Neither is made for slowing down: each was given what suits it best here.
Its level, AR(1) and scales are fitted to the first {FITTED} values.
"""
    rows = [f"| {of.name} | {of.fed} | {of.null} | {of.budget} |" for of in METHODS.values()]
    table = "\n".join(["| method | is fed with | its null | its alarm line |", "|---|---|---|---|", *rows])
    return f"{fill(words, 120, break_on_hyphens=False, break_long_words=False)}\n\n{table}\n"


PINNED = {GRIDCP: "0.1.0", VALID: "0.1.2"}
"""Versions that were measured; the group `bench` has the same."""


def table(rows: Sequence[Row]) -> str:
    """The figures."""
    jumps = [f"{what}, {jump}" for jump in JUMPS for what in ("median delay", f"found in {AFTER:,}")]
    header = ["method", "alpha", *(f"false alarms, {null}" for null in NULLS), *jumps, f"found in {AFTER:,}, no jump"]
    return "\n".join([f"| {' | '.join(header)} |", "|---" * len(header) + "|", *map(lines, rows)])


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write it into docs/statistics.md")
    parser.add_argument("--series", type=int, default=SERIES, help="fewer: quick, wide intervals")
    parser.add_argument("--only", nargs="+", choices=METHODS, default=list(METHODS))
    asked = parser.parse_args()
    for package, pinned in PINNED.items():
        if version(package) != pinned:
            parser.error(f"{package}: {version(package)} is installed; {pinned} is described here")
    jobs = list(product(asked.only, ALPHAS))
    with ProcessPoolExecutor(2) as pool:
        rows = []
        for row in pool.map(measure, *zip(*jobs, strict=True), [asked.series] * len(jobs)):
            print(lines(row), flush=True)
            rows.append(row)
    if asked.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}{head()}\n{table(rows)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
