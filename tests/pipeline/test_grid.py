"""The cadence grid: every observation goes one way, and how the stream is cut changes nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.pipeline.grid import ABSENT, GAP, NEVER, TICK, Block, Grid, GridState, concat_series, take_series
from tests.laws import examples

Observation = tuple[int, int, float]
Entry = tuple[int, int, int, float]

SERIES = 3
TIMES = st.integers(0, 60) | st.integers(0, 400) | st.integers(-300, 3_000)
STREAM = st.lists(st.tuples(st.integers(0, SERIES - 1), TIMES), max_size=40, unique=True).map(
    lambda keys: [(row, time, float(n + 1)) for n, (row, time) in enumerate(keys)]
)
CUTS = st.lists(st.integers(0, 40), max_size=5)
GRIDS = st.builds(
    Grid,
    cadence_us=st.sampled_from([1, 7, 10]),
    lateness_us=st.sampled_from([0, 3, 25]),
    mean=st.booleans(),
    max_gap=st.sampled_from([1, 4, 30]),
)


def take(grid: Grid, state: GridState, part: Sequence[Observation]) -> tuple[GridState, list[int]]:
    row, time, value = (np.array(column) for column in zip(*part, strict=True)) if part else np.empty((3, 0))
    state, late = grid.take(state, row.astype(np.int64), time.astype(np.int64), value.astype(np.float64))
    return state, late.tolist()


def entries(blocks: Iterable[Block]) -> list[Entry]:
    """(series, tick, kind, value) of everything in the blocks, by series; what came before stays before."""
    found: list[Entry] = []
    for block in blocks:
        for s, row in enumerate(block.rows.tolist()):
            column = zip(block.tick[:, s].tolist(), block.kind[:, s].tolist(), block.value[:, s].tolist(), strict=True)
            found += [(row, tick, kind, value) for tick, kind, value in column if kind != ABSENT]
    return sorted(found, key=lambda entry: entry[0])


def pieces(stream: Sequence[Observation], cuts: Iterable[int]) -> list[Sequence[Observation]]:
    ends = sorted({min(c, len(stream)) for c in cuts} | {0, len(stream)})
    return [stream[a:b] for a, b in pairwise(ends)] or [stream]


def same(first: Sequence[Entry], second: Sequence[Entry]) -> bool:
    """Equal, bitwise, with NaN for missing."""
    return repr(first) == repr(second)


def bitwise(state: GridState) -> list[bytes]:
    return [array.tobytes() for array in state]


class Oracle:
    """The grid again, one observation after the other, from its description."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.origin: dict[int, int] = {}
        self.next: dict[int, int] = {}
        self.newest: dict[int, int] = {}
        self.open: dict[int, list[tuple[int, float]]] = defaultdict(list)
        self.late: Counter[int] = Counter()
        self.superseded = 0
        self.used = 0

    def take(self, part: Sequence[Observation]) -> None:
        for row in {row for row, _, _ in part} - self.origin.keys():
            self.origin[row] = min(time for r, time, _ in part if r == row) - self.grid.cadence_us // 2
            self.next[row] = 0
        for row, time, value in part:
            self.newest[row] = max(time, self.newest.get(row, time))
            if (time - self.origin[row]) // self.grid.cadence_us < self.next[row]:
                self.late[row] += 1
            else:
                self.open[row].append((time, value))

    def close(self, *, everything: bool = False) -> list[Entry]:
        closed: list[Entry] = []
        for row in sorted(self.open):
            due = (self.newest[row] - self.grid.lateness_us - self.origin[row]) // self.grid.cadence_us
            ticks: dict[int, list[float]] = defaultdict(list)
            stays = []
            for time, value in sorted(self.open[row]):
                tick = (time - self.origin[row]) // self.grid.cadence_us
                if everything or tick < due:
                    ticks[tick].append(value)
                else:
                    stays.append((time, value))
            self.open[row] = stays
            for tick in sorted(ticks):
                missing = range(self.next[row], tick)
                if len(missing) > self.grid.max_gap:
                    closed.append((row, tick - 1, GAP, np.nan))
                else:
                    closed += [(row, k, TICK, np.nan) for k in missing]
                values = ticks[tick]
                mean = np.add.reduceat(np.array(values), [0])[0] / len(values)
                closed.append((row, tick, TICK, float(mean) if self.grid.mean else values[-1]))
                self.used += 1
                self.superseded += len(values) - 1
                self.next[row] = tick + 1
        return closed


