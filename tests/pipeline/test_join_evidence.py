"""The evidence of a comparison is the least of two claims, so that a counterpart never raises an alarm."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sentinel.config import Settings
from sentinel.domain.states import Reason, State
from sentinel.pipeline.conditioning import ComparisonBlock, Differencing, Side
from sentinel.pipeline.grid import TICK
from sentinel.pipeline.pipeline import Pipeline
from sentinel.pipeline.plan import PlanChannel, PlanRule
from sentinel.pipeline.snapshot import Snapshot
from sentinel.text.claims import reason_in_words
from tests.pipeline.comparisons import (
    PAIR,
    PATIENCE,
    Arrays,
    against,
    column,
    lakes,
    raised,
    states_of,
    stream,
)
from tests.pipeline.streams import ar1, plan_with, through

RULES: list[dict[str, Any]] = [
    {"threshold": 0.6, "alpha": 1e-3, "at_start": "alarm"}, {"kind": "spread", "ratio": 1.5, "alpha": 1e-3},
    {"kind": "modulus", "threshold": 0.7, "alpha": 1e-3, "at_start": "alarm"},
]  # fmt: skip
CHANGED = slice(1_500, 2_500)


def many(seed: int, change: Callable[[Arrays, Arrays], None], count: int = 15, match: str = "* - *") -> list[str]:
    """What comparisons alarm on, 15 pairs of lakes, each changed halfway."""
    columns = {}
    for i in range(count):
        two = {"peter": ar1(seed + i, 0.3, 2_500)[:, 0], "paul": ar1(seed + i + 7_000, 0.3, 2_500)[:, 0]}
        change(two["peter"], two["paul"])
        columns |= {f"peter/{i}": two["peter"], f"paul/{i}": two["paul"]}
    settings = Settings.model_validate(
        {
            "series": [{"match": "peter/*", "reference": "paul/*", "cadence": "1h"}, {"cadence": "1h"}],
            "alarms": [{"match": match} | rule for rule in RULES],
            "banks": {"default": {"reference_ticks": 500}},
        }
    )  # fmt: skip
    pipeline = Pipeline(settings)
    _, result = pipeline.advance(pipeline.init(), stream(columns))
    return [event.kind for event in result.events if event.what == "raised"]


def slower(values: Arrays, seed: int = 1) -> None:
    values[CHANGED] = ar1(seed, 0.95, 1_000)[:, 0]


def noisier(values: Arrays) -> None:
    values[CHANGED] *= 3.0


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [lambda _peter, paul: slower(paul), lambda _peter, paul: noisier(paul)],
    ids=["slower", "noisier"],
)
def test_a_counterpart_that_changes_itself_raises_nothing(change: Callable[[Arrays, Arrays], None]) -> None:
    found = many(50, change)
    print(f"{len(found)} alarms of 15 comparisons")
    assert len(found) <= 1


@pytest.mark.slow
def test_an_alarm_of_a_comparison_that_the_difference_leads_says_what_else_it_may_be() -> None:
    columns = {}
    for i in range(30):
        weather = np.random.default_rng(i).normal(scale=1.5, size=2_000)  # hides the step from the target's own pairs
        columns |= {f"peter/{i}": ar1(900 + i, 0.3, 2_000)[:, 0] + weather}
        columns |= {f"paul/{i}": ar1(9_000 + i, 0.3, 2_000)[:, 0] + weather}
        columns[f"peter/{i}"][1_500:] += 4.0
    settings = Settings.model_validate(
        {
            "series": [{"match": "peter/*", "reference": "paul/*", "cadence": "1h"}, {"cadence": "1h"}],
            "alarms": [{"match": "* - *", "threshold": 0.4, "alpha": 1e-3, "at_start": "alarm"}],
        }
    )  # fmt: skip
    pipeline = Pipeline(settings)
    state, result = pipeline.advance(pipeline.init(), stream(columns))
    remarks = [event.remarks for event in result.events if event.what == "raised"]
    led_by_difference = sum(int(members.evidence.leading.sum()) for members in state.cohorts)
    print(f"{len(remarks)} alarms, {led_by_difference} of the last of each pair led by the difference")
    assert led_by_difference >= 5
    assert np.mean(["one_sided" in each for each in remarks]) >= 0.9


@pytest.mark.slow
def test_a_target_that_slows_or_becomes_noisier_is_found_against_its_counterpart() -> None:
    slowed = many(51, lambda peter, _paul: slower(peter))
    spread = many(52, lambda peter, _paul: noisier(peter))
    print(f"lag1 {slowed.count('lag1')}, modulus {slowed.count('modulus')}, spread {spread.count('spread')} of 15")
    assert slowed.count("lag1") >= 13
    assert spread.count("spread") >= 13


@pytest.mark.slow
def test_weather_that_becomes_wilder_over_both_is_far_less_evidence_than_without_a_counterpart() -> None:
    def wild(peter: Arrays, paul: Arrays) -> None:
        noisier(peter)
        noisier(paul)

    compared, by_itself = (many(53, wild, match=match).count("spread") for match in ("* - *", "peter/?"))
    print(f"{compared} of 15 comparisons, {by_itself} of 10 series by themselves")
    assert compared <= 5
    assert by_itself >= 10


def test_the_least_of_the_two_claims_counts() -> None:
    outcome = through(Pipeline(against(alarms=RULES[:1])), [stream(lakes(20, 600, 0.9))])
    difference, own = column(outcome, PAIR, "evidence"), column(outcome, "peter", "evidence")
    both = ~np.isnan(difference) & ~np.isnan(own)
    quiet = both & (np.maximum.accumulate(np.nan_to_num(own, nan=-9)) < 0)
    assert both.sum() > 300
    assert np.all(difference[quiet] <= own[quiet] + 1e-9)


@pytest.mark.parametrize(("apart", "counts"), [(0.4, False), (0.2, True)])
def test_spread_counts_from_the_tick_after_it_has_risen_by_what_the_rules_ask(apart: float, counts: bool) -> None:
    shape = (5, 1)
    yes, no, zeros = np.ones(shape, bool), np.zeros(shape, bool), np.zeros(shape)
    target, reference = (
        Side(zeros, zeros, zeros, yes, yes, zeros, zeros, zeros + spread, zeros, zeros, no, no, no, zeros.astype("i1"))
        for spread in (0.3, 0.0)
    )
    one = np.zeros(1, np.int64)
    ticks = np.arange(5)[:, None]
    block = ComparisonBlock(one, np.full(shape, TICK, np.int8), zeros, ticks, target, reference)
    channel = PlanChannel("spread", None, ratio=math.exp(apart))
    rule = PlanRule("spread", "", (channel,), 1e-4, "warning", 1.0, ())
    differencing = Differencing(plan_with(blind_after_missing=3, rules=(rule,)))
    _, found = differencing.advance(differencing.init(1), block)
    assert found.target is not None
    assert found.target.apart[:, 0].tolist() == [False, *[counts] * 4]


def test_a_missing_counterpart_is_said_and_the_target_is_judged_from_zero() -> None:
    found = lakes(21, 800, 0.9)
    found["paul"][400:] = np.nan
    outcome = through(
        Pipeline(against(alarms=[{"threshold": 0.5, "alpha": 0.01, "at_start": "alarm"}])), [stream(found)]
    )
    said = states_of(outcome, PAIR)
    alone = 400 + PATIENCE
    assert said[alone][0] is State.LEARNING
    assert said[-1][0] in (State.WATCHING, State.WARNING)
    assert said[-1][1] is Reason.COUNTERPART_MISSING
    assert Reason.COUNTERPART_MISSING not in {reason for _, reason in said[:alone]}
    assert np.isnan(column(outcome, PAIR, "evidence")[alone])
    view = Snapshot(
        Pipeline(against(alarms=[{"threshold": 0.5, "alpha": 0.01, "at_start": "alarm"}])), outcome.state, taken_us=0
    ).view(PAIR)
    assert view.reason is Reason.COUNTERPART_MISSING
    assert "counterpart missing: judged alone" in reason_in_words(view)
    assert raised(outcome, PAIR)


def test_the_spread_shown_is_that_of_the_target_less_that_of_the_counterpart() -> None:
    outcome = through(Pipeline(against()), [stream(lakes(22, 500))])
    expected = column(outcome, "peter", "spread") - column(outcome, "paul", "spread")
    shown = column(outcome, PAIR, "spread")
    known = ~np.isnan(shown)
    assert known.sum() > 300
    assert shown[known] == pytest.approx(expected[known], abs=1e-12)
