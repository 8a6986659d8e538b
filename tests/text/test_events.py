"""The JSON bodies of events: receivers find the same keys in each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sentinel.domain.channels import CLAIMS, UNKNOWN
from sentinel.domain.events import AlarmEvent
from sentinel.text.claims import sentence_of
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
