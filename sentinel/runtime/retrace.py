"""One alarm computed anew from the journal: is the number that was sent the number that follows from what was kept?

Only the series of the alarm is stepped where it stands alone, so that a large installation need not be replayed whole;
the alarm of a comparison or a site depends on several series, and all are. The replay begins with the journal, or with
a kept checkpoint where retention has forgotten the journal's beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from time import monotonic
from typing import Any

import numpy as np

from sentinel.config import Settings, fingerprint
from sentinel.domain.channels import Estimates
from sentinel.domain.errors import SentinelError, StateError
from sentinel.domain.events import AlarmEvent, SiteEvent
from sentinel.domain.spans import moment_in_words
from sentinel.journal import Committed, Journal, JournalForgotten, KeptEvent, group_joined
from sentinel.pipeline.arrays import Flags, Floats, Ints
from sentinel.pipeline.codec import digest
from sentinel.pipeline.cohort import Cohort, CohortState, SteppedBlock
from sentinel.pipeline.grid import ABSENT, GAP
from sentinel.pipeline.pipeline import CohortKey, PipelineState
from sentinel.pipeline.plan import Plan
from sentinel.runtime.amending import find_latest, with_corrections
from sentinel.runtime.replica import Replica
from sentinel.text.claims import body_of


class OutOfTimeError(SentinelError):
    """The replay of an alarm takes longer than it may."""


class JournalTooShort(JournalForgotten):
    """The journal no longer reaches back to where the replay of an alarm would have to begin."""


@dataclass(frozen=True, slots=True, eq=False)
class TracedTicks:
    """The ticks of the alarm's series up to the alarm, in order; all arrays of equal length."""

    end_us: Ints
    gap: Flags
    """The series started anew here."""
    value: Floats
    """NaN = missing."""
    residual: Floats
    evidence: Floats
    """Of the alarm's rule; log10 of its share of the alarm line, NaN = not ready."""
    estimates: Estimates[Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Result of a replay for one alarm."""

    body: Mapping[str, Any] | None
    """The event as the replay raised it; None if it raised none of that id."""
    batches: int
    """Batches that were replayed."""
    from_batch: int
    """Batch behind which the replay began; 0 = with the journal."""
    plan: Plan | None = None
    """Of the series; None for the alarm of a site."""
    digest: str = ""
    """Fingerprint of the state of the series after the alarm's tick; empty where the tick is not known."""
    ticks: TracedTicks | None = None
    alone: Sequence[int] = ()
    """Ids of the series that were replayed; empty = all."""

    def differences(self, kept: Mapping[str, Any]) -> list[str]:
        """Name the facts that differ from the event that was kept, bit for bit; sentences and texts may differ.

        A recovery time follows from lag-1, which is compared; earlier versions gave one also where it is not known.
        """
        if self.body is None:
            return ["the replay raised no such alarm"]
        unknown = {name for name, fact in self.body.items() if name.startswith("recovery_") and fact is None}
        names = [name for name in self.body if name in kept and name not in {"id", "text"} | unknown]
        return [
            f"{name}: {kept[name]!r} was sent, {self.body[name]!r} follows from the journal"
            for name in names
            if not _same(kept[name], self.body[name])
        ]


def _same(one: object, other: object) -> bool:
    listed = [list(value) if isinstance(value, tuple) else value for value in (one, other)]
    return type(listed[0]) is type(listed[1]) and listed[0] == listed[1]


@dataclass(slots=True)
class _Watch:
    """Takes the ticks of one series out of the blocks, and its state after one tick."""

    names: Sequence[str]
    """All that the series ever had."""
    rule: tuple[str, str]
    until_us: int
    plan: Plan | None = None
    cohort: Callable[[Plan], Cohort] | None = None
    digest: str = ""
    parts: list[tuple[Any, ...]] = field(default_factory=list)

    def __call__(self, state: PipelineState, key: CohortKey, members: CohortState, ticks: SteppedBlock) -> None:
        block, scored = ticks.block, ticks.scored
        at = [i for i, number in enumerate(members.series[block.rows].tolist()) if state.names[number] in self.names]
        if not at:
            return
        s, row, plan = at[0], int(block.rows[at[0]]), key[0]
        n = int((block.kind[:, s] != ABSENT).sum())
        assert self.cohort is not None  # set with the replica
        end_us = self.cohort(plan).grid.start_us(members.grid.origin_us[row], block.tick[:n, s] + 1)
        kept = end_us <= self.until_us
        rules = [(rule.kind, rule.label) for rule in plan.rules]
        evidence = scored.evidence.evidence[:n, s]
        own = evidence[:, rules.index(self.rule)] if self.rule in rules else np.full(n, np.nan)
        self.parts.append((
            end_us[kept], (block.kind[:n, s] == GAP)[kept], block.value[:n, s][kept],
            ticks.conditioned.residual[:n, s][kept], own[kept], *(array[:n, s][kept] for array in scored.estimates),
        ))  # fmt: skip
        if n and int(end_us[-1]) == self.until_us:
            self.plan, self.digest = plan, digest(members, row)

    def ticks(self) -> TracedTicks | None:
        """Join what was taken."""
        if not self.parts:
            return None
        end_us, gap, value, residual, evidence, *estimates = map(np.concatenate, zip(*self.parts, strict=True))
        return TracedTicks(end_us, gap, value, residual, evidence, Estimates(*estimates))


def retrace(journal: Journal, kept: KeptEvent, seconds: float = inf) -> Trace:
    """Replay the journal up to the batch that raised an alarm, given its event.

    Raises JournalTooShort where neither the journal nor a checkpoint reaches back, StateError where the file is
    damaged, OutOfTimeError where it would take longer than `seconds`.
    """
    body = kept.body
    names = next((names for names in journal.renamed() if body["series"] in names), (body["series"],))
    own = [number for number, name, _ in journal.series() if name == names[0]]
    alone = own if "members" not in body else []
    until = monotonic() + seconds
    try:
        return _replay(journal, kept, names, alone, until, whole=True)
    except JournalForgotten as error:
        trace = _replay(journal, kept, names, (), until, whole=False) if "amended" not in body else None
        if trace is not None and trace.from_batch:
            return trace
        arrived = "" if kept.arrival_us is None else f", which arrived {moment_in_words(kept.arrival_us)},"
        raise JournalTooShort(
            f"alarm {body['alarm_id']}: it followed from batch {kept.batch}{arrived} and can no longer be replayed: no "
            f"checkpoint from before it is kept, and {error}"
        ) from error


def _replay(
    journal: Journal, kept: KeptEvent, names: Sequence[str], alone: Sequence[int], until: float, *, whole: bool
) -> Trace:  # fmt: skip
    """Replay from the beginning, or else from the newest checkpoint before the alarm, if there is one."""
    body = kept.body
    watch = _Watch(names, (body["rule"], body["label"]), body["time_us"])
    tick = body.get("tick")
    replica = Replica(Settings(), watch=watch, cut_at=tick if tick and tick > 0 else None)
    watch.cohort = lambda plan: replica.pipeline.cohort(plan)  # of the settings that are then in force
    begin = 0
    if not whole:
        checkpoint = journal.checkpoints.load(before=kept.batch)
        if checkpoint is None:
            return Trace(None, 0, 0)
        replica.use_checkpoint(checkpoint)
        begin = checkpoint.batch
    found: AlarmEvent | SiteEvent | None = None
    settings, last = "", begin
    # What corrected values have raised follows from these; what they were first raises nothing there.
    latest = find_latest(journal.corrections(), body["amended"]) if "amended" in body else None
    batches = journal.tail(begin) if latest is None else with_corrections(journal, latest)
    for joined in group_joined(batches):
        if joined[0].batch > kept.batch:
            break
        if monotonic() > until:
            raise OutOfTimeError("it takes too long to be done here; `sentinel explain` takes its time")
        result = replica.apply(*(only(committed, alone) if alone else committed for committed in joined))
        last = joined[-1].batch
        events: tuple[AlarmEvent | SiteEvent, ...] = (*result.events, *result.sites)
        for event in events:
            if event.id == f"{body['alarm_id']}/raised":
                found, settings = event, fingerprint(replica.settings)
    if last < kept.batch:
        raise StateError(f"alarm {body['alarm_id']}: batch {kept.batch} is not in the journal, which ends with {last}")
    raised = None if found is None else body_of(found) | {"settings": settings}
    return Trace(raised, last - begin, begin, watch.plan, watch.digest if tick else "", watch.ticks(), alone)


def only(committed: Committed, series: Sequence[int] | Ints) -> Committed:
    """Leave out the observations of other series; their names stay, as numbers follow from them."""
    mine = np.isin(committed.series, series)
    if mine.all():
        return committed
    return replace(
        committed, time_us=committed.time_us[mine], series=committed.series[mine], value=committed.value[mine]
    )
