"""Series computed anew with corrected values, beside the engine, until they take the place of those that run.

It begins with the last checkpoint before the first value that was corrected, or with the journal, and reads the journal
from there on with the corrected values in their places, of the affected series alone. The engine reads what came
meanwhile, and journals the outcome as a fact: the states of these series, and what that does to alarms. So a restart
finds either what was or what is, and computes nothing again. What corrects a value from before all that is too old.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sentinel.config import Settings, fingerprint
from sentinel.domain.acting import Action
from sentinel.domain.errors import StateError
from sentinel.domain.events import WITHDRAWN
from sentinel.journal import Committed, Corrected, Journal, JournalForgotten, group_joined
from sentinel.pipeline.arrays import Flags, Ints
from sentinel.pipeline.grafting import cut, find_affected, to_text
from sentinel.pipeline.pipeline import PipelineState
from sentinel.runtime.amending import CONFIRMED, RAISED, Body, Latest, find_latest, judge, pair_up, with_corrections
from sentinel.runtime.replica import Replica
from sentinel.runtime.retrace import only
from sentinel.text.claims import body_of

logger = logging.getLogger(__name__)

AT_ONCE = 500
"""Series that take the place of others in one fact: the engine is held only so long, and takes in frames between."""


@dataclass(slots=True)
class Recomputed:
    """Affected series as the corrected values make them."""

    until: int
    """Batch up to which corrections are in it."""
    corrected: Ints
    """Ids in the journal of the series that were corrected."""
    too_old: dict[str, int]
    """By source: corrections of values from before all that could be computed anew."""
    reach: int
    """Values of batches up to this one are too old."""
    latest: Latest
    follow: Ints | None
    """Ids in the journal of the series that are read; None = all."""
    begun: int
    """Batch behind which it begins."""
    replica: Replica
    batch: int
    """Batch up to which it has come."""
    outdated: bool = False
    """More series have to be read than were known at first."""
    size: int = 0
    """Bytes that it has added to the journal."""
    placed: set[int] = field(default_factory=set)
    """Series that have been taken over, by what stays the same whatever they are called."""
    is_done: bool = False
    """The engine has taken all over, or it is outdated."""
    bodies: list[Body] = field(default_factory=list)
    """Events that followed."""

    def catch_up(self, journal: Journal) -> None:
        """Read what has come to the journal since."""
        if not self.corrected.size:
            return
        for joined in group_joined(with_corrections(journal, self.latest, self.batch)):
            mine = joined if self.follow is None else [only(committed, self.follow) for committed in joined]
            result = self.replica.apply(*mine)
            settings = {"settings": fingerprint(self.replica.settings)}
            self.bodies += [body_of(event) | settings for event in result.events]
            self.batch = joined[-1].batch

    def record(self, journal: Journal, state: PipelineState, now_us: int) -> Committed | None:
        """Journal the fact that puts these series, or the next of them, into the place of those of the running state.

        It has `more` where others follow; only with the last one have the corrections taken effect, so that a crash
        before it lets all be done again. None where that cannot be, and has to begin again; `outdated` if other series
        are affected now than at first.
        """
        fact, moved = self._conclude(journal, state)
        committed = journal.record("operator", fact, now_us) if fact else None
        self.placed |= set(_lasting(state)[moved].tolist())
        self.is_done = fact is None or "more" not in fact
        return committed

    def _conclude(self, journal: Journal, state: PipelineState) -> tuple[dict[str, Any] | None, Ints]:
        """Give the fact, and the numbers of the series whose states are in it."""
        nothing = np.zeros(0, np.int64)
        try:
            self.catch_up(journal)
        except StateError as error:
            logger.warning("corrected values have not taken effect yet", extra={"why": str(error)})
            return None, nothing
        fact: dict[str, Any] = {
            "action": Action.AMENDED,
            "until": self.until,
            "too_old": self.too_old,
            "reach": self.reach,
        }
        fact |= {"verdicts": [], "raised": [], "state": ""}
        if not self.corrected.size:
            return fact, nothing
        affected = find_affected(state, self.corrected.tolist())
        known = self.follow is None or set(_ids(state, affected.needed).tolist()) <= set(self.follow.tolist())
        self.outdated = not known or self.replica.state.names != state.names
        if self.outdated:
            return None, nothing
        left = affected.moved[~np.isin(_lasting(state)[affected.moved], list(self.placed))]
        # Comparisons come last: until both of its sides are right a frame would feed one of them what is not.
        left = left[np.argsort(np.isin(left, state.comparisons.own), kind="stable")]
        moved = left[:AT_ONCE]
        if left.size > AT_ONCE:
            fact |= {"more": True, "too_old": {}}
        names = {state.names[i] for i in moved.tolist()}
        former = (each for renamed in state.renamed if names & set(renamed) for each in renamed)
        text = to_text(cut(self.replica.state, moved))
        self.size += len(text)
        return fact | self._judge(journal, names | set(former)) | {"state": text}, moved

    def _judge(self, journal: Journal, names: Set[str]) -> dict[str, Any]:
        """Hold the alarms that were sent against those that follow now; give verdicts that are news, and new alarms."""
        kept = journal.events(series=sorted(names))
        before = {one.body["alarm_id"]: one for one in pair_up(one.body for one in kept if one.batch <= self.begun)}
        sent = [
            one for one in pair_up(each.body for each in kept)
            if one.ended is None or one.ended is not getattr(before.get(one.body["alarm_id"]), "ended", None)
        ]  # fmt: skip
        was_open = [one.body for one in before.values() if one.ended is None]
        now = pair_up([*was_open, *(body for body in self.bodies if body["series"] in names)])
        found = judge(sent, now)
        known = {one.body["alarm_id"]: one.body["verdict"] for one in kept if one.body["what"] == Action.AMENDED}
        new = {one.body["alarm_id"] for one in found if one.verdict == RAISED}
        return {
            "verdicts": [
                {**{key: one.body[key] for key in ("alarm_id", "series", "rule", "label", "severity")},
                 "alarm_us": one.body["time_us"], "verdict": one.verdict}
                for one in found if _is_news(one.verdict, known.get(one.body["alarm_id"], CONFIRMED))
            ],
            "raised": [
                dict(body) for one in now if one.ended is None or one.body["alarm_id"] in new
                for body in (one.body, one.ended) if body is not None
            ],
        }  # fmt: skip


def begin(journal: Journal, state: PipelineState, until: int, *, whole: bool = False) -> Recomputed:
    """Begin to compute anew what corrections up to a batch affect, by the running `state`; with `whole` all series.

    A checkpoint that cannot be read is passed over for one before it.
    """
    corrections = journal.corrections()
    corrections = corrections.at(corrections.batch <= until)
    unreadable: set[int] = set()
    while True:
        reached, begun, reach = _find_start(journal, corrections, unreadable)
        replica = Replica(Settings())
        if not begun or not reached.any():
            break
        try:
            checkpoint = journal.checkpoints.load(before=begun + 1)
            if checkpoint is not None and checkpoint.batch == begun:
                replica.use_checkpoint(checkpoint)
                break
        except StateError as error:
            logger.warning("a checkpoint cannot be read; an earlier one is taken", extra={"why": str(error)})
        unreadable.add(begun)
    pending = corrections.batch > journal.amended()
    left = corrections.at(pending & ~reached)
    too_old = Counter(left.sources[batch] for batch in left.batch.tolist())
    corrected = np.unique(corrections.series[reached])
    follow = None if whole else _ids(state, find_affected(state, corrected.tolist()).needed)
    return Recomputed(until, corrected, dict(too_old), reach, find_latest(corrections), follow, begun, replica, begun)


def note_unread(journal: Journal, replica: Replica, now_us: int) -> Committed | None:
    """Journal which facts a replay could not read, with all that came after: their values take effect yet.

    Those after it count as having in them all that was corrected before. They may also complete it.
    """
    first = min(replica.unread, default=None)
    batches = [] if first is None else [batch for batch, _, _ in journal.amendments() if batch >= first]
    return journal.record("operator", {"action": Action.UNREAD, "batches": batches}, now_us) if batches else None


def _find_start(journal: Journal, corrections: Corrected, unreadable: Set[int]) -> tuple[Flags, int, int]:
    """Tell which corrections that have not taken effect can do so, and the batch behind which that begins.

    That is none of the `unreadable` ones. Also give the first batch behind which it could begin.
    """
    amendments, never, last = [], np.zeros(corrections.batch.size, np.bool_), 0
    for batch, until, too_old_to in journal.amendments():
        came = corrections.first_batch
        mine = (corrections.batch > last) & (corrections.batch <= until)
        never |= mine & (came > 0) & (came <= too_old_to)  # too old then, and in no state
        amendments.append((batch, until))
        last = until
    pending = corrections.batch > last

    def is_sound(start: int) -> bool:
        """Tell whether everything that has taken effect is in the state there, or comes after it."""
        there = max((until for batch, until in amendments if batch <= start), default=0)
        return bool((corrections.first_batch[~pending & ~never & (corrections.batch > there)] > start).all())

    there = {*_begin_of(journal), *journal.checkpoints.batches()} - unreadable
    starts = [start for start in there if is_sound(start)]
    reach = min(starts, default=int(np.iinfo(np.int64).max))
    reached = pending & (corrections.first_batch > reach)
    first = int(corrections.first_batch[reached].min()) if reached.any() else 0
    return reached, max((start for start in starts if start < first), default=0), reach


def _begin_of(journal: Journal) -> list[int]:
    """Give 0 if the journal can be read from its beginning."""
    try:
        next(journal.tail(0), None)
    except JournalForgotten:
        return []
    return [0]


def _ids(state: PipelineState, numbers: Ints) -> Ints:
    """Give the ids in the journal of these series."""
    return np.flatnonzero(np.isin(state.ids, numbers))


def _lasting(state: PipelineState) -> Ints:
    """Give what tells each series from all others whatever it is called: its id in the journal, or the target's."""
    found, known, both = np.full(len(state.names), -1), np.flatnonzero(state.ids >= 0), state.comparisons
    found[state.ids[known]] = known
    found[both.own] = -2 - found[both.target]
    return found


def _is_news(verdict: str, before: str) -> bool:
    return verdict == RAISED or (verdict == WITHDRAWN) != (before == WITHDRAWN)
