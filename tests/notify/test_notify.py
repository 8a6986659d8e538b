"""Notifiers: what each must do, and what each kind promises besides."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import inf, nan
from pathlib import Path
from time import monotonic

import pytest

from sentinel.config import AlertmanagerNotify, ExecNotify, LogNotify, WebhookNotify
from sentinel.notify import NOTIFIERS, Delivery, Notifier, idempotence_key, make_notifier
from tests.notify.conftest import Web

EVENT = {
    "id": "a1b2",
    "what": "raised",
    "series": "lake/löaded\n",
    "source": "buoys",
    "rule": "lag1",
    "label": "0.8",
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


CLEARED = {**EVENT, "what": "cleared", "evidence": inf}
EXAMPLES: dict[str, Callable[[Path, Web], Notifier]] = {
    "log": lambda folder, _: log_to(folder / "alarms.jsonl"),
    "alertmanager": lambda _, web: make_notifier(AlertmanagerNotify(kind="alertmanager", url=web.address)),
    "webhook": lambda _, web: make_notifier(WebhookNotify(kind="webhook", url=web.address)),
    "exec": lambda _, __: make_notifier(ExecNotify(kind="exec", command=("cat",))),
}
"""By kind: a notifier that can send; mail is in `test_email.py`."""


def log_to(path: Path | None) -> Notifier:
    return make_notifier(LogNotify(path=path))


def soon() -> float:
    return monotonic() + 10.0


# Every notifier


def test_there_is_an_example_of_every_kind() -> None:
    assert EXAMPLES.keys() | {"email"} == NOTIFIERS.keys()


@pytest.mark.parametrize("kind", EXAMPLES)
def test_every_notifier_sends_describes_itself_in_a_line_and_closes_twice(kind: str, tmp_path: Path, web: Web) -> None:
    notifier = EXAMPLES[kind](tmp_path, web)
    assert len(notifier.describe().splitlines()) == 1
    assert notifier.send([EVENT, CLEARED], soon()) == Delivery("delivered", 2)
    notifier.close()
    notifier.close()


@pytest.mark.parametrize("kind", EXAMPLES)
def test_after_its_deadline_no_notifier_goes_on(kind: str, tmp_path: Path, web: Web) -> None:
    outcome, sent, reason = EXAMPLES[kind](tmp_path, web).send([EVENT, CLEARED], monotonic() - 1.0)
    assert (outcome, sent) == ("retry", 0)
    assert reason


# log


def test_an_event_is_one_json_line_on_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    log_to(None).send([EVENT], soon())
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert json.loads(err) == {"key": "a1b2/raised", **EVENT, "lag1_high": None}


def test_events_are_appended_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "alarms.jsonl"
    notifier = log_to(path)
    notifier.send([EVENT], soon())
    notifier.send([CLEARED], soon())
    keys = [json.loads(line)["key"] for line in path.read_text().splitlines()]
    assert keys == ["a1b2/raised", "a1b2/cleared"]


def test_a_half_written_last_line_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "alarms.jsonl"
    path.write_text('{"key": "a1b')
    log_to(path).send([EVENT], soon())
    assert [line[:14] for line in path.read_text().splitlines()] == ['{"key": "a1b', '{"key": "a1b2/']


def test_a_name_that_no_encoding_holds_is_sent_escaped(tmp_path: Path) -> None:
    path = tmp_path / "alarms.jsonl"
    log_to(path).send([{**EVENT, "series": "half \ud800"}], soon())
    assert json.loads(path.read_text())["series"] == "half \ud800"


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "alarms"
    reason = f"notify log: {path}: No such file or directory; it is tried again"
    assert log_to(path).send([EVENT], soon()) == Delivery("retry", 0, reason)


def test_sending_again_has_the_same_key_and_clearing_another() -> None:
    assert idempotence_key(EVENT) == idempotence_key({**EVENT, "text": "again"})
    assert idempotence_key(EVENT) != idempotence_key({**EVENT, "what": "cleared"})