@pytest.mark.slow
@settings(max_examples=examples(60, 150), deadline=None)
@given(GRIDS, STREAM, CUTS)
def test_every_observation_is_used_superseded_late_or_open_in_any_order_of_arrival(
    grid: Grid, stream: list[Observation], cuts: list[int]
) -> None:
    state, oracle, late = grid.init(SERIES), Oracle(grid), Counter[int]()
    for part in pieces(stream, cuts):
        state, rows = take(grid, state, part)
        late.update(rows)
        state, blocks = grid.close(state)
        oracle.take(part)
        assert same(entries(blocks), oracle.close())
    assert late == oracle.late
    assert state.pending_row.size == sum(map(len, oracle.open.values()))
    state, blocks = grid.close(state, everything=True)
    assert same(entries(blocks), oracle.close(everything=True))
    assert oracle.used + oracle.superseded + late.total() == len(stream)
    assert state.pending_row.size == 0


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(GRIDS, STREAM, CUTS, CUTS, st.sampled_from([1, 40, 1 << 15]), st.sampled_from([0, 1, 3]))
def test_in_order_of_time_neither_the_cutting_nor_the_size_of_blocks_changes_anything(
    grid: Grid, stream: list[Observation], cuts: list[int], others: list[int], area: int, cut_every: int
) -> None:
    stream.sort(key=lambda observation: observation[1])
    outcomes = []
    for chosen, options in ((cuts, {}), (others, {"area": area, "cut_every": cut_every})):
        state, found = grid.init(SERIES), []
        for part in pieces(stream, chosen):
            state, late = take(grid, state, part)
            assert late == []
            state, blocks = grid.close(state, **options)  # type: ignore[arg-type]
            found += entries(blocks)
        found.sort(key=lambda entry: entry[0])
        outcomes.append((repr(found), bitwise(state)))
    assert outcomes[0] == outcomes[1]


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(GRIDS.filter(lambda grid: grid.lateness_us > 0), STREAM, CUTS, st.data())
def test_disorder_within_the_lateness_changes_nothing(
    grid: Grid, stream: list[Observation], cuts: list[int], data: st.DataObject
) -> None:
    stream.sort(key=lambda observation: observation[1])
    delay = {key: data.draw(st.integers(0, grid.lateness_us)) for _, _, key in stream}
    arriving = sorted(stream, key=lambda observation: observation[1] + delay[observation[2]])
    # The origin is where the first observation lies, so that one must come first.
    firsts = {row: min(o for o in stream if o[0] == row) for row in {o[0] for o in stream}}
    arriving = [*firsts.values(), *(o for o in arriving if o not in firsts.values())]
    outcomes = []
    for order, chosen in ((stream, []), (arriving, cuts)):
        state, found = grid.init(SERIES), []
        for part in pieces(order, chosen):
            state, late = take(grid, state, part)
            assert late == []
            state, blocks = grid.close(state)
            found += entries(blocks)
        state, blocks = grid.close(state, everything=True)
        found += entries(blocks)
        outcomes.append(repr(sorted(found, key=lambda entry: entry[0])))
    assert outcomes[0] == outcomes[1]


@settings(max_examples=50, deadline=None)
@given(GRIDS, STREAM, st.integers(1, 7))
def test_blocks_end_after_every_tick_whose_number_is_a_multiple(
    grid: Grid, stream: list[Observation], every: int
) -> None:
    state, _ = take(grid, grid.init(SERIES), stream)
    _, blocks = grid.close(state, everything=True, cut_every=every)
    for block in blocks:
        length = (block.kind != ABSENT).sum(axis=0)
        for s, n in enumerate(length):
            assert not np.any(block.tick[: n - 1, s] % every == 0)
            assert np.all(block.kind[:n, s] != ABSENT)
    assert len({id(block) for block in blocks}) == len(blocks)


@pytest.mark.parametrize(("missing", "expected"), [(0, []), (4, [TICK] * 4), (5, [GAP]), (1_000_000_000, [GAP])])
def test_a_gap_longer_than_max_gap_is_one_row_and_a_shorter_one_its_ticks(missing: int, expected: list[int]) -> None:
    grid = Grid(10, max_gap=4)
    state, _ = take(grid, grid.init(1), [(0, 0, 1.0), (0, 10 * (missing + 1), 2.0)])
    _, blocks = grid.close(state, everything=True)
    found = entries(blocks)
    assert [kind for _, _, kind, _ in found] == [TICK, *expected, TICK]
    assert [value for _, _, _, value in found if not np.isnan(value)] == [1.0, 2.0]
    assert found[-1][1] == missing + 1


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(-25_000 * 86_400, 84_000 * 86_400).map(lambda seconds: EPOCH + timedelta(seconds=seconds))


def microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(st.sampled_from([1, 3, 12]), MOMENTS, MOMENTS)
def test_a_calendar_tick_begins_with_its_month(months: int, first: datetime, later: datetime) -> None:
    first, later = sorted((first, later))
    grid = Grid(30 * 86_400_000_000 * months, months, max_gap=10_000)
    state, _ = take(grid, grid.init(1), [(0, microseconds(first), 1.0), (0, microseconds(later), 2.0)])
    (tick,) = grid.tick_of(state.origin_us, np.array([microseconds(later)]))
    apart = (later.year - first.year) * 12 + later.month - first.month
    assert tick == apart // months
    (start,) = grid.start_us(state.origin_us, np.array([tick]))
    month = first.year * 12 + first.month - 1 + tick * months
    assert start == microseconds(datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC))
    (end,) = grid.start_us(state.origin_us, np.array([tick + 1]))
    assert start <= microseconds(later) < end


