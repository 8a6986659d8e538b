"""An alarm that something else than the series ends says what did, and after how long a gap."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sentinel.config import Settings
from sentinel.domain.events import ENDED_BY, AlarmEvent
from sentinel.pipeline.migrate import migrate
from sentinel.pipeline.pipeline import Pipeline
from sentinel.pipeline.retiring import forget, retire
from sentinel.text.claims import body_of, sentence_of
from sentinel.text.receipts import Episode
from tests.pipeline.streams import ar1, batch_of, through

BANK = {"half_life": "20 ticks", "level_half_life": "10 ticks", "warm_up_ticks": 60, "baseline_ticks": 80}
RULES = [{"threshold": 0.3, "alpha": 0.01, "at_start": "alarm"}]
SLOW = ar1(3, np.full(400, 0.9), 400, 2)


def pipeline_of(**more: Any) -> Pipeline:
    chosen = {"series": [{"cadence": "1h"}], "banks": {"default": BANK}, "alarms": RULES} | more
    return Pipeline(Settings.model_validate(chosen))


def ends(events: tuple[AlarmEvent, ...], series: str = "s0") -> list[AlarmEvent]:
    return [one for one in events if one.what == "cleared" and one.series == series and np.isnan(one.evidence)]


def test_a_gap_says_that_it_was_one_and_how_long_wherever_the_stream_was_cut() -> None:
    values = SLOW.copy()
    values[150:390] = np.nan
    whole = ends(through(pipeline_of(), [batch_of(values)]).events)
    assert whole
    for one in whole:
        assert (one.ended_by, one.gap_ticks) == ("gap", 240)
        assert body_of(one)["ended_by"] == "gap"
        said = "not by itself: there were no values for 10 days; evidence is gathered anew."
        assert sentence_of(one) == f"s0: the alarm has ended after a gap, {said}"
    for at in (100, 150, 391):
        parts = [batch_of(values[:at]), replace(batch_of(values[at:], first_tick=at), new_series=())]
        assert ends(through(pipeline_of(), parts).events) == whole


def test_a_new_level_says_that_it_was_one() -> None:
    values = SLOW.copy()
    values[150:] += 1e6
    (one,) = ends(through(pipeline_of(), [batch_of(values)]).events)
    assert (one.ended_by, one.gap_ticks) == ("new_level", 0)
    assert "by a new level, not by itself" in sentence_of(one)


def test_a_counterpart_that_is_lost_and_comes_back_says_which() -> None:
    paired = [{"match": "s0", "cadence": "1h", "counterpart": "s1"}, {"cadence": "1h"}]
    values = np.column_stack([SLOW[:, 0], np.random.default_rng(1).normal(size=400)])
    values[150:300, 1] = np.nan
    events = through(pipeline_of(series=paired), [batch_of(values)]).events
    name = next(one.series for one in events if one.series not in ("s0", "s1"))
    lost, back = ends(events, name)
    assert (lost.ended_by, back.ended_by) == ("counterpart_lost", "counterpart_back")
    assert "its counterpart was lost" in sentence_of(lost)
    assert "its counterpart came back" in sentence_of(back)


@pytest.mark.parametrize("why", ["settings", "retired", "forgotten"])
def test_what_an_operator_does_says_what_it_was(why: str) -> None:
    pipeline = pipeline_of()
    state, _ = pipeline.advance(pipeline.init(), batch_of(SLOW))
    if why == "settings":
        other = pipeline_of(alarms=[{"threshold": 0.95, "alpha": 0.01}])
        _, _, ended = migrate(other, state, pipeline.settings)
    else:
        _, ended = (retire if why == "retired" else forget)(pipeline, state, "s0")
    (one,) = ends(ended)
    assert one.ended_by == why
    assert "gathered anew" not in sentence_of(one)
    assert sentence_of(one).count("not by itself") == 1


@pytest.mark.parametrize("why", [*ENDED_BY])
def test_every_cause_has_a_sentence_and_a_standing(why: str) -> None:
    pipeline = pipeline_of()
    _, result = pipeline.advance(pipeline.init(), batch_of(SLOW))
    raised = next(one for one in result.events if one.what == "raised")
    ended = raised._replace(what="cleared", ended_by=why)
    assert "{" not in sentence_of(ended)
    assert f" {ENDED_BY[why]}, not by itself" in Episode(body_of(raised), body_of(ended)).standing
