"""A target and its counterpart from two sources that give many ticks at once: in whatever turns, the same comes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.config import Settings
from sentinel.domain.states import Reason, SeriesView, State
from sentinel.pipeline.codec import from_arrays, to_arrays
from sentinel.pipeline.pipeline import Batch, Pipeline, PipelineState
from sentinel.pipeline.results import Rows
from sentinel.pipeline.retiring import rename
from sentinel.pipeline.snapshot import Snapshot
from sentinel.text.claims import reason_in_words
from tests.laws import examples
from tests.pipeline.comparisons import (
    EVERY,
    PAIR,
    PATIENCE,
    QUICK,
    WAIT,
    Arrays,
    against,
    holed,
    lakes,
    rows_of,
    stream,
)
from tests.pipeline.streams import HOUR_US, Run, by_series, cut, through

TICKS = 220
STALE = 3


def turns(batch: Batch, bursts: dict[str, Sequence[int]], order: Sequence[str], clocks: bool = True) -> Iterator[Batch]:
    """The two series of a batch as two sources of the same names, read up to these ticks at once, in that order."""
    ids = {name: i for i, name, _ in batch.new_series}
    left = {name: [-1, *sorted(bursts[name])] for name in ids}
    known: list[str] = []
    for name in [*order, *(each for each in ids for _ in left[each])]:
        if len(left[name]) < 2:
            continue
        begin, end = (left[name].pop(0) * HOUR_US, left[name][0] * HOUR_US)
        mine = (batch.series == ids[name]) & (batch.time_us >= begin) & (batch.time_us < end)
        fresh = name not in known and bool(mine.any())
        known += [name] * fresh
        at = known.index(name) if name in known else 0
        yield Batch(
            np.full(int(mine.sum()), at), batch.time_us[mine], batch.value[mine], ((at, name, name),) if fresh else (),
            end - 1 if clocks else None, name,
        )  # fmt: skip


def seen_of(run: Run) -> object:
    """All that came of each series, whatever its number."""
    fields = sorted(set(run.rows.columns()) - {"series"})
    return {
        name: [run.rows.columns()[field][rows_of(run, name)].tobytes() for field in fields] for name in run.state.names
    }, by_series(run.state), sorted((e.time_us, e.series, e.rule, e.label, e.what) for e in run.events)  # fmt: skip


def restarted(pipeline: Pipeline, state: PipelineState) -> PipelineState:
    arrays, header = to_arrays(state)
    return from_arrays(pipeline, {k: np.array(a) for k, a in arrays.items()}, json.loads(json.dumps(header)))


ends = st.lists(st.integers(25, TICKS - 1), max_size=6).map(lambda edges: [*edges, TICKS + 1])


@pytest.mark.slow
@settings(max_examples=examples(10, 25), deadline=None)
@given(
    seed=st.integers(0, 1_000), peter=ends, paul=ends, order=st.lists(st.sampled_from(["peter", "paul"]), max_size=14),
    clocks=st.booleans(), cuts=st.lists(st.integers(1, 300), max_size=3), stop=st.integers(0, 20),
)  # fmt: skip
def test_in_whatever_turns_bursts_and_pieces_two_sources_tell_it_and_with_a_restart_a_pair_is_as_from_one_source(
    seed: int, peter: list[int], paul: list[int], order: list[str], clocks: bool, cuts: list[int], stop: int
) -> None:
    batch, chosen = holed(seed, TICKS), against(alarms=EVERY)
    assert {name for _, name, _ in batch.new_series} == {"peter", "paul"}
    pieces = []
    # What a counterpart had before there was a target waits no longer than its source may be silent, by its clock.
    first = ["peter"] if clocks else []
    for burst in turns(batch, {"peter": peter, "paul": paul}, [*first, *order], clocks):
        *first, last = [burst] if not burst.series.size else cut(burst, cuts)
        pieces += [*first, replace(last, watermark_us=burst.watermark_us)]
    pipeline = Pipeline(chosen)
    state, results = pipeline.init(), []
    for at, piece in enumerate(pieces):
        if at == stop:
            pipeline = Pipeline(chosen)
            state = restarted(pipeline, state)
        state, result = pipeline.advance(state, piece, rows=True)
        results.append(result)
    state, result = pipeline.finish(state, rows=True)
    rows = Rows.join([each.rows for each in [*results, result] if each.rows is not None])
    assert rows is not None
    whole = Run(state, rows, [event for each in [*results, result] for event in each.events], 0)
    assert seen_of(whole) == seen_of(through(Pipeline(chosen), [batch]))


def two_sources(found: dict[str, Arrays], burst: int, ticks: int, pipeline: Pipeline) -> PipelineState:
    """Both give so many ticks at once, in turns."""
    edges = [*range(burst, ticks, burst), ticks]
    state = pipeline.init()
    for batch in turns(stream(found), dict.fromkeys(found, edges), ["peter", "paul"] * len(edges)):
        state, _ = pipeline.advance(state, batch)
    return state


def seen(pipeline: Pipeline, state: PipelineState, name: str = PAIR) -> SeriesView:
    return Snapshot(pipeline, state, taken_us=0).view(name)


@pytest.mark.parametrize(
    "burst", [pytest.param(10, marks=pytest.mark.slow), 100, pytest.param(500, marks=pytest.mark.slow)]
)
def test_sources_that_each_tell_hundreds_of_ticks_at_once_find_each_other(burst: int) -> None:
    # It was never ready from about twelve ticks at once on: handed on without its counterpart, and anew each time.
    found, pipeline = lakes(1, 1_000), Pipeline(against())
    state = two_sources(found, burst, 1_000, pipeline)
    whole = through(Pipeline(against()), [stream(found)], finish=False)
    mine, expected = seen(pipeline, state), seen(Pipeline(against()), whole.state)
    assert mine.state in (State.WATCHING, State.WARNING)
    assert mine.reason is Reason.NONE
    assert (mine.ticks, mine.warm_up_left) == (1_000, 0)
    assert mine.estimates.lag1 == pytest.approx(expected.estimates.lag1, abs=0.01)


def part_of(name: str, found: dict[str, Arrays], first: int, last: int, told_us: int | None) -> Batch:
    """Ticks of one of two sources, whose series are there already."""
    at = list(found).index(name)
    values = found[name][first:last]
    times = np.arange(first, first + values.size) * HOUR_US
    return Batch(np.full(values.size, at), times, values, (), told_us, name)


@pytest.mark.slow
def test_a_comparison_whose_counterpart_is_behind_says_so_and_is_judged_alone_in_the_end() -> None:
    found, pipeline = lakes(2, 3_000), Pipeline(against())
    state = two_sources({name: values[:200] for name, values in found.items()}, 100, 200, pipeline)
    ready = seen(pipeline, state)
    assert (ready.reason, ready.ticks) == (Reason.NONE, 200)
    for last in range(210, 200 + WAIT + 1, 10):
        state, _ = pipeline.advance(state, part_of("peter", found, last - 10, last, last * HOUR_US - 1))
        waits = seen(pipeline, state)
        assert (waits.state, waits.reason, waits.ticks) == (State.BLIND, Reason.COUNTERPART_BEHIND, 200)
        assert waits.estimates.lag1 == ready.estimates.lag1, "what is known of it is still shown"
        assert seen(pipeline, state, "peter").ticks == last, "its target is watched as ever"
        assert state.comparisons.targets.tick.size <= WAIT
    counts = Snapshot(pipeline, state, taken_us=0).counts()
    assert counts["peter", State.BLIND, Reason.COUNTERPART_BEHIND] == 1
    assert "waiting" in reason_in_words(waits)
    state, _ = pipeline.advance(state, part_of("peter", found, 1_200, 1_300, 1_300 * HOUR_US - 1))
    assert seen(pipeline, state).ticks == 200, "a hundred at once may be a backlog, and its counterpart have one, too"
    for last in range(1_310, 1_600, 10):
        state, _ = pipeline.advance(state, part_of("peter", found, last - 100, last, last * HOUR_US - 1))
        assert seen(pipeline, state).ticks >= last - STALE, "given up: nothing waits for it any longer"
    assert seen(pipeline, state).reason is Reason.COUNTERPART_MISSING
    assert state.comparisons.targets.tick.size <= STALE
    state, _ = pipeline.advance(state, part_of("paul", found, 200, 1_590, 1_590 * HOUR_US - 1))
    for first in range(1_590, 1_890, 100):
        for name in found:
            state, _ = pipeline.advance(state, part_of(name, found, first, first + 100, (first + 100) * HOUR_US - 1))
    back = seen(pipeline, state)
    assert (back.reason, back.ticks, back.warm_up_left) == (Reason.NONE, 1_890, 0)


def test_a_comparison_that_waits_no_longer_than_its_series_may_be_silent_says_so_and_is_not_blind() -> None:
    found, pipeline = lakes(6, 300), Pipeline(against(stale_after="60h"))
    state = two_sources({name: values[:200] for name, values in found.items()}, 100, 200, pipeline)
    verdicts = []
    for last in (200 + PATIENCE, 201 + PATIENCE, 260, 261):
        after, _ = pipeline.advance(state, part_of("peter", found, 200, last, last * HOUR_US - 1))
        verdicts.append((seen(pipeline, after).state is State.BLIND, seen(pipeline, after).reason))
    behind = Reason.COUNTERPART_BEHIND
    assert verdicts == [(False, Reason.NONE), (False, behind), (False, behind), (True, behind)]


@pytest.mark.slow
def test_a_counterpart_whose_own_source_says_that_there_is_nothing_is_missing_as_soon_as_it_is_stale() -> None:
    found, pipeline = lakes(3, 700), Pipeline(against())
    state = two_sources({name: values[:200] for name, values in found.items()}, 100, 200, pipeline)
    for now in range(201, 700):  # beyond the longest gap as well
        state, _ = pipeline.advance(state, part_of("peter", found, now - 1, now, now * HOUR_US - 1))
        state, _ = pipeline.advance(state, part_of("paul", found, 0, 0, now * HOUR_US - 1))
        view = seen(pipeline, state)
        assert view.ticks >= now - STALE - 1
        assert (view.reason is Reason.NONE) == (now <= 200 + PATIENCE + STALE), "from zero, and alone"
    assert view.reason is Reason.COUNTERPART_MISSING


def test_a_clock_far_ahead_of_both_does_not_make_the_counterpart_of_an_old_record_missing() -> None:
    # A file of last year, read now: its source has told everything up to now, and appends to it all the same.
    found, pipeline = lakes(4, 600), Pipeline(against())
    state = two_sources({name: values[:100] for name, values in found.items()}, 100, 100, pipeline)
    for first in range(100, 600, 100):
        for name in ("peter", "paul"):
            state, _ = pipeline.advance(state, part_of(name, found, first, first + 100, 10_000 * HOUR_US))
    view = seen(pipeline, state)
    assert (view.reason, view.warm_up_left) == (Reason.NONE, 0)
    whole = through(Pipeline(against()), [stream(found)], finish=False)
    assert view.estimates.lag1 == pytest.approx(seen(Pipeline(against()), whole.state).estimates.lag1, abs=0.01)


def test_a_source_that_has_more_to_come_is_not_taken_by_its_clock_from_before() -> None:
    found, pipeline = lakes(5, 300), Pipeline(against())
    state = two_sources({name: values[:100] for name, values in found.items()}, 100, 100, pipeline)
    state, _ = pipeline.advance(state, part_of("paul", found, 0, 0, 150 * HOUR_US))
    state, _ = pipeline.advance(state, part_of("paul", found, 100, 101, None))
    state, _ = pipeline.advance(state, part_of("peter", found, 100, 150, 150 * HOUR_US - 1))
    assert seen(pipeline, state).ticks == 100, "its next part may hold all of them"
    state, _ = pipeline.advance(state, part_of("paul", found, 101, 150, 150 * HOUR_US - 1))
    assert seen(pipeline, state).reason is Reason.NONE
    assert seen(pipeline, state).ticks == 150


def test_a_counterpart_that_no_source_has_is_missing_once_all_sources_have_told_what_they_have() -> None:
    # A mistyped name held its pair for a thousand ticks: three years of days.
    found, chosen = lakes(7, 300), against()
    sources = [{"kind": "simulate", "name": name, "system": "ar1"} for name in ("peter", "other")]
    chosen = Settings.model_validate(chosen.model_dump(exclude_unset=True) | {"sources": sources})
    pipeline, fields = Pipeline(chosen), {"peter": found["peter"], "other": found["paul"]}
    state = pipeline.init()
    first, second = turns(stream(fields), {"peter": [200], "other": [200]}, ["peter", "other"])
    state, _ = pipeline.advance(state, first)
    assert seen(pipeline, state).ticks == 0, "the other source may have it"
    state, _ = pipeline.advance(state, second)
    state, _ = pipeline.advance(state, part_of("peter", fields, 200, 201, 201 * HOUR_US - 1))
    alone = seen(pipeline, state)
    assert (alone.reason, alone.ticks) == (Reason.COUNTERPART_MISSING, 200 - STALE)


def test_a_source_that_was_taken_out_of_the_settings_is_not_waited_for() -> None:
    # Its clock stood still in the state: a pair that had been judged alone was blind, waiting for a thousand ticks.
    found, chosen = lakes(7, 300), against()

    def listening(*names: str) -> Pipeline:
        sources = [{"kind": "simulate", "name": name, "system": "ar1"} for name in names]
        return Pipeline(Settings.model_validate(chosen.model_dump(exclude_unset=True) | {"sources": sources}))

    pipeline, fields = listening("peter", "other"), {"peter": found["peter"], "other": found["paul"]}
    state = pipeline.init()
    for batch in turns(stream(fields), {"peter": [100], "other": [100]}, ["peter", "other"]):
        state, _ = pipeline.advance(state, batch)
    pipeline = listening("peter")
    state = restarted(pipeline, state)
    state, _ = pipeline.advance(state, part_of("peter", fields, 100, 200, 200 * HOUR_US - 1))
    alone = seen(pipeline, state)
    assert (alone.reason, alone.ticks) == (Reason.COUNTERPART_MISSING, 200 - STALE)


def two_listened_to(**changes: Any) -> Settings:
    sources = [{"kind": "simulate", "name": name, "system": "ar1"} for name in ("peter", "paul")]
    return Settings.model_validate(against(**changes).model_dump(exclude_unset=True) | {"sources": sources})


def test_what_a_counterpart_had_before_its_target_came_waits_until_each_source_has_told_all() -> None:
    # Two records that were there at the first start: whichever source is read first, they were one pair.
    found, pipeline = lakes(9, 2_000), Pipeline(two_listened_to())
    first = stream({name: values[:150] for name, values in found.items()})
    paul, peter = turns(first, {"peter": [150], "paul": [150]}, ["paul", "peter"])
    state, _ = pipeline.advance(pipeline.init(), paul)
    assert state.comparisons.early.tick.size == 150
    state, _ = pipeline.advance(restarted(pipeline, state), peter)
    assert seen(pipeline, state).reason is Reason.NONE
    assert seen(pipeline, state).ticks == 150
    assert not state.comparisons.early.tick.size


def test_a_source_that_never_comes_keeps_no_more_than_the_ticks_in_which_another_may_be_silent() -> None:
    """Bug: while one source had never brought a series, 1,000 ticks of each counterpart stayed for ever."""
    found, pipeline = lakes(9, 300), Pipeline(two_listened_to())
    state = pipeline.init()
    for batch in turns(stream({"paul": found["paul"]}), {"paul": range(20, 301, 20)}, ["paul"] * 15):
        state, _ = pipeline.advance(state, batch)
    assert state.comparisons.early.tick.size <= 20 + STALE


def test_a_target_whose_cadence_is_learnt_from_several_batches_is_compared_from_its_beginning() -> None:
    """Bug: what its counterpart had waited in vain, since a target without a cadence has no patience."""
    found = lakes(9, 900)
    chosen = Settings.model_validate(
        {"series": [{"match": "peter", "counterpart": "paul"}, {"match": "paul"}], "banks": {"default": QUICK}}
    )
    outcomes = []
    for order in (["paul", "peter", "peter"], ["peter", "paul", "peter"], ["peter", "peter", "paul"]):
        pipeline = Pipeline(chosen)
        state = pipeline.init()
        for batch in turns(stream(found), {"peter": [30, 901], "paul": [901]}, order, clocks=False):
            state, _ = pipeline.advance(state, batch)
        state, _ = pipeline.finish(state)
        outcomes.append(by_series(state)[PAIR])
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_a_counterpart_that_is_renamed_before_its_target_comes_is_still_its_counterpart() -> None:
    found, pipeline = lakes(9, 300), Pipeline(against())
    bursts = {"peter": [301], "paul": [150, 301]}
    first, more, peter = turns(stream(found), bursts, ["paul", "paul", "peter"], clocks=False)
    state, _ = pipeline.advance(pipeline.init(), first)
    for batch in (more, peter):
        state, _ = pipeline.advance(rename(state, "paul", "paula"), batch)
    assert seen(pipeline, state, "peter - paula").reason is Reason.NONE


def test_a_backlog_waits_for_its_counterpart_no_longer_than_the_counterpart_may_be_silent() -> None:
    found, pipeline = lakes(8, 300), Pipeline(against())
    state = two_sources({name: values[:100] for name, values in found.items()}, 100, 100, pipeline)
    state, _ = pipeline.advance(state, part_of("paul", found, 0, 0, 120 * HOUR_US))
    state, _ = pipeline.advance(state, part_of("peter", found, 100, 120, 120 * HOUR_US))
    for told, ticks in ((121, 100), (122, 100), (123, 120)):
        state, _ = pipeline.advance(state, part_of("paul", found, 0, 0, told * HOUR_US))
        assert seen(pipeline, state).ticks == ticks


def test_ticks_that_wait_in_a_state_of_a_version_that_did_not_know_when_they_came_are_read() -> None:
    found, pipeline = lakes(8, 300), Pipeline(against())
    state = two_sources({name: values[:100] for name, values in found.items()}, 100, 100, pipeline)
    state, _ = pipeline.advance(state, part_of("peter", found, 100, 120, 120 * HOUR_US))
    arrays, header = to_arrays(state)
    arrays = {name: array for name, array in arrays.items() if "/early/" not in name}
    older = {name: array for name, array in arrays.items() if not name.endswith("/due_us")}
    assert len(older) == len(arrays) - 2
    after, _ = pipeline.advance(from_arrays(pipeline, older, header), part_of("paul", found, 100, 120, 120 * HOUR_US))
    assert seen(pipeline, after).ticks == 120
