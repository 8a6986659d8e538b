"""Paired series: target less reference, tick by tick; how a stream is cut or interrupted changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from polars.testing import assert_frame_equal

import sentinel
from sentinel.backtest.sorting import sort
from sentinel.configuration import Settings
from sentinel.pipeline import Batch, Pipeline, PipelineState
from sentinel.published import Published
from sentinel.replan import replanned
from sentinel.rows import Rows
from sentinel.saved import from_arrays, to_arrays
from sentinel.snapshot import Reason, State
from sentinel.wording import reason_in_words
from tests.sentinel.streams import HOUR_US, Run, ar1, by_series, content, through

Arrays = NDArray[np.float64]
QUICK = {"half_life": "20 ticks", "level_half_life": "10 ticks", "warm_up_ticks": 60}
ALARMS: list[dict[str, Any]] = [{"threshold": 0.3, "alpha": 0.05}]
STATES, REASONS = tuple(State), tuple(Reason)
PATIENCE, WAIT = 4, 12
"""Of a longest gap of 40 ticks: values without the reference before a target is judged alone; ticks that one waits."""


def paired(**changes: Any) -> Settings:
    """Hourly `peter`, judged against hourly `paul`; `changes` to the entry of both."""
    top = {key: changes.pop(key) for key in ("alarms", "sites") if key in changes}
    entry = {"cadence": "1h", "max_gap": "40h"} | changes
    return Settings.model_validate(
        {
            "series": [{"match": "peter", "reference": "paul"} | entry, {"match": "paul"} | entry],
            "banks": {"default": QUICK}, "alarms": ALARMS, **top,
        }
    )  # fmt: skip


def stream(columns: dict[str, NDArray[np.float64]], offset_us: dict[str, int] | None = None) -> Batch:
    """Hourly columns as one batch in order of event time; NaN = no observation."""
    entries = [
        (t * HOUR_US + (offset_us or {}).get(name, 0), name, float(x))
        for name, column in columns.items() for t, x in enumerate(column) if not np.isnan(x)
    ]  # fmt: skip
    entries.sort(key=lambda entry: entry[0])
    names = list(dict.fromkeys(name for _, name, _ in entries))
    return Batch(
        np.array([names.index(name) for _, name, _ in entries]), np.array([t for t, _, _ in entries], np.int64),
        np.array([x for _, _, x in entries]), tuple((i, name, "source") for i, name in enumerate(names)),
        source="source",
    )  # fmt: skip


def pieces(batch: Batch, cuts: Sequence[int]) -> Iterator[Batch]:
    """The batch cut anywhere; a series is new in the piece that first holds it."""
    edges = sorted({0, *(cut % (batch.series.size + 1) for cut in cuts), batch.series.size})
    known = 0
    for first, last in pairwise(edges):
        part = slice(first, last)
        seen = max(known, int(batch.series[part].max()) + 1)
        yield Batch(
            batch.series[part], batch.time_us[part], batch.value[part], batch.new_series[known:seen], source="source"
        )
        known = seen


def holed(seed: int, ticks: int = 220) -> Batch:
    """Two lakes with holes, outages of either, ties, values at odd times, and either one first."""
    random = np.random.default_rng(seed)
    values = ar1(seed, 0.8, ticks, 3)
    peter, paul = values[:, 0] + values[:, 2], values[:, 1] + values[:, 2]
    for column in (peter, paul):
        column[random.random(ticks) < random.choice([0.0, 0.1])] = np.nan
        first = int(random.integers(80, ticks - 30))
        column[first : first + int(random.choice([1, 3, 8, 20, 45]))] = np.nan
    (peter if random.random() < 0.5 else paul)[: int(random.integers(0, 20))] = np.nan
    paul[150:155] = 7.0
    return stream({"peter": peter, "paul": paul}, {"paul": int(random.choice([0, 0, 7, 29, -31])) * 60_000_000})


def everything(outcome: Run) -> tuple[object, ...]:
    arrays, header = to_arrays(outcome.state)
    waiting = {name: array.tobytes() for name, array in arrays.items() if name.startswith("pairing")}
    return content(outcome.rows), list(map(repr, outcome.events)), by_series(outcome.state), waiting, header["sites"]


def rows_of(outcome: Run, name: str) -> NDArray[np.bool_]:
    return outcome.rows.series == outcome.state.names.index(name)


def states_of(outcome: Run, name: str) -> list[tuple[State, Reason]]:
    mine = rows_of(outcome, name)
    return [
        (STATES[s], REASONS[r])
        for s, r in zip(outcome.rows.state[mine].tolist(), outcome.rows.reason[mine].tolist(), strict=True)
    ]


PAIR = "peter - paul"
LEARNT = {"cadence": None}


@pytest.mark.parametrize("changes", [{}, {"lateness": "3h"}, LEARNT], ids=["plain", "late", "learnt"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1_000), cuts=st.lists(st.integers(0, 10_000), max_size=8))
def test_cut_anywhere_a_stream_in_order_of_time_gives_bitwise_the_same(
    changes: dict[str, Any], seed: int, cuts: list[int]
) -> None:
    batch, chosen = holed(seed), paired(**changes)
    whole = through(Pipeline(chosen), [batch])
    assert everything(through(Pipeline(chosen), pieces(batch, cuts))) == everything(whole)
    assert rows_of(whole, PAIR).sum() == rows_of(whole, "peter").sum()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("conditioning", [True, False])
def test_one_observation_at_a_time_gives_bitwise_the_same(seed: int, conditioning: bool) -> None:
    batch, chosen = holed(seed), paired(**(LEARNT if seed % 2 else {}))
    single = through(Pipeline(chosen, conditioning=conditioning), pieces(batch, range(batch.series.size)))
    whole = through(Pipeline(chosen, conditioning=conditioning), [batch])
    assert everything(single) == everything(whole)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1_000), middle=st.integers(0, 10_000))
def test_a_restart_anywhere_changes_nothing_bitwise(seed: int, middle: int) -> None:
    batch, chosen = holed(seed), paired(sites=[{"name": "lake", "k": 1}])
    parts = list(pieces(batch, [middle]))
    pipeline = Pipeline(chosen)
    state, first = pipeline.advance(pipeline.init(), parts[0], rows=True)
    again = Pipeline(chosen)
    second = through(again, parts[1:], state=restarted(again, state))
    whole = through(Pipeline(chosen), parts)
    joined = Rows.joined([part for part in (first.rows, second.rows) if part is not None])
    assert joined is not None
    assert everything(second._replace(rows=joined, events=whole.events)) == everything(whole)
    assert sorted(map(repr, [*first.events, *second.events])) == sorted(map(repr, whole.events))


def restarted(pipeline: Pipeline, state: PipelineState) -> PipelineState:
    arrays, header = to_arrays(state)
    return from_arrays(pipeline, {k: np.array(a) for k, a in arrays.items()}, json.loads(json.dumps(header)))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1_000), known=st.integers(100, 400))
def test_rows_so_far_do_not_change_when_more_data_come(seed: int, known: int) -> None:
    batch, chosen = holed(seed), paired()
    (first, *_) = pieces(batch, [known])
    some, whole = (through(Pipeline(chosen), [part]) for part in (first, batch))
    if PAIR not in some.state.names:
        return
    mine, all_of_it = rows_of(some, PAIR), rows_of(whole, PAIR)
    # The tick that the end of the input closes may be one that the longer input goes on to fill.
    count = int(mine.sum()) - 1
    for name in set(Rows.__slots__) - {"series"}:
        assert (
            getattr(whole.rows, name)[all_of_it][:count].tobytes() == getattr(some.rows, name)[mine][:count].tobytes()
        )
    so_far = {repr(e) for e in some.events if e.series == PAIR and e.time_us < some.rows.end_us[mine][-1]}
    assert so_far <= set(map(repr, whole.events))


def raised(outcome: Run, name: str) -> list[str]:
    return [event.kind for event in outcome.events if event.series == name and event.what == "raised"]


def column(outcome: Run, name: str, field: str) -> NDArray[np.float64]:
    found: NDArray[np.float64] = getattr(outcome.rows, field)[rows_of(outcome, name)]
    return found


def lakes(seed: int, ticks: int, rho: float | NDArray[np.float64] = 0.5) -> dict[str, NDArray[np.float64]]:
    """Two lakes under the same weather; `rho` is peter's."""
    weather = ar1(seed + 500, 0.7, ticks)[:, 0]
    return {"peter": ar1(seed, rho, ticks)[:, 0] + weather, "paul": ar1(seed + 1_000, 0.5, ticks)[:, 0] + weather}


