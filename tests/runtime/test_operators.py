"""The law of operators: whatever they do in whatever order, all that shows alarms shows the same ones as open.

The state of the series and of the sites, the journal, the events for the pages, and receivers that know alarms by
their ids (a pager) or by their labels (an Alertmanager).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sentinel.runtime.courier
from sentinel.config import Settings
from sentinel.domain.errors import UsageError
from sentinel.domain.labels import fits
from sentinel.notify import Delivery, Event, Notifier
from sentinel.notify.alertmanager import alert_name
from sentinel.pipeline.migrate import open_alarms
from sentinel.text.receipts import pair
from tests.laws import examples
from tests.pipeline.streams import ar1
from tests.runtime.rig import BANK, VALUES, Rig, frame
from tests.runtime.test_recomputing import amend

RULES: tuple[dict[str, Any], ...] = (
    {"threshold": 0.3, "alpha": 0.01, "at_start": "alarm"}, {"kind": "spread", "alpha": 0.01},
    {"threshold": 0.3, "alpha": 0.02, "at_start": "alarm", "severity": "critical"},
    {"match": "s0", "threshold": 0.5, "alpha": 0.05, "at_start": "alarm"},
)  # fmt: skip
SITES: tuple[dict[str, Any], ...] = (
    {"name": "lake", "k": 2}, {"name": "lake", "k": 3}, {"name": "pond", "k": 2, "match": "s[01]*"},
)  # fmt: skip


class Holder(Notifier):
    """Holds what is open, by a key of each event."""

    def __init__(self, key: Callable[[Event], object]) -> None:
        super().__init__(key.__name__)
        self.open: set[object] = set()
        self.is_down, self._key = False, key

    def describe(self) -> str:
        return "a set"

    def send(self, batch: Sequence[Event], deadline: float) -> Delivery:
        if self.is_down:
            return Delivery("retry", 0, "down")
        for event in batch:
            (self.open.add if event["what"] == "raised" else self.open.discard)(self._key(event))
        return Delivery("delivered", len(batch))


def by_id(event: Event) -> object:
    return event["alarm_id"]


def by_labels(event: Event) -> object:
    series, source = event.get("raised_as", event["series"]), event.get("raised_from", event["source"])
    return alert_name(event), event["severity"], series, source, event["rule"], event["label"]


class World:
    """A daemon's engine, its settings and its receivers, over restarts."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.chosen = folder, self.choose(0)
        self.holders = {each.__name__: Holder(each) for each in (by_id, by_labels)}
        self.away: set[str] = set()
        self.values, self.at = VALUES.copy(), 0
        self.rig = self.start()

    def choose(self, number: int) -> dict[str, Any]:
        """One of many configurations."""
        entry = {"match": "s0", "cadence": "1h"} | ({"counterpart": "s1"} if number & 1 else {})
        site, rule = number // 2 % 4, number // 8 % 4
        return {
            "banks": {"default": BANK}, "series": [entry, {"match": "*"}], "alarms": [RULES[rule], RULES[1 - rule % 2]],
            "sites": [SITES[site]] if site < len(SITES) else [],
        }  # fmt: skip

    def start(self) -> Rig:
        return Rig(self.folder, self.chosen, **{n: each for n, each in self.holders.items() if n not in self.away})

    def do(self, what: str, number: int) -> None:
        name = f"s{number % 3}"
        if what == "feed":
            last = min(400, self.at + (number + 1) * 4)
            self.rig.feed(frame(self.at, last, self.values))
            self.at = last
        elif what == "receiver":
            holder = list(self.holders.values())[number % 2]
            holder.is_down = not holder.is_down
        elif what in ("reload", "away"):
            self.away ^= {list(self.holders)[number % 2]} if what == "away" else set()
            self.chosen = self.choose(number) if what == "reload" else self.chosen
            here = {name: each for name, each in self.holders.items() if name not in self.away}
            self.rig.engine.reload(Settings.model_validate(self.chosen), here)
        elif what in ("restart", "restart after a crash"):
            if what == "restart":
                self.rig.engine.checkpoint()
            self.rig.journal.close()
            self.chosen = self.choose(number) if number % 3 == 0 else self.chosen
            self.rig = self.start()
        elif what == "correct" and self.at > 60:
            first = (self.at - 30) * number // 32
            self.values[first : first + 30, number % 3] = ar1(number, (-0.5, 0.95)[number % 2], 30)[:, 0]
            self.rig.feed(frame(first, first + 30, self.values))
            amend(self.rig, self.folder)
        elif what in ("hold", "rebase", "reset"):
            kind = {"hold": "maintenance", "rebase": "calibration", "reset": "intervention"}[what]
            start = datetime.fromtimestamp(max(1, self.at + number - 16) * 3600, UTC).isoformat()
            event = {"kind": kind, "match": name, "start": start} | ({"length": "10h"} if what == "hold" else {})
            self.ask(action="declared", event=event)
        elif what == "renamed":
            self.ask(action="renamed", series=name, to=f"{'sq'[number % 2]}{number}")
        elif what in ("retired", "taken_back", "forgotten"):
            self.ask(action=what, series=name)
        self.rig.feed()

    def ask(self, **request: object) -> None:
        answer = self.rig.engine.ask(request)
        self.rig.feed()
        if answer.exception(0):
            assert isinstance(answer.exception(0), UsageError)

    def check(self) -> None:
        """All show the same."""
        engine = self.rig.engine
        events = self.rig.journal.open_events()
        wanted = {event["alarm_id"] for event in events}
        series = [event for event in events if "members" not in event]
        now_called = {one.alarm_id: one.series for one in open_alarms(engine._replica.pipeline, engine.state)}
        assert now_called.keys() == set(map(by_id, series))
        raised = {name for name, site in engine.state.sites.items() if site.raised_us >= 0}
        assert raised == {event["series"] for event in events if "members" in event}
        assert wanted == {one.raised["alarm_id"] for one in pair(engine.events) if one.cleared is None}
        for site in engine.settings.sites:
            known = engine.state.sites[site.name].alarms if site.name in engine.state.sites else {}
            for event in series:
                if fits(now_called[event["alarm_id"]], site.match):
                    assert event["alarm_id"] in known


DOINGS = (
    "receiver", "reload", "away", "restart", "restart after a crash", "correct", "hold", "rebase", "reset", "renamed",
    "retired", "taken_back", "forgotten",
)  # fmt: skip


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from(["feed", "feed", *DOINGS]), st.integers(0, 31)), min_size=20, max_size=40))
@settings(max_examples=examples(2, 40), deadline=None)
def test_whatever_operators_do_everybody_knows_the_same_alarms_as_open(doings: list[tuple[str, int]]) -> None:
    """Bugs: alarms of sites that were changed, and ends that came while a receiver was away."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(sentinel.runtime.courier, "FIRST_RETRY_SECONDS", 0.0)
        world = World(Path(folder))
        for what, number in (("feed", 31), *doings):
            world.do(what, number)
            world.check()
        for holder in world.holders.values():
            holder.is_down = False
        world.away.clear()
        world.do("reload", 0)
        world.rig.feed()
        events = world.rig.journal.open_events()
        for holder in world.holders.values():
            assert holder.open == set(map(holder._key, events))
        world.rig.journal.close()
