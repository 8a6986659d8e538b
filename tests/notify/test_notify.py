"""Notifiers: every event arrives as one whole line, or its sender hears why not."""

from __future__ import annotations

import json
from math import inf, nan
from pathlib import Path

import pytest

from sentinel.notify import NOTIFIERS, LogNotifier, NotifyError, idempotence_key

EVENT = {
    "id": "a1b2",
    "what": "raised",
    "series": "lake/löaded\n",
    "source": "buoys",
    "kind": "lag1",
    "threshold": 0.8,
    "alpha": 1e-4,
    "severity": "warning",
    "time": "2026-07-25T12:00:00+00:00",
    "evidence": 0.02,
    "lag1": 0.91,
    "lag1_low": 0.84,
    "lag1_high": nan,
    "text": "lake/loaded recovers ever more slowly",
    "settings": "5f0c",
}


def test_an_event_is_one_json_line_on_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    LogNotifier().send(EVENT)
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert json.loads(err) == {"key": "a1b2/raised", **EVENT, "lag1_high": None}


def test_events_are_appended_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "alarms.jsonl"
    notifier = LogNotifier(path)
    notifier.send(EVENT)
    notifier.send({**EVENT, "what": "cleared", "evidence": inf})
    keys = [json.loads(line)["key"] for line in path.read_text().splitlines()]
    assert keys == ["a1b2/raised", "a1b2/cleared"]


def test_a_half_written_last_line_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "alarms.jsonl"
    path.write_text('{"key": "a1b')
    LogNotifier(path).send(EVENT)
    assert [line[:14] for line in path.read_text().splitlines()] == ['{"key": "a1b', '{"key": "a1b2/']


def test_a_name_that_no_encoding_holds_is_sent_escaped(tmp_path: Path) -> None:
    path = tmp_path / "alarms.jsonl"
    LogNotifier(path).send({**EVENT, "series": "half \ud800"})
    assert json.loads(path.read_text())["series"] == "half \ud800"


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotifyError, match=r"notify log: .*gone/alarms: No such file or directory; it is tried again"):
        LogNotifier(tmp_path / "gone" / "alarms").send(EVENT)


def test_sending_again_has_the_same_key_and_clearing_another() -> None:
    assert idempotence_key(EVENT) == idempotence_key({**EVENT, "text": "again"})
    assert idempotence_key(EVENT) != idempotence_key({**EVENT, "what": "cleared"})


def test_the_table_makes_a_log_from_its_settings(tmp_path: Path) -> None:
    NOTIFIERS["log"](path=tmp_path / "x").send(EVENT)
    assert (tmp_path / "x").exists()