def test_the_residual_is_the_difference_of_both_residuals_by_its_own_running_scale() -> None:
    outcome = through(Pipeline(paired()), [stream(lakes(1, 400))])
    d = column(outcome, "peter", "residual") - column(outcome, "paul", "residual")
    known = np.flatnonzero(~np.isnan(d))
    gain, variance, expected = 1 - 2 ** (-1 / 20), 0.0, np.full(d.size, np.nan)
    for n, t in enumerate(known):
        if n >= 20:
            expected[t] = d[t] / np.sqrt(variance)
        square = d[t] ** 2 if n < 20 else min(d[t] ** 2, 9 * variance)
        variance += max(gain, 1 / (n + 1)) * (square - variance)
    assert column(outcome, PAIR, "residual") == pytest.approx(expected, rel=1e-12, nan_ok=True)
    assert column(outcome, PAIR, "value").tobytes() == column(outcome, "peter", "value").tobytes()
    assert column(outcome, PAIR, "time_us").tobytes() == column(outcome, "peter", "time_us").tobytes()


def test_weather_that_both_lakes_share_is_not_in_the_difference() -> None:
    found = lakes(2, 3_000)
    outcome = through(Pipeline(paired()), [stream(found)])
    alone, together = (np.nanmean(column(outcome, name, "lag1")[500:]) for name in ("peter", PAIR))
    assert together == pytest.approx(0.5, abs=0.06)
    assert alone > together + 0.03


