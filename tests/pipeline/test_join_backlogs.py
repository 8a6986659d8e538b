"""Two backlogs, of a first start or after an outage: the comparison of both does not depend on which is read first."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.pipeline import waiting
from sentinel.pipeline.pipeline import Pipeline
from sentinel.pipeline.results import Rows
from tests.laws import examples
from tests.pipeline.comparisons import EVERY, WAIT, against, lakes, stream
from tests.pipeline.streams import HOUR_US, Run, through
from tests.pipeline.test_join_sources import TICKS, part_of, restarted, seen_of, turns, two_listened_to


@pytest.mark.parametrize("first", ["peter", "paul"])
def test_no_more_ticks_than_there_is_room_for_wait_because_they_are_of_a_backlog(
    first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = stream(lakes(9, 2_000))
    pipeline, burst = Pipeline(two_listened_to()), next(turns(batch, {"peter": [2_000], "paul": [2_000]}, [first]))
    for room, least, most in ((2_000, 1_999, 2_000), (1_998, 0, WAIT)):
        monkeypatch.setattr(waiting, "MOST_SHELTERED", room)
        for watermark_us in (None, burst.watermark_us):
            state, _ = pipeline.advance(pipeline.init(), replace(burst, watermark_us=watermark_us))
            kept = state.comparisons.early if first == "paul" else state.comparisons.targets
            assert least <= kept.tick.size <= most


@pytest.mark.slow
@settings(max_examples=examples(4, 6), deadline=None)
@given(
    seed=st.integers(0, 1_000), down=st.integers(5, 90), order=st.lists(st.sampled_from(["peter", "paul"]), max_size=8),
    cuts=st.lists(st.integers(1, 60), max_size=3), polled=st.booleans(), stop=st.integers(0, 12),
)  # fmt: skip
def test_two_backlogs_after_an_outage_read_the_same_in_whatever_order(
    seed: int, down: int, order: list[str], cuts: list[int], polled: bool, stop: int
) -> None:
    # Both sources had said that there is nothing, so whichever was read first was taken to be alone.
    found, chosen = lakes(seed, TICKS), against(alarms=EVERY)
    now = 100 + down
    before = list(
        turns(stream({n: v[:100] for n, v in found.items()}), {n: [50, 100] for n in found}, ["peter", "paul"])
    )
    before += [part_of(name, found, 0, 0, hour * HOUR_US) for hour in (101, now) for name in found]
    edges = [100, *sorted({100 + cut for cut in cuts if cut < down}), now]
    left = {name: list(pairwise(edges)) for name in found}
    parts = []
    for name in [*order, *(each for each in found for _ in edges)]:
        if left[name]:
            first, last = left[name].pop(0)
            parts.append(part_of(name, found, first, last, now * HOUR_US if not left[name] else None))
            other = next(each for each in found if each != name)
            if polled and not left[name] and left[other] and left[other][0][0] == 100:
                parts.append(part_of(other, found, 0, 0, now * HOUR_US + 1))
    live = [part_of(name, found, t, t + 20, (t + 20) * HOUR_US - 1) for t in range(now, TICKS, 20) for name in found]
    pipeline, results = Pipeline(chosen), []
    state = pipeline.init()
    for at, batch in enumerate([*before, *parts, *live]):
        if at == len(before) + stop:
            pipeline = Pipeline(chosen)
            state = restarted(pipeline, state)
        state, result = pipeline.advance(state, batch, rows=True)
        results.append(result)
    state, result = pipeline.finish(state, rows=True)
    results.append(result)
    rows = Rows.join([each.rows for each in results if each.rows is not None])
    assert rows is not None
    whole = Run(state, rows, [event for each in results for event in each.events], 0)
    assert seen_of(whole) == seen_of(through(Pipeline(chosen), [stream(found)]))


@pytest.mark.slow
@settings(max_examples=examples(4, 20), deadline=None)
@given(
    seed=st.integers(0, 1_000), known=st.sampled_from([0, 100]), cuts=st.lists(st.integers(1, 2_999), max_size=3),
    order=st.permutations(["peter", "paul"] * 4), in_turns=st.booleans(), stops=st.sets(st.integers(0, 12)),
)  # fmt: skip
def test_two_backlogs_of_any_length_read_the_same_in_whatever_order(
    seed: int, known: int, cuts: list[int], order: list[str], in_turns: bool, stops: set[int]
) -> None:
    """Bug: of two records with more than 1,000 ticks all but the last ones were judged alone, if one was read first."""
    found, chosen, now = lakes(seed, known + 3_060), two_listened_to(alarms=EVERY), known + 3_000
    before = list(turns(stream({name: x[:known] for name, x in found.items()}), {name: [known] for name in found}, []))
    before = [*before, *(part_of(name, found, 0, 0, now * HOUR_US) for name in found)] if known else []
    order = order if in_turns else sorted(order, reverse=order[0] == "peter")
    found = {name: found[name] for name in (found if known else dict.fromkeys(order))}
    edges = [known, *sorted({known + cut for cut in cuts}), now]
    left = {name: list(pairwise(edges)) for name in found}
    parts = []
    for name in order:
        if left[name]:
            begin, end = left[name].pop(0)
            part = part_of(name, found, begin, end, None if left[name] else now * HOUR_US)
            at = list(found).index(name)
            parts.append(part if begin else replace(part, new_series=((at, name, name),)))
    live = [part_of(name, found, t, t + 20, (t + 20) * HOUR_US - 1) for t in range(now, now + 60, 20) for name in found]
    pipeline, results = Pipeline(chosen), []
    state = pipeline.init()
    for at, batch in enumerate([*before, *parts, *live]):
        if at in stops:
            pipeline = Pipeline(chosen)
            state = restarted(pipeline, state)
        state, result = pipeline.advance(state, batch, rows=True)
        results.append(result)
    state, result = pipeline.finish(state, rows=True)
    rows = Rows.join([each.rows for each in [*results, result] if each.rows is not None])
    assert rows is not None
    whole = Run(state, rows, [event for each in [*results, result] for event in each.events], 0)
    assert seen_of(whole) == seen_of(through(Pipeline(chosen), [stream(found)]))
