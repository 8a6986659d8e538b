"""docs/statistics.md quotes the trust suite. `pytest --update-golden` writes the figures from docs/trust.json."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import fill

import pytest

from tests.studies.trust.effort import SEED
from tests.studies.trust.page import groups_of
from tests.studies.trust.row import Row

ROOT = Path(__file__).resolve().parents[2]
PAGE, TRUST = ROOT / "docs" / "statistics.md", ROOT / "docs" / "trust.json"
BEGIN = "<!-- figures: written by tests/meta/test_statistics.py --update-golden from docs/trust.json -->\n"
END = "<!-- end of figures -->"
README = ROOT / "README.md"
README_BEGIN = "<!-- trust: written by tests/meta/test_statistics.py --update-golden from docs/trust.json -->\n"
README_END = "<!-- end of trust -->"


TRUTH = "at the truth, alpha "


@pytest.fixture(scope="module")
def groups() -> dict[str, list[Row]]:
    """The rows of the full run, by group."""
    return groups_of(TRUST.read_text(encoding="utf-8"))


def figures(groups: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """Realised rates by group of scenarios, delays, and every exception."""
    rows = [row for found in groups.values() for row in found]
    claimed = [row for row in rows if row.what.startswith(TRUTH) and row.bar == row.budget]
    yield f"From the trust suite, seed {SEED}: [docs/trust.md](trust.md) has it scenario by scenario, with"
    yield "intervals and how it was measured. Rates are in parts of the budget (1 = as many false alarms as were"
    yield "declared), with the threshold at the true value itself, the hardest case. In the"
    names = {row.scenario for row in claimed}
    yield f"{len(names)} null scenarios that are claimed they are {span(claimed, named=False)}.\n"
    alphas = list(dict.fromkeys(row.what.removeprefix(TRUTH) for row in rows if row.what.startswith(TRUTH)))
    yield f"| scenarios | how many | {' | '.join(f'realised, alpha {alpha}' for alpha in alphas)} | bars met |"
    yield "|---|---|" + "---|" * (len(alphas) + 1)
    for group, found in groups.items():
        ranges = [span([row for row in found if row.what == TRUTH + alpha]) for alpha in alphas]
        barred = [row.met for row in found if row.bar is not None]
        met = f"{sum(barred)} of {len(barred)}" if barred else "none set"
        yield f"| {group} | {len({row.scenario for row in found})} | {' | '.join(ranges)} | {met} |"
    yield "\n| how soon | measured (95 %) | bar |\n|---|---|---|"
    for row in (row for group, found in groups.items() if group.startswith("power") for row in found):
        yield f"| {row.scenario}, {row.what} | {interval(row)} | {bar(row)} |"
    yield "\nRealised above the declared rate, with the whole interval, where nothing is claimed:\n"
    for row in rows:
        if row.what.startswith(TRUTH) and row.figure.low > row.budget:
            alpha = row.what.removeprefix(TRUTH)
            yield f"- {row.scenario}, alpha {alpha}: {row.figure.value / row.budget:.1f} times"
    missed = [row for row in rows if not row.met]
    yield f"\nRows whose interval is not wholly on the right side of a bar: {len(missed) or 'none'}.\n"
    for row in missed:
        yield f"- {row.scenario}, {row.what}: {interval(row)}, {bar(row)} was demanded"


def span(rows: Sequence[Row], *, named: bool = True) -> str:
    """Smallest and largest realised part of the budget, and where that was."""
    parts = sorted((row.figure.value / row.budget, row.scenario) for row in rows)
    return f"{parts[0][0]:.2f} to {parts[-1][0]:.2f}{f' ({parts[-1][1]})' if named else ''}" if parts else "-"


def interval(row: Row) -> str:
    value, low, high, _ = row.figure
    return f"{value:.3g} ({low:.3g} to {high:.3g})"


def bar(row: Row) -> str:
    return "-" if row.bar is None else f"{'at most' if row.at_most else 'at least'} {row.bar:g}"


def headline(groups: Mapping[str, Sequence[Row]]) -> str:
    """What the README says of the suite."""
    rows = [row for found in groups.values() for row in found]
    claimed = [row for row in rows if row.what.startswith(TRUTH) and row.bar == row.budget]
    rates = [span([row for row in claimed if row.what == TRUTH + alpha], named=False) for alpha in ("0.001", "0.0001")]
    found = {(row.scenario, row.what): row for row in rows}
    seen, lead = found["rho 0.5 -> 0.85 at 0.7", "delay"], found["fold", "median lead, ticks"]
    warned = found["fold", "share warned before the collapse"].figure
    quiet = found["harvest stays at .15", "alarms per 10,000 ticks"]
    missed = sum(not row.met for row in rows)
    names = {row.scenario for row in claimed}
    text = (
        f"In {len(names)} simulations without slowing (200 series of 10,000 ticks each, seed {SEED}), with the "
        f"threshold at the truth itself, the realised rate was {rates[0]} of the budget at alpha 1e-3 and {rates[1]} "
        f"at 1e-4. A rise of lag 1 from .5 to .85 was seen at .7 after a median of {interval(seen)} ticks at 1e-4. "
        f"Of simulated folds {warned.value:.0%} were warned of ({warned.rests_on}), with a median lead "
        f"of {interval(lead)} ticks. Where nothing was on its way, {interval(quiet)} alarms came per 10,000 ticks. "
        f"[docs/trust.md](docs/trust.md) has all of it, exceptions first; "
        f"{f'{missed} of its {len(rows)} figures miss a bar' if missed else 'no figure misses its bar'}."
    )
    return fill(text, 120, break_on_hyphens=False) + "\n"


def test_the_figures_are_those_of_the_trust_suite(golden_part, groups) -> None:
    golden_part(PAGE, BEGIN, "\n".join(figures(groups)).rstrip() + "\n", END)


def test_the_figures_of_the_readme_are_those_of_the_trust_suite(golden_part, groups) -> None:
    golden_part(README, README_BEGIN, headline(groups), README_END)


def test_no_page_promises_a_false_alarm_rate_without_its_condition() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        text = " ".join(page.read_text(encoding="utf-8").split())
        assert not re.search(r"guarantee[sd]?\b[^.]*\b(false|rate|budget)", text, re.IGNORECASE), page.name
        for bound in re.finditer(r"expected number of false alarms in T ticks is at most alpha T", text):
            sentence = text[text.rfind(". ", 0, bound.start()) + 2 : bound.start()]
            assert "given its past" in sentence, page.name
            assert "shocks are symmetric" in sentence, page.name


def test_theorem_calibrated_and_not_claimed_are_kept_apart() -> None:
    titles = re.findall(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    places = [titles.index(title) for title in ("Theorem", "Calibrated", "Not claimed", "Measured")]
    assert places == sorted(places)