def test_a_reference_that_is_gone_for_longer_than_patience_leaves_the_target_alone_and_comes_back() -> None:
    found = lakes(3, 600)
    found["paul"][300:330] = np.nan
    outcome = through(Pipeline(paired()), [stream(found)])
    residual, own = column(outcome, PAIR, "residual"), column(outcome, "peter", "residual")
    short = slice(300, 300 + PATIENCE)
    assert np.isnan(residual[short]).all(), "no difference without the reference"
    gone = slice(300 + PATIENCE, 330)
    assert residual[gone].tobytes() == own[gone].tobytes()
    assert np.isnan(residual[330:350]).all(), "its scale is learnt anew"
    assert np.isfinite(residual[350:]).all()


def test_a_reference_that_never_comes_leaves_the_target_alone_from_the_start() -> None:
    outcome = through(Pipeline(paired()), [stream({"peter": lakes(4, 300)["peter"]})])
    residual, own = (column(outcome, name, "residual") for name in (PAIR, "peter"))
    learnt = int(np.flatnonzero(~np.isnan(own))[0])
    assert residual[learnt + PATIENCE + 1 :].tobytes() == own[learnt + PATIENCE + 1 :].tobytes()
    assert column(outcome, PAIR, "lag1")[-1] == pytest.approx(column(outcome, "peter", "lag1")[-1], abs=0.01)
    assert states_of(outcome, PAIR)[-1][0] in (State.WATCHING, State.WARNING)


def test_a_reference_on_another_cadence_is_as_good_as_missing() -> None:
    found = lakes(5, 400)
    found["paul"][1::2] = np.nan
    settings = Settings.model_validate(
        {"series": [{"match": "peter", "reference": "paul"}], "banks": {"default": QUICK}, "alarms": ALARMS}
    )
    outcome = through(Pipeline(settings), [stream(found)])
    own = column(outcome, "peter", "residual")
    assert column(outcome, PAIR, "residual")[120:].tobytes() == own[120:].tobytes()


def test_stamps_that_are_half_a_tick_apart_are_paired() -> None:
    found = lakes(6, 300)
    outcome = through(Pipeline(paired()), [stream(found, {"paul": 29 * 60_000_000})])
    exact = through(Pipeline(paired()), [stream(found)])
    assert column(outcome, PAIR, "residual").tobytes() == column(exact, PAIR, "residual").tobytes()


def test_one_reference_serves_many_and_appears_last() -> None:
    found = lakes(7, 300)
    columns = {"a": found["peter"], "b": found["peter"] * 3, "paul": found["paul"]}
    columns["paul"][:100] = np.nan
    settings = Settings.model_validate(
        {
            "series": [{"match": "[ab]", "reference": "paul", "cadence": "1h"}, {"cadence": "1h"}],
            "banks": {"default": QUICK}, "alarms": [],
        }
    )  # fmt: skip
    outcome = through(Pipeline(settings), [stream(columns)])
    assert outcome.state.names == ("a", "a - paul", "b", "b - paul", "paul")
    one, other = (column(outcome, f"{name} - paul", "residual") for name in "ab")
    assert one[-50:] == pytest.approx(other[-50:])
    assert outcome.state.pairing.reference.tolist() == [4, 4]


