"""The JSON bodies of events: receivers find the same keys in each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sentinel.domain.channels import CLAIMS, UNKNOWN
from sentinel.domain.events import AlarmEvent
from sentinel.runtime.retrace import Trace
from sentinel.text.claims import body_of, sentence_of
from sentinel.text.explanations import Explanation, Side, explanation_in_words
from sentinel.text.receipts import Episode
from tests.runtime.rig import CHOSEN, Rig, Sink, frame

SITES = CHOSEN | {"sites": [{"name": "lake", "match": "s*", "k": 2}]}


def test_the_alarm_of_a_site_has_every_key_of_an_alarm_of_a_series(tmp_path: Path) -> None:
    sink = Sink()
    Rig(tmp_path, SITES, out=sink).feed(frame(0, 400))
    sites = [event for event in sink.events if "members" in event]
    series = [event for event in sink.events if "members" not in event]
    assert {event["what"] for event in sites} == {"raised", "cleared"}
    for event in sites:
        assert series[0].keys() | {"members", "k"} == event.keys()
        assert (event["series"], event["threshold"], event["remarks"]) == ("lake", 2, [])
        assert all(event[key] is None for key in ("source", "alpha", "evidence", "lag1", "lag1_low", "modulus", "rule"))
        json.dumps(event, allow_nan=False)


@pytest.mark.parametrize("kind", list(CLAIMS))
def test_the_end_of_an_alarm_on_any_channel_has_words(kind: str) -> None:
    """Bug: the end of an alarm on a rise of spread asked for a threshold that nobody handed on, and a program ended."""
    ended = AlarmEvent(
        "a/cleared", "a", "cleared", "lake", "src", kind, "2.72x", kind, "above", False, 2.72, (), 1e-3, "warning", 0,
        -1.0, UNKNOWN, 1,
    )  # fmt: skip
    assert "has ended" in sentence_of(ended)
    assert "{" not in sentence_of(ended)


def test_the_recovery_time_of_a_one_sided_alarm_with_an_open_band_is_not_said_to_be_at_least_so_long() -> None:
    """Bug: after a jump the page said that the series may have shifted, its alarm that recovery takes 8 h at least."""
    estimates = UNKNOWN._replace(lag1=0.99, lag1_low=0.9, lag1_high=1.0)
    raised = AlarmEvent(
        "a/raised", "a", "raised", "lake", "src", "lag1", "0.8", "lag1", "above", False, 0.8, (), 1e-3, "warning", 0,
        0.1, estimates, 1,
    )  # fmt: skip
    assert "recovery time at least" in sentence_of(raised)
    shifted = sentence_of(raised._replace(remarks=("one_sided",)))
    assert "recovery time unknown: it may have shifted" in shifted
    assert "at least" not in shifted


@pytest.mark.parametrize("one_sided", [False, True])
def test_where_the_text_says_that_the_recovery_time_is_unknown_no_number_is_given(one_sided: bool) -> None:
    """Bug: beside a text that said unknown stood 4.15 days, in events and in `explain`, which is only -1 / ln(0.99)."""
    estimates = UNKNOWN._replace(lag1=0.99, lag1_low=0.9, lag1_high=1.0)
    raised = AlarmEvent(
        "a/raised", "a", "raised", "lake", "src", "lag1", "0.8", "lag1", "above", False, 0.8,
        ("one_sided",) if one_sided else (), 1e-3, "warning", 0, 0.1, estimates, 3_600_000_000,
    )  # fmt: skip
    body = body_of(raised)
    assert ("recovery time unknown" in str(body["text"])) == one_sided
    assert (body["recovery_seconds"] is None) == (body["recovery_low_seconds"] is None) == one_sided
    side = Side(0, 10**12, 100, 100, 0.0, 1.0, 1.0, estimates)
    found = Explanation(0, 10**12, 200, 200, 0, 0, 100, side, side._replace(), ())
    (row,) = (
        line for line in explanation_in_words(Episode(body), found, (), conditioned=True) if "recovery time  " in line
    )
    assert row.split("  ")[-1].strip() == ("unknown: it may have shifted" if one_sided else "at least 9.49 h")
    assert "at least 9.49 h" in row, "of the side before, too, it is the lower end"
    assert Trace(body, 1, 0).differences(body | {"recovery_seconds": body["recovery_seconds"] or 358_000.0}) == []