def test_february_of_a_leap_year_is_one_tick_of_29_days() -> None:
    grid = Grid(30 * 86_400_000_000, 1)
    days = [datetime(2024, 2, day, 12, tzinfo=UTC) for day in (1, 28, 29)] + [datetime(2024, 3, 1, tzinfo=UTC)]
    state, _ = take(grid, grid.init(1), [(0, microseconds(day), float(n)) for n, day in enumerate(days)])
    state, blocks = grid.close(state)
    assert entries(blocks) == [(0, 0, TICK, 2.0)]
    assert np.diff(grid.start_us(state.origin_us, np.arange(2))) == [29 * 86_400_000_000]
    assert state.pending_value.tolist() == [3.0]


def test_a_regular_stamp_lies_in_the_middle_of_its_tick_and_jitter_does_not_move_it() -> None:
    grid = Grid(10)
    stamps = np.arange(50) * 10 + np.random.default_rng(0).integers(-4, 5, 50)
    stamps[0] = 0
    state, _ = take(grid, grid.init(1), [(0, int(time), float(n)) for n, time in enumerate(stamps)])
    state, blocks = grid.close(state, everything=True)
    assert [tick for _, tick, _, _ in entries(blocks)] == list(range(50))
    assert grid.middle_us(state.origin_us, np.array([7])).tolist() == [70]


def test_several_observations_of_a_tick_become_the_last_by_time_or_their_mean() -> None:
    stream = [(0, 3, 1.0), (0, 1, 5.0), (0, 2, 9.0), (0, 30, 0.0)]
    for mean, value in ((False, 1.0), (True, 5.0)):
        grid = Grid(10, mean=mean)
        state, _ = take(grid, grid.init(1), stream)
        assert entries(grid.close(state)[1])[0][3] == value


def test_a_tick_waits_for_its_lateness_and_what_comes_after_that_is_late() -> None:
    grid = Grid(10, lateness_us=20)
    state, _ = take(grid, grid.init(1), [(0, 0, 1.0), (0, 24, 2.0)])  # tick 0 ends at 5
    assert grid.close(state)[1] == []
    state, late = take(grid, state, [(0, 4, 7.0)])
    assert late == []
    state, _ = take(grid, state, [(0, 25, 3.0)])
    state, blocks = grid.close(state)
    assert entries(blocks) == [(0, 0, TICK, 7.0)]
    _, late = take(grid, state, [(0, 4, 8.0), (0, -100, 9.0)])
    assert late == [0, 0]


def until(*moments: int) -> np.ndarray:
    return np.array(moments, np.int64)


def test_the_clock_of_a_source_closes_what_it_has_told_in_full_and_nothing_else() -> None:
    grid = Grid(10, lateness_us=3, max_gap=4)
    state, _ = take(grid, grid.init(3), [(0, 100, 1.0), (1, 100, 2.0)])  # tick 0 covers [95, 105)
    assert grid.close(state, until(107, 107, 107))[1] == [], "lateness counts for the clock, too"
    closed, blocks = grid.close(state, until(108, NEVER, 108))
    assert entries(blocks) == [(0, 0, TICK, 1.0)]
    assert closed.pending_row.tolist() == [1]
    assert closed.next_tick.tolist() == [1, 0, -1]
    again, blocks = grid.close(closed, until(100_000, NEVER, NEVER))
    assert blocks == [], "silence alone makes no ticks"
    assert bitwise(again) == bitwise(closed)


def test_the_clock_does_not_close_a_record_from_the_past() -> None:
    grid = Grid(10, max_gap=4)
    state, _ = take(grid, grid.init(1), [(0, 100, 1.0)])
    assert entries(grid.close(state, until(140))[1]) == [(0, 0, TICK, 1.0)]
    assert grid.close(state, until(141))[1] == []


def test_a_grid_grows_by_series_that_have_seen_nothing() -> None:
    grid = Grid(10)
    small, _ = take(grid, grid.init(1), [(0, 100, 1.0)])
    direct, _ = take(grid, grid.init(3), [(0, 100, 1.0)])
    assert bitwise(concat_series([small, grid.init(2)])) == bitwise(direct)


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(GRIDS, STREAM, st.permutations(range(SERIES)), st.integers(0, SERIES))
def test_series_taken_from_a_grid_and_put_together_again_are_the_same(
    grid: Grid, stream: list[Observation], order: list[int], at: int
) -> None:
    state, _ = take(grid, grid.init(SERIES), stream)
    rows = np.array(order)
    again = concat_series([take_series(state, rows[:at]), take_series(state, rows[at:])])
    assert bitwise(take_series(again, np.argsort(rows))) == bitwise(state)


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(GRIDS, STREAM, STREAM)
def test_the_state_that_goes_in_is_not_touched(grid: Grid, first: list[Observation], then: list[Observation]) -> None:
    state, _ = take(grid, grid.init(SERIES), first)
    before = bitwise(state)
    taken, _ = take(grid, state, then)
    between = bitwise(taken)
    grid.close(taken, everything=True)
    assert bitwise(state) == before
    assert bitwise(taken) == between