def test_what_waits_is_bounded_however_long_one_of_them_is_silent() -> None:
    found = lakes(8, 3_000)
    for silent in ("peter", "paul"):
        columns = {name: values.copy() for name, values in found.items()}
        columns[silent][200:] = np.nan
        pipeline = Pipeline(paired())
        state, _ = pipeline.advance(pipeline.init(), stream(columns))
        assert state.pairing.targets.tick.size <= 2 * WAIT
        assert state.pairing.references.tick.size <= 2 * WAIT


def test_ticks_of_paired_series_are_not_counted_twice() -> None:
    pipeline = Pipeline(paired())
    _, result = pipeline.advance(pipeline.init(), stream(lakes(9, 100)))
    assert result.ticks == {"source": (198, 0, 0)}


def replanned_to(state: PipelineState, chosen: Settings) -> tuple[Pipeline, PipelineState, tuple[str, ...], list[str]]:
    pipeline = Pipeline(chosen)
    state, anew, ended = replanned(pipeline, state)
    return pipeline, state, anew, [event.series for event in ended]


@pytest.mark.parametrize("middle", [4, 90, 400])
def test_a_reference_that_is_taken_away_and_given_back(middle: int) -> None:
    batch = stream(lakes(10, 400, 0.9))
    first, second = pieces(batch, [middle])
    entries = [{"match": name, "cadence": "1h", "max_gap": "40h"} for name in ("peter", "paul")]
    plain = Settings.model_validate({"series": entries, "banks": {"default": QUICK}, "alarms": ALARMS})
    whole = through(Pipeline(plain), [batch])
    state = Pipeline(paired()).advance(Pipeline(paired()).init(), first)[0]
    pipeline, state, anew, _ = replanned_to(state, plain)
    assert (state.names, anew, len(state.pairing)) == (("peter", "paul"), (), 0)
    assert by_series(through(pipeline, [second], state=state).state) == by_series(whole.state)
    pipeline, state, anew, _ = replanned_to(state, paired())
    assert (state.names, anew) == (("peter", "paul", PAIR), ())
    later = through(pipeline, [second], state=state)
    assert {name: by_series(later.state)[name] for name in ("peter", "paul")} == by_series(whole.state)
    assert rows_of(later, PAIR).sum() == rows_of(later, "peter").sum()
    again = replanned_to(state, paired())[1]
    assert again is state


def test_an_open_alarm_of_a_comparison_ends_with_it() -> None:
    pipeline = Pipeline(paired())
    state, result = pipeline.advance(pipeline.init(), stream(lakes(11, 300, 0.95)))
    still = {event.series for event in result.events if event.what == "raised"}
    assert PAIR in still
    entries = [{"match": name, "cadence": "1h", "max_gap": "40h"} for name in ("peter", "paul")]
    plain = Settings.model_validate({"series": entries, "banks": {"default": QUICK}, "alarms": ALARMS})
    assert replanned_to(state, plain)[3] == [PAIR]


def test_the_backtest_gives_what_the_daemon_would_and_sorted(tmp_path: Path) -> None:
    found = lakes(12, 500, np.where(np.arange(500) > 250, 0.95, 0.3))
    found["paul"][200:260] = np.nan
    outcome = through(Pipeline(paired()), [stream(found)])
    start = datetime(1970, 1, 1, tzinfo=UTC)
    table = pl.DataFrame({"time": [start + timedelta(hours=t) for t in range(500)], **found}).fill_nan(None)
    config = paired(sites=[{"name": "lake", "k": 1}])
    analysis = sentinel.analyse(table, config=config)
    assert analysis.readings["series"].unique(maintain_order=True).to_list() == list(outcome.state.names)
    for name in outcome.state.names:
        mine = analysis.readings.filter(series=name)
        assert mine["time"].is_sorted()
        for field in ("residual", "lag1", "evidence"):
            assert mine[field].to_numpy().tobytes() == column(outcome, name, field).tobytes(), (name, field)
    assert analysis.sites["site"].to_list()[0] == "lake"
    assert "peter" in analysis.sites["members"][0]
    numbered = sentinel.analyse(table.with_columns(time=pl.int_range(500) + 7), config=with_second_cadence(config))
    in_seconds = ["time", "period", "recovery", "recovery_low", "recovery_high"]
    assert_frame_equal(numbered.readings.drop(in_seconds), analysis.readings.drop(in_seconds))
    shuffled = sort(table.unpivot(index="time", variable_name="series").drop_nulls().lazy(), tmp_path, by_time=True,
                    run_rows=97)  # fmt: skip
    assert pl.concat(shuffled.batches(50))["time"].is_sorted()


