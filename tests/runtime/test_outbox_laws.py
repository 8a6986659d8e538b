"""The law of the outbox: an open alarm is never lost and a resolved one never invented, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given, settings
from hypothesis import strategies as st

import sentinel.runtime.courier
from sentinel.domain.metrics import Metrics
from sentinel.journal import Journal
from sentinel.notify import Delivery, Event, Notifier
from sentinel.runtime.outbox import Outbox
from tests.fixtures import ManualClock
from tests.laws import examples

ALARMS = 3


class Holder(Notifier):
    """Holds what is open, as an Alertmanager does: from memory, which it may lose."""

    def __init__(self, name: str, *, forgets: bool) -> None:
        super().__init__(name)
        self.renew_every = 0.0 if forgets else None
        self.open: set[str] = set()
        self.was_told_to_end: set[str] = set()
        self.takes = 10**6
        """Events that it takes before it fails."""

    def describe(self) -> str:
        return "a set"

    def send(self, batch: Sequence[Event], deadline: float) -> Delivery:
        for sent, event in enumerate(batch):
            if not self.takes:
                return Delivery("retry", sent, "down")
            self.takes -= 1
            if event["what"] == "raised":
                self.open.add(str(event["id"]))
            else:
                self.open.discard(str(event["id"]))
                self.was_told_to_end.add(str(event["id"]))
        return Delivery("delivered", len(batch))


class World:
    """A journal, an outbox, and receivers that outlive its restarts."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal.open(folder)
        self.holders = {name: Holder(name, forgets=name == "forgets") for name in ("keeps", "forgets")}
        self.away: set[str] = set()
        """Receivers that are not in the settings for now."""
        self.episode = [0] * ALARMS
        self.open: set[str] = set()
        self.ended: set[str] = set()
        self.restart()

    def restart(self) -> None:
        """Start anew from the journal: what was on its way is not recorded, though it may have arrived."""
        here = {name: holder for name, holder in self.holders.items() if name not in self.away}
        self.outbox = Outbox(self.journal, here, Metrics(), ManualClock(5))
        self.outbox.begin()

    def switch(self, number: int) -> None:
        """Raise an alarm that is not open, or end one that is."""
        alarm = f"{number}-{self.episode[number]}"
        what = "cleared" if alarm in self.open else "raised"
        event = {"id": f"{alarm}/{what}", "alarm_id": alarm, "what": what, "series": "s", "time_us": 0}
        self.journal.append_events([event], self.outbox.sinks, 1)
        self.outbox.note([event])
        if what == "raised":
            self.open.add(alarm)
        else:
            self.open.discard(alarm)
            self.ended.add(alarm)
            self.episode[number] += 1

    def turn(self) -> None:
        """One turn of the engine, and wait until the receivers have answered."""
        self.outbox.deliver()
        for courier in self.outbox._couriers.values():
            if courier.is_sending:
                courier._answer.result(5.0)

    def check(self) -> None:
        for holder in self.holders.values():
            assert holder.was_told_to_end <= self.ended, "an end was invented"


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("switch"), st.integers(0, ALARMS - 1)),
        st.tuples(st.just("turn"), st.integers(0, 4)),
        st.tuples(st.sampled_from(["restart", "forget", "new"]), st.just(0)),
        st.tuples(st.just("reload"), st.integers(0, 1)),
    ),
    max_size=30,
)


@given(STEPS)
# Bug: a receiver that was away when an alarm ended, and came back, was never told.
@example([("switch", 0), ("turn", 4), ("reload", 0), ("switch", 0), ("reload", 0)])
@settings(max_examples=examples(12, 60), deadline=None)
def test_whatever_fails_and_restarts_every_receiver_ends_with_exactly_the_alarms_that_are_open(steps) -> None:
    former = sentinel.runtime.courier.FIRST_RETRY_SECONDS
    sentinel.runtime.courier.FIRST_RETRY_SECONDS = 0.0
    try:
        with TemporaryDirectory() as folder:
            world = World(Path(folder))
            try:
                _play(world, steps)
            finally:
                world.journal.close()
    finally:
        sentinel.runtime.courier.FIRST_RETRY_SECONDS = former


def _play(world: World, steps: Sequence[tuple[str, int]]) -> None:
    for what, number in steps:
        if what == "switch":
            world.switch(number)
        elif what == "turn":
            for holder in world.holders.values():
                holder.takes = number
            world.turn()
        elif what == "restart":
            world.restart()
        elif what == "reload":  # one of the first two receivers goes, or comes back
            world.away ^= {("keeps", "forgets")[number]}
            world.outbox.replace({name: world.holders[name] for name in world.holders.keys() - world.away}, {})
        elif what == "forget":
            world.holders["forgets"].open.clear()
        else:
            world.holders.setdefault(f"new{len(world.holders)}", Holder(f"new{len(world.holders)}", forgets=False))
            world.restart()
        world.check()
    for holder in world.holders.values():
        holder.takes = 10**6
    world.away.clear()
    world.restart()
    for _ in range(4):  # what was on its way, what is owed, and the alarms that are open once more
        world.turn()
    world.check()
    assert {name: holder.open for name, holder in world.holders.items()} == dict.fromkeys(world.holders, world.open)
