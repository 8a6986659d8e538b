"""History for pictures: any chunking gives the same picture, in bounded memory."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.domain.channels import UNKNOWN, Estimates
from sentinel.domain.states import Spectrogram
from sentinel.pipeline.decimation import Decimation
from sentinel.pipeline.history import RECENT, WIDTHS, History
from sentinel.pipeline.pooling import MISSING, Packing, Pooling, Ticks
from tests.laws import examples

NAMES = ("time_us", "readings", "lag1", "low", "high", "evidence", "value", "state")
THRESHOLDS = np.array([-0.5, 0.0, 0.8])


def ticks(count: int, seed: int = 1) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    readings = random.normal(scale=4, size=(count, 3))
    readings[random.random((count, 3)) < 0.2] = np.nan
    lines = random.uniform(-1, 1, size=(4, count))
    lines[random.random((4, count)) < 0.2] = np.nan
    time_us = np.cumsum(random.integers(1, 10**9, size=count))
    value = np.where(random.random(count) < 0.2, np.nan, random.normal(size=count))
    state = random.integers(0, 5, size=count).astype(np.int8)
    return dict(zip(NAMES, (time_us, readings, *lines, value, state), strict=True))


def appended(history: History, name: str, thresholds: np.ndarray, stream: dict[str, np.ndarray]) -> History:
    lines = dict(zip(("lag1", "lag1_low", "lag1_high"), (stream[line] for line in NAMES[2:5]), strict=True))
    unknown = UNKNOWN.each(lambda nan: np.full(len(stream["time_us"]), nan))
    estimates = unknown._replace(**lines).each(lambda column: column[:, None])
    length = np.array([len(stream["time_us"])])
    history.append(
        [name], thresholds, length, stream["time_us"][:, None], stream["value"][:, None], stream["state"][:, None],
        stream["readings"][:, None], estimates, stream["evidence"][:, None],
    )  # fmt: skip
    return history


def parts(picture: Spectrogram) -> list[bytes]:
    columns = (getattr(picture, field.name) for field in fields(picture))
    return [column.tobytes() for column in columns]


@pytest.mark.slow
@settings(max_examples=examples(8, 60), deadline=None)
@given(
    columns=st.sampled_from([2, 4, 16]),
    count=st.integers(1, 300),
    cuts=st.lists(st.integers(0, 300), max_size=12),
    seed=st.integers(0, 9),
)
def test_any_chunking_of_the_ticks_gives_bitwise_the_same_picture(columns, count, cuts, seed) -> None:
    stream = ticks(count, seed)
    whole, chunked = History(1, columns), History(1, columns)
    appended(whole, "a", THRESHOLDS, stream)
    edges = [0, *sorted(min(cut, count) for cut in cuts), count]
    for start, end in pairwise(edges):
        appended(chunked, "a", THRESHOLDS, {name: column[start:end] for name, column in stream.items()})
    assert parts(whole.spectrogram("a")) == parts(chunked.spectrogram("a"))
    assert list(map(parts, whole.pictures("a"))) == list(map(parts, chunked.pictures("a")))


@pytest.mark.slow
@settings(max_examples=examples(10, 12), deadline=None)
@given(cuts=st.lists(st.integers(0, 30_000), max_size=6))
def test_the_last_ticks_are_kept_ever_finer_beside_the_whole_however_they_come(cuts) -> None:
    stream = ticks(30_000)
    at_once, in_parts = appended(History(1), "a", THRESHOLDS, stream), History(1)
    for start, end in pairwise([0, *sorted(cuts), 30_000]):
        appended(in_parts, "a", THRESHOLDS, {name: column[start:end] for name, column in stream.items()})
    assert list(map(parts, at_once.pictures("a"))) == list(map(parts, in_parts.pictures("a")))
    _, *recent = at_once.pictures("a")
    for picture, width in zip(recent, WIDTHS, strict=True):
        columns = len(picture.time_us)
        assert RECENT // 2 <= columns <= RECENT + 1
        assert picture.time_us[-1] == stream["time_us"][-1]
        finished = picture.time_us[:-1] if 30_000 % width else picture.time_us
        last = stream["time_us"][width - 1 :: width][-len(finished) :]
        assert finished.tolist() == last.tolist()
    assert recent[-1].value_high.tobytes() == stream["value"][-len(recent[-1].time_us) :].tobytes()


@pytest.mark.parametrize("count", [1, 100, 1000, 5000])
def test_a_sketch_has_few_points_loses_no_extreme_and_ends_with_the_newest_tick(count: int) -> None:
    stream = ticks(count)
    stream["value"][:] = 1.0
    stream["value"][[count // 3, -1]] = [99.0, -99.0]
    history = appended(History(1, columns=512), "a", THRESHOLDS, {name: column[:-1] for name, column in stream.items()})
    for _ in range(2):
        appended(history, "a", THRESHOLDS, {name: column[-1:] for name, column in stream.items()})
        sketch = history.sketches(["a", "b"], 40)["a"]
        assert min(count, 20) <= len(sketch.low) == len(sketch.high) == len(sketch.lag1) <= 40
        assert sketch.low[-1] == -99.0
        assert count == 1 or np.nanmax(sketch.high) == 99.0
    assert history.sketches(["b"], 40) == {}


@pytest.mark.parametrize("count", [1, 511, 512, 513, 1024, 5000, 100_000])
def test_there_are_never_more_than_512_columns_and_the_last_is_the_newest_tick(count: int) -> None:
    stream = ticks(count)
    history = History(1)
    appended(history, "a", THRESHOLDS, stream)
    picture = history.spectrogram("a")
    assert min(count, 256) <= len(picture.time_us) <= 512
    assert picture.time_us[-1] == stream["time_us"][-1]
    assert (np.diff(picture.time_us) > 0).all()
    assert picture.readings.shape == (len(picture.time_us), 3)


def test_a_column_is_the_mean_of_its_ticks_and_the_maximum_of_evidence() -> None:
    history = History(1, columns=4)
    one = np.array([1.0, 3.0, 5.0, np.nan])
    columns = np.arange(1, 5), np.tile(one[:, None], 3), one / 10, one / 10, one / 10, one, one, np.arange(4)
    appended(history, "a", THRESHOLDS, dict(zip(NAMES, columns, strict=True)))
    picture = history.spectrogram("a")
    assert picture.time_us.tolist() == [2, 4]
    assert picture.readings[:, 0].tolist() == [2 * 16, 5 * 16]
    np.testing.assert_allclose(picture.lag1, [0.2, 0.5], atol=1e-6)
    assert picture.evidence.tolist() == [3.0, 5.0]
    assert (picture.value_low.tolist(), picture.value_high.tolist()) == ([1.0, 5.0], [3.0, 5.0])
    assert picture.state.tolist() == [1, 3], "of the last tick"


def test_not_ready_is_its_own_value_and_large_readings_are_clipped() -> None:
    history = History(1)
    readings = np.array([[np.nan, 1e9, -1e9]])
    none = np.array([np.nan])
    columns = np.array([7]), readings, none, none, none, none, none, np.array([0])
    appended(history, "a", THRESHOLDS, dict(zip(NAMES, columns, strict=True)))
    picture = history.spectrogram("a")
    assert picture.readings.tolist() == [[MISSING, 127, -127]]
    assert np.isnan([picture.lag1, picture.low, picture.high, picture.evidence]).all()


def test_series_beyond_the_limit_have_no_picture() -> None:
    history = History(max_series=2)
    for name in "abc":
        appended(history, name, THRESHOLDS, ticks(3))
    assert [history.spectrogram(name) is None for name in "abc"] == [False, False, True]


def test_other_thresholds_begin_the_picture_anew() -> None:
    history = History(1)
    appended(history, "a", THRESHOLDS, ticks(5))
    appended(history, "a", THRESHOLDS + 0.01, ticks(3))
    assert len(history.spectrogram("a").time_us) == 3


def test_a_picture_is_a_copy() -> None:
    history = History(1)
    appended(history, "a", THRESHOLDS, ticks(5))
    history.spectrogram("a").readings[:] = 0
    assert history.spectrogram("a").readings.any()


def test_an_odd_number_of_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="columns=7; an even number"):
        History(1, columns=7)


def test_series_that_come_together_now_and_alone_then_have_the_picture_of_each_by_itself() -> None:
    streams, both, alone = {name: ticks(200, seed) for seed, name in enumerate("ab")}, History(2), History(2)
    unknown = UNKNOWN.each(lambda _: np.full((1, 2), np.nan))
    for name, stream in streams.items():
        appended(alone, name, THRESHOLDS, stream)
    for t in range(200):
        if t % 7 == 3:
            for name, stream in streams.items():
                appended(both, name, THRESHOLDS, {part: column[t : t + 1] for part, column in stream.items()})
            continue
        block = {part: np.stack([stream[part][t : t + 1] for stream in streams.values()], axis=1) for part in NAMES}
        lines = dict(zip(("lag1", "lag1_low", "lag1_high"), (block[line] for line in NAMES[2:5]), strict=True))
        both.append(
            "ab", THRESHOLDS, np.array([1, 1]), block["time_us"], block["value"], block["state"], block["readings"],
            unknown._replace(**lines), block["evidence"],
        )  # fmt: skip
    for name in "ab":
        assert parts(both.spectrogram(name)) == parts(alone.spectrogram(name))


@pytest.mark.parametrize("count", [1, 7, 12, 31])
def test_columns_joined_for_a_smaller_picture_are_those_of_a_smaller_history(count):
    ticks = {"top": np.random.default_rng(1).normal(size=count), "end": np.arange(count)}
    rules = Packing({"top": Pooling("max", np.float64), "end": Pooling("last", np.int64)})
    large, small = Decimation(rules, 64), Decimation(rules, 8)
    for kept in (large, small):
        kept.extend(np.array([0]), np.array([count]), Ticks(rules, ticks))
    joined, expected = large.columns(0, most=7), small.columns(0, most=7)
    for name in rules.rules:
        np.testing.assert_array_equal(joined[name], expected[name])


@pytest.mark.slow
@settings(max_examples=examples(10, 20), deadline=None)
@given(seed=st.integers(0, 2**32 - 1), columns=st.sampled_from([4, 16]), looks=st.integers(0, 3))
def test_series_that_come_in_any_company_and_number_have_the_picture_of_each_by_itself(seed, columns, looks) -> None:
    random, names = np.random.default_rng(seed), "abcde"
    streams = {name: ticks(700, number) for number, name in enumerate(names)}
    together, done = History(5, columns), dict.fromkeys(names, 0)
    for block in range(12):
        company = [name for name in names if random.random() < 0.6] or ["c"]
        most = int(random.choice([1, 3, 50]))
        length = random.integers(0, most + 1, size=len(company))
        at = [np.arange(done[name], done[name] + most) for name in company]
        part = {
            key: np.stack([streams[n][key][rows] for n, rows in zip(company, at, strict=True)], axis=1) for key in NAMES
        }
        lines = dict(zip(("lag1", "lag1_low", "lag1_high"), (part[line] for line in NAMES[2:5]), strict=True))
        unknown = np.full((most, len(company)), np.nan)
        estimates = Estimates._make([unknown] * len(UNKNOWN))._replace(**lines)
        together.append(
            company, THRESHOLDS, length, part["time_us"], part["value"], part["state"], part["readings"], estimates,
            part["evidence"],
        )  # fmt: skip
        done |= {name: done[name] + int(count) for name, count in zip(company, length, strict=True)}
        if block < looks:
            together.pictures("c")
    for name, stream in streams.items():
        head = {key: column[: done[name]] for key, column in stream.items()}
        alone = appended(History(1, columns), name, THRESHOLDS, head) if done[name] else History(1, columns)
        assert list(map(parts, together.pictures(name))) == list(map(parts, alone.pictures(name)))


def test_a_series_whose_thresholds_change_leaves_its_place_to_others() -> None:
    history, stream = History(2), ticks(5)
    for name in "ab":
        appended(history, name, THRESHOLDS, stream)
    appended(history, "a", THRESHOLDS + 0.01, ticks(3))
    appended(history, "a", THRESHOLDS, ticks(2, seed=4))
    assert [len(history.spectrogram(name).time_us) for name in "ab"] == [2, 5]
    assert len(history._albums) == 1, "the room of pictures of other thresholds is given back"
    assert parts(history.spectrogram("b")) == parts(appended(History(1), "b", THRESHOLDS, stream).spectrogram("b"))