def with_second_cadence(config: Settings) -> Settings:
    """On a numbered axis one step is a second."""
    text = config.model_dump_json().replace('"1h"', '"1s"').replace('"40h"', '"40s"')
    return Settings.model_validate_json(text)


# What evidence is made of.

RULES: list[dict[str, Any]] = [
    {"threshold": 0.6, "alpha": 1e-3}, {"kind": "spread", "ratio": 1.5, "alpha": 1e-3},
    {"kind": "modulus", "threshold": 0.7, "alpha": 1e-3},
]  # fmt: skip
CHANGED = slice(1_500, 2_500)


def many(seed: int, change: Callable[[Arrays, Arrays], None], count: int = 30, match: str = "* - *") -> list[str]:
    """What comparisons alarm on, 30 pairs of lakes, each changed halfway."""
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


@pytest.mark.parametrize(
    "change",
    [lambda _peter, paul: slower(paul), lambda _peter, paul: noisier(paul)],
    ids=["slower", "noisier"],
)
def test_a_reference_that_changes_itself_raises_nothing(change: Callable[[Arrays, Arrays], None]) -> None:
    found = many(50, change)
    print(f"{len(found)} alarms of 30 comparisons")
    assert len(found) <= 1


def test_a_target_that_slows_or_becomes_noisier_is_found_against_its_reference() -> None:
    slowed = many(51, lambda peter, _paul: slower(peter))
    spread = many(52, lambda peter, _paul: noisier(peter))
    print(f"lag1 {slowed.count('lag1')}, modulus {slowed.count('modulus')}, spread {spread.count('spread')} of 30")
    assert slowed.count("lag1") >= 28
    assert spread.count("spread") >= 28


def test_weather_that_becomes_wilder_over_both_is_far_less_evidence_than_without_a_reference() -> None:
    def wild(peter: Arrays, paul: Arrays) -> None:
        noisier(peter)
        noisier(paul)

    compared, by_itself = (many(53, wild, match=match).count("spread") for match in ("* - *", "peter/?"))
    print(f"{compared} of 30 comparisons, {by_itself} of 10 series by themselves")
    assert compared <= 8
    assert by_itself >= 10


def test_the_least_of_the_two_claims_counts() -> None:
    outcome = through(Pipeline(paired(alarms=RULES[:1])), [stream(lakes(20, 600, 0.9))])
    difference, own = column(outcome, PAIR, "evidence"), column(outcome, "peter", "evidence")
    both = ~np.isnan(difference) & ~np.isnan(own)
    quiet = both & (np.maximum.accumulate(np.nan_to_num(own, nan=-9)) < 0)
    assert both.sum() > 300
    assert np.all(difference[quiet] <= own[quiet] + 1e-9)


def test_a_missing_reference_is_said_and_the_target_is_judged_from_zero() -> None:
    found = lakes(21, 800, 0.9)
    found["paul"][400:] = np.nan
    outcome = through(Pipeline(paired(alarms=[{"threshold": 0.5, "alpha": 0.01}])), [stream(found)])
    said = states_of(outcome, PAIR)
    alone = 400 + PATIENCE
    assert said[alone][0] is State.LEARNING
    assert said[-1][0] in (State.WATCHING, State.WARNING)
    assert said[-1][1] is Reason.REFERENCE_MISSING
    assert Reason.REFERENCE_MISSING not in {reason for _, reason in said[:alone]}
    assert np.isnan(column(outcome, PAIR, "evidence")[alone])
    view = Published(Pipeline(paired(alarms=[{"threshold": 0.5, "alpha": 0.01}])), outcome.state, taken_us=0).view(PAIR)
    assert view.reason is Reason.REFERENCE_MISSING
    assert "reference missing: judged alone" in reason_in_words(view)
    assert raised(outcome, PAIR)


def test_the_spread_shown_is_that_of_the_target_less_that_of_the_reference() -> None:
    outcome = through(Pipeline(paired()), [stream(lakes(22, 500))])
    expected = column(outcome, "peter", "spread") - column(outcome, "paul", "spread")
    shown = column(outcome, PAIR, "spread")
    known = ~np.isnan(shown)
    assert known.sum() > 300
    assert shown[known] == pytest.approx(expected[known], abs=1e-12)
