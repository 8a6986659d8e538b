"""Receivers that are in another place: what they hear where a start or a reload changes more, or breaks off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sentinel.config import Settings
from sentinel.notify import Notifier, make_notifier
from tests.runtime.rig import CHOSEN, Rig, frame

RULES = CHOSEN["alarms"]
OTHER = [*RULES, {"kind": "spread", "alpha": 0.01}]


@pytest.mark.parametrize(
    ("dies", "rules"),
    [
        (("record", 1), RULES), (("owe_ends", 1), RULES), (("owe_again", 1), RULES),
        (("record", 1), OTHER), (("record", 2), OTHER), (("owe_ends", 1), OTHER), (("owe_again", 1), OTHER),
    ],
)  # fmt: skip
def test_killed_as_a_reload_moves_a_receiver_it_tells_it_in_the_other_place_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rules: list[dict[str, Any]], dies: tuple[str, int]
) -> None:
    """Bug: the settings came first, so that its place counted as the one before; up to a second lay between."""

    def at(name: str, rules: list[dict[str, Any]]) -> tuple[dict[str, Any], Notifier]:
        notify = [{"kind": "log", "name": "out", "path": str(tmp_path / name)}]
        chosen = CHOSEN | {"alarms": rules, "notify": notify}
        return chosen, make_notifier(Settings.model_validate(chosen).notify[0])

    chosen, receiver = at("one", CHOSEN["alarms"])
    rig = Rig(tmp_path, chosen, out=receiver)
    rig.feed(frame(0, 250))
    is_open = [event["alarm_id"] for event in rig.journal.open_events()]
    assert is_open
    chosen, receiver = at("other", rules)
    (name, left), do = dies, getattr(rig.journal, dies[0])

    def do_and_die(*asked: Any) -> Any:
        nonlocal left
        left -= 1
        done = do(*asked)
        if not left:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(rig.journal, name, do_and_die)
    rig.engine.reload(Settings.model_validate(chosen), {"out": receiver})
    with pytest.raises(KeyboardInterrupt):
        rig.engine.turn(0.0)
    rig.journal.close()
    rig = Rig(tmp_path, chosen, out=at("other", rules)[1])
    rig.feed()
    assert [json.loads(line)["id"] for line in (tmp_path / "other").read_text().splitlines()] == is_open


def test_in_another_place_at_a_start_that_ends_alarms_a_receiver_hears_of_their_begin_first(tmp_path: Path) -> None:
    """Bug: the settings came first, so that it heard ends of alarms of which it knew nothing."""

    def start(name: str, *rules: Any) -> Rig:
        notify = [{"kind": "log", "name": "out", "path": str(tmp_path / name)}]
        chosen = CHOSEN | {"alarms": rules, "notify": notify}
        return Rig(tmp_path, chosen, out=make_notifier(Settings.model_validate(chosen).notify[0]))

    rig = start("one", *CHOSEN["alarms"])
    rig.feed(frame(0, 250))
    is_open = [event["alarm_id"] for event in rig.journal.open_events()]
    assert is_open
    rig.engine.checkpoint()
    rig.journal.close()
    rig = start("other", {"kind": "spread", "alpha": 0.0001})
    rig.feed()
    told = [json.loads(line) for line in (tmp_path / "other").read_text().splitlines()]
    assert [each["id"] for each in told if each["what"] == "raised"] == is_open
    assert [each["what"] for each in told] == ["raised"] * len(is_open) + ["cleared"] * len(is_open)
