"""The numbers from which a page draws a picture itself: those of the data, and nothing that could be run."""

from __future__ import annotations

import base64
import json
import re

import numpy as np
import pytest

from sentinel.domain.observation import Axis, CalendarAxis, NumberAxis
from sentinel.pipeline.history import SCALE
from sentinel.pipeline.pooling import MISSING
from sentinel.views.picture.scripted import list_panels, pack, script
from sentinel.views.picture.timeline import BLIND, GAP
from tests.views.drawing import DAY, RULES, THRESHOLDS, alarm_of, columns_of, rows_of


def unpack(text: str) -> dict:
    data = json.loads(text)
    for name, (kind, numbers) in data.pop("packed").items():
        data[name] = np.frombuffer(base64.b64decode(numbers), kind.removesuffix("Array").lower())
    return data


@pytest.mark.parametrize(("axis", "unit"), [(CalendarAxis(), 1.0), (NumberAxis(1950.0, 0.25), 0.25)])
def test_the_numbers_are_those_of_the_columns_in_the_times_of_their_owner(axis: Axis, unit: float):
    columns = columns_of(rows_of(200, {150: 40}))
    raised, cleared = int(columns.end_us[80]), int(columns.end_us[120])
    told = [alarm_of(raised, cleared), alarm_of(cleared)]
    data = unpack(pack(columns, axis, tuple(THRESHOLDS), DAY, RULES, told, name="ph", unit="1"))
    shown = (columns.state != BLIND) | (columns.reason != GAP)
    assert shown.sum() == 199
    seconds = data["time_us"] / 1e6
    expected = axis.positions(columns.end_us[shown]) if axis.numbered else columns.end_us[shown] / 1e6
    np.testing.assert_allclose(seconds, expected, rtol=1e-12)
    assert data["cadence_seconds"] == pytest.approx(86_400 * unit)
    np.testing.assert_array_equal(data["value_low"], columns.value_low[shown])
    np.testing.assert_array_equal(data["state"], columns.state[shown])
    np.testing.assert_array_equal(data["lag1"], columns.estimates.lag1[shown].astype(np.float32))
    steps = data["readings"].reshape(199, THRESHOLDS.size).astype(np.float64)
    steps[steps == data["missing"]] = np.nan
    kept = np.clip(columns.readings[shown], -127 / SCALE, 127 / SCALE)
    np.testing.assert_allclose(steps / data["scale"], kept, atol=0.5 / SCALE + 1e-6)
    assert [event["what"] for event in data["events"]] == ["raised", "raised", "cleared"]
    at = [float(axis.positions(np.array([us]))[0]) if axis.numbered else us / 1e6 for us in (raised, cleared, cleared)]
    assert [event["time_us"] / 1e6 for event in data["events"]] == pytest.approx(at)
    assert data["rules"] == [-0.5, 0.8]
    assert data["missing"] == MISSING


def test_columns_of_several_ticks_have_both_extremes_and_a_series_without_readings_shows_its_values():
    wide = columns_of(rows_of(5000))
    data = unpack(pack(wide, CalendarAxis(), tuple(THRESHOLDS), DAY, name="x", unit=""))
    np.testing.assert_array_equal(data["value_high"], wide.value_high)
    assert list_panels(wide)[1] == "readings"
    assert list_panels(columns_of(rows_of(15))) == ("value", "state")


def test_no_name_ends_the_script_it_stands_in_and_the_code_is_one_piece():
    evil = "</script><script>alert(1)</script>"
    text = pack(columns_of(rows_of(30)), CalendarAxis(), tuple(THRESHOLDS), DAY, name=evil, unit=evil)
    assert "<" not in text
    assert json.loads(text)["name"] == evil
    assert "</script" not in script()
    assert not re.search(r"^\s*(import|export)\b", script(), re.MULTILINE)
