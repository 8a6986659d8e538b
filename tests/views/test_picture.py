"""The stability spectrogram: what is kept for it, where it is drawn, and that it can be drawn of anything."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.image import imread

from sentinel.domain.observation import Axis, CalendarAxis, NumberAxis
from sentinel.pipeline.history import Columns, Portrait
from sentinel.pipeline.plan import PlanRule
from sentinel.views.picture import Alarm
from sentinel.views.picture.figure import Figure, draw, write
from sentinel.views.picture.timeline import ALL_GAPS, WIDEST_GAP, TimeLine, trace
from tests.views.drawing import BLIND, DAY, GAP, RULES, START, THRESHOLDS, alarm_of, columns_of, portrait_of, rows_of

DATA, RESIDUAL, SPECTRUM, CYCLE, SPREAD, EVIDENCE, STRIP = range(7)
"""Panels, from the top."""


def drawn(
    columns: Columns, axis: Axis | None = None, rules: list[PlanRule] = RULES, alarms: Sequence[Alarm] = ()
) -> Figure:
    words = {"title": "peter/ph", "subtitle": "1 tick = 1 day"}
    return draw(columns, axis or CalendarAxis(), THRESHOLDS, DAY, rules, alarms, **words)


def texts(panel: Axes) -> list[str]:
    return [text.get_text() for text in panel.texts]


def as_png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    write(figure, buffer, "png", 40)
    return buffer.getvalue()


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_blocks_in_which_rows_arrive_change_nothing(data):
    ticks = data.draw(st.integers(1, 500))
    cuts = data.draw(st.lists(st.integers(0, ticks), max_size=8))
    rows = rows_of(ticks, {ticks // 2: 90} if ticks > 4 else None)
    once, cut = portrait_of(rows, columns=32).columns(), portrait_of(rows, cuts, columns=32).columns()
    for field in fields(Columns):
        np.testing.assert_array_equal(getattr(once, field.name), getattr(cut, field.name))


@pytest.mark.slow
@given(ticks=st.integers(1, 700), seed=st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_few_columns_are_kept_and_every_extreme_stays_visible(ticks, seed):
    rows = rows_of(ticks, seed=seed)
    portrait = portrait_of(rows, columns=32)
    columns = portrait.columns()
    assert len(columns) <= 33
    assert columns.value_low.min() == rows.value.min()
    assert columns.value_high.max() == rows.value.max()
    assert columns.start_us[0] == START
    assert columns.end_us[-1] == rows.end_us[-1]
    np.testing.assert_array_equal(columns.start_us[1:], columns.end_us[:-1])
    if ticks > 20:
        assert np.nanmax(columns.evidence) == -3.0


def test_a_joined_column_has_the_state_that_lasted_longest():
    rows = rows_of(512, {300: 1000})
    columns = portrait_of(rows, columns=64).columns()
    at = np.searchsorted(columns.end_us, rows.end_us[300])
    assert columns.state[at] == BLIND
    assert columns.reason[at] == GAP
    assert (columns.state == BLIND).sum() == 1


def test_a_portrait_of_nothing_has_no_columns():
    portrait = Portrait()
    assert portrait.columns() is None
    portrait.extend(rows_of(3), slice(1, 1))
    assert portrait.columns() is None


@pytest.mark.slow
@given(gaps=st.dictionaries(st.integers(1, 98), st.integers(2, 100_000), max_size=30))
@settings(max_examples=60, deadline=None)
def test_long_gaps_are_narrow_short_ones_and_all_ticks_are_true_to_scale(gaps):
    columns = columns_of(rows_of(100, gaps))
    line = TimeLine(columns, CalendarAxis())
    widths = np.diff(line.edges)
    gap = columns.state == BLIND
    assert (widths > 0).all()
    np.testing.assert_allclose(widths[~gap], widths[~gap][0], rtol=1e-6)
    assert widths[gap].sum() <= (ALL_GAPS + 1e-6) * widths[~gap].sum()
    assert widths[gap].max(initial=0) <= (WIDEST_GAP + 1e-6) * widths[~gap].sum()
    ticks, labels = line.ticks()
    assert len(ticks) == len(labels) <= 16
    for place, _ in line.breaks():
        inside = np.searchsorted(line.edges, place) - 1
        assert not any(line.edges[inside] < tick < line.edges[inside + 1] for tick in ticks)
    borders = [line.place(int(us)) for us in columns.end_us]
    np.testing.assert_allclose(borders, line.edges[1:], atol=1e-6)


def test_years_beyond_the_calendar_are_days():
    line = TimeLine(columns_of(rows_of(60, {5: 4_000_000})), CalendarAxis())
    ticks, labels = line.ticks()
    assert len(ticks) > 3
    assert all(label.isdigit() for label in labels)


def test_the_year_is_named_again_after_a_break():
    line = TimeLine(columns_of(rows_of(300, {150: 400})), CalendarAxis())
    _, labels = line.ticks()
    assert [label.split("\n")[1] for label in labels if "\n" in label] == ["2017", "2019"]
    assert line.breaks()[0][1] == "1.1 years"


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(rows_of(1), marks=pytest.mark.slow), pytest.param(rows_of(2), marks=pytest.mark.slow), rows_of(19),
        pytest.param(rows_of(400), marks=pytest.mark.slow), rows_of(400, {100: 50, 101: 60}),
        pytest.param(rows_of(5, {2: 900}), marks=pytest.mark.slow), rows_of(3, {0: 5, 1: 5, 2: 5}),
    ],
    ids=["one tick", "two ticks", "never ready", "usual", "gaps", "mostly a gap", "gaps only"],
)  # fmt: skip
@pytest.mark.parametrize(
    "axis", [CalendarAxis(), pytest.param(NumberAxis(-40.0, 0.25), marks=pytest.mark.slow)], ids=["calendar", "numbers"]
)
def test_anything_that_has_a_row_can_be_drawn(rows, axis):
    figure = drawn(columns_of(rows), axis, alarms=[alarm_of(int(rows.end_us[0]))])
    assert as_png(figure).startswith(b"\x89PNG")


@pytest.mark.slow
def test_extreme_values_and_infinite_evidence_are_drawn_without_complaint():
    rows = rows_of(60)
    rows.value[30:] = 1e300
    rows.residual[30:] = -1e300
    rows.evidence[40:] = 250.0
    rows.estimates.spread[40:], rows.estimates.modulus[40:], rows.estimates.period[45:] = 900.0, 3.0, 1e6
    rows.readings[40:] = 1e30
    assert as_png(drawn(columns_of(rows))).startswith(b"\x89PNG")


def test_the_zero_line_lies_at_the_lag1_autocorrelation_and_alarms_are_marked():
    rows = rows_of(400)
    alarm = alarm_of(int(rows.end_us[200]), int(rows.end_us[250]))
    figure = drawn(columns_of(rows), alarms=[alarm])
    spectrogram = figure.axes[SPECTRUM]
    heights = [patch.get_data().values for patch in spectrogram.patches if hasattr(patch, "get_data")]
    assert any(np.allclose(np.tanh(values[20:]), rows.estimates.lag1[20:]) for values in heights)
    crossing = spectrogram.collections[0].get_array()[:, 300]
    fine = np.linspace(np.arctanh(THRESHOLDS[0]), np.arctanh(THRESHOLDS[-1]), crossing.size)
    assert np.tanh(np.interp(0, -crossing, fine)) == pytest.approx(rows.estimates.lag1[300], abs=0.01)
    days = rows.end_us[200] / DAY
    for panel in figure.axes[: STRIP + 1]:
        upright = [set(line.get_xdata()) for line in panel.lines if len(line.get_xdata()) == 2]
        assert any(len(places) == 1 and places.pop() == pytest.approx(days) for places in upright)


def test_modulus_period_spread_and_criticality_are_drawn_as_they_are():
    rows = rows_of(400)
    figure = drawn(columns_of(rows))
    cycle, spread = figure.axes[CYCLE], figure.axes[SPREAD]
    period, criticality = (next(a for a in figure.axes if a.get_ylabel() == name) for name in ("period", "criticality"))

    def steps(panel: Axes) -> list[np.ndarray]:
        return [patch.get_data().values for patch in panel.patches if hasattr(patch, "get_data")]

    assert any(np.allclose(np.tanh(line), rows.estimates.modulus, equal_nan=True) for line in steps(cycle))
    assert any(np.allclose(line, rows.estimates.spread, equal_nan=True) for line in steps(spread))
    assert any(np.allclose(line, rows.estimates.criticality, equal_nan=True) for line in steps(criticality))
    np.testing.assert_allclose(np.exp(period.lines[0].get_ydata()), rows.estimates.period)
    assert [label.get_text() for label in period.get_yticklabels()] == ["10 days", "12 days"]
    below = cycle.transData.transform((0, np.arctanh(0.995)))[1]
    assert period.transData.transform((0, np.log(12 / 1.2)))[1] >= below - 1e-6, "the period never crosses the modulus"


def test_without_an_oscillation_the_panel_says_so():
    rows = rows_of(100)
    rows.estimates.period[:] = np.nan
    figure = drawn(columns_of(rows))
    assert "no oscillation" in texts(figure.axes[CYCLE])
    assert "period" not in [panel.get_ylabel() for panel in figure.axes]


def test_where_nothing_was_ready_nothing_is_said_of_oscillations_and_criticality_has_no_numbers():
    # Bug: a series in warm-up was called "no oscillation", and its criticality had an axis from -0.04 to 0.04.
    figure = drawn(columns_of(rows_of(19)))
    assert texts(figure.axes[CYCLE]) == []
    criticality = next(panel for panel in figure.axes if panel.get_ylabel() == "criticality")
    assert list(criticality.get_yticks()) == []


def test_a_numbered_axis_begins_at_0_without_a_sign():
    # Bug: the first tick of every record that starts at 0 was written "-0".
    columns = columns_of(rows_of(400))
    half_before_0 = NumberAxis(-columns.start_us[0] / DAY - 0.5, 1 / 86_400)
    _, labels = TimeLine(columns, half_before_0).ticks()
    assert labels[0] == "0"


@pytest.mark.parametrize("axis", [CalendarAxis(), NumberAxis(-40.0, 0.25)], ids=["calendar", "numbers"])
def test_recovery_times_stand_beside_the_lag1_they_belong_to_in_the_units_of_the_owner(axis):
    rows = rows_of(100)
    columns = columns_of(rows)
    figure = draw(columns, axis, THRESHOLDS, DAY)
    scale = figure.axes[SPECTRUM].child_axes[0]
    recovery = -1 / np.log(np.tanh(scale.get_yticks()))
    np.testing.assert_allclose(recovery, [1, 3, 10, 30], rtol=1e-9)
    words = [label.get_text() for label in scale.get_yticklabels()]
    steps = [f"{ticks * 86_400 * 0.25:,.0f}" for ticks in (1, 3, 10, 30)]
    assert words == (steps if axis.numbered else ["1 day", "3 days", "10 days", "30 days"])
    assert scale.get_ylabel() == "recovery time"


@pytest.mark.slow
def test_alarms_are_marked_by_channel_and_side_with_a_key():
    rows = rows_of(100)
    kinds = [("lag1", "above"), ("lag1", "below"), ("modulus", "above"), ("spread", "above")]
    alarms = [alarm_of(int(rows.end_us[30 + 9 * n]), None, kind, side) for n, (kind, side) in enumerate(kinds)]
    data = drawn(columns_of(rows), alarms=alarms).axes[DATA]
    named = [text.get_text() for text in data.get_legend().get_texts()]
    assert named == ["alarm on lag-1", "alarm on lag-1, lower side", "alarm on modulus", "alarm on spread"]
    marks = {(line.get_marker(), to_hex(line.get_color())) for line in data.lines if line.get_marker() in "v^Ds"}
    assert len(marks) == 4
    assert drawn(columns_of(rows)).axes[DATA].get_legend() is None


def test_a_relative_alarm_shows_the_threshold_it_had_found():
    rows = rows_of(100)
    alarm = alarm_of(int(rows.end_us[40]), int(rows.end_us[60]), found=0.62)
    panel = drawn(columns_of(rows), alarms=[alarm]).axes[SPECTRUM]
    assert any(np.allclose(line.get_ydata(), np.arctanh(0.62)) and len(line.get_xdata()) == 2 for line in panel.lines)


def test_rules_stand_on_the_panel_of_their_channel_and_their_alpha_beside_the_evidence():
    figure = drawn(columns_of(rows_of(100)))

    def lines(panel: Axes) -> set[float]:
        return {round(float(np.tanh(line.get_ydata()[0])), 9) for line in panel.lines if len(line.get_ydata()) == 2}

    assert {0.8, -0.5} <= lines(figure.axes[SPECTRUM])
    assert 0.9 in lines(figure.axes[CYCLE])
    (budgets,) = [text for text in texts(figure.axes[EVIDENCE]) if "alpha" in text]
    assert budgets == (
        "alpha 0.0001 per tick: lag-1 above 0.8, lag-1 above its own past, modulus above 0.9, "
        "variance above 1.5 × its own past; alpha 1e-05 per tick: lag-1 below -0.5 and 1 more"
    )


@pytest.mark.slow
def test_not_ready_is_grey_and_ready_is_coloured():
    rows = rows_of(100, warm_up=50)
    image = imread(io.BytesIO(as_png(drawn(columns_of(rows)))))
    middle = image[int(image.shape[0] * 0.55)]
    width = image.shape[1]
    not_ready, ready = middle[int(width * 0.3), :3], middle[int(width * 0.7), :3]
    assert np.ptp(not_ready) < 0.01
    assert 0.8 < not_ready[0] < 0.9
    assert np.ptp(ready) > 0.2


@pytest.mark.parametrize("file_format", [pytest.param("png", marks=pytest.mark.slow), "svg"])
def test_the_same_picture_is_the_same_bytes(file_format):
    def once() -> bytes:
        buffer = io.BytesIO()
        write(drawn(columns_of(rows_of(60))), buffer, file_format, 40)
        return buffer.getvalue()

    assert once() == once()


def test_no_line_is_drawn_over_a_gap_though_its_column_has_values_too():
    """Bug: of 7,236 ticks four made a column, and a straight line crossed a gap of 42 days."""
    columns = columns_of(rows_of(100, {50: 900}))
    columns.value_low[50] = columns.value_high[50] = 1.5
    edges = TimeLine(columns, CalendarAxis()).edges
    x, y = trace(edges, columns.value_low, columns.value_high, columns)
    at = int(np.flatnonzero(y == 1.5)[-1])
    assert x[at] == edges[50]
    assert np.isnan(y[at + 1])
    assert np.isnan(y).sum() == 1
    assert (np.diff(x) >= 0).all()
