"""The state that follows from a journal: batches go in, state and results come out, the same live and after a crash.

Nothing here knows a clock: what time did to the state stands in the batches.

An upgrade never locks a state out. A checkpoint that this version cannot continue is dropped, and the journal is
replayed from its beginning. Where retention has forgotten the beginning, every series starts afresh: names, ids, the
sources' cursors and watermarks stay, and alarms that were open end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from sentinel.config import Settings, from_record
from sentinel.domain.acting import Action
from sentinel.domain.channels import Estimates
from sentinel.domain.errors import StateError
from sentinel.domain.events import BEGUN_ANEW, WITHDRAWN, AlarmEvent, clear, read_event
from sentinel.domain.gates import GateEvent
from sentinel.domain.renaming import present_names
from sentinel.journal import Checkpoint, Committed, Journal, JournalForgotten, group_joined
from sentinel.pipeline import sites
from sentinel.pipeline.codec import UnreadableState, digest, from_arrays, read_gone, upgrade
from sentinel.pipeline.cohort import CohortState, SteppedBlock
from sentinel.pipeline.gates import lift
from sentinel.pipeline.grafting import from_text, graft
from sentinel.pipeline.grid import ABSENT
from sentinel.pipeline.history import History
from sentinel.pipeline.migrate import count_open, follow_sites, migrate
from sentinel.pipeline.pipeline import Batch, CohortKey, Observer, Pipeline, PipelineState, Result
from sentinel.pipeline.results import strongest
from sentinel.pipeline.retiring import forget, rename, retire, take_back, take_out
from sentinel.pipeline.state import NOTHING

logger = logging.getLogger(__name__)

Settle: TypeAlias = Callable[[Committed, Result], None]

NAMED = 20
"""Series that start afresh are named in the log up to this number; of the rest the number is said."""


class Replica:
    """A pipeline, its state, and the watermarks of the sources.

    Parameters
    ----------
    history: where the columns of the pictures are kept; None keeps none.
    took: told how many seconds each stage of the pipeline took.
    watch: called after every block, as an observer of the pipeline.
    cut_at: blocks end after the tick of this number; None = where the settings want digests.
    """

    def __init__(
        self, settings: Settings, history: History | None = None,
        took: Callable[[str, float], None] = lambda _stage, _seconds: None, *, threads: int = 1,
        watch: Observer | None = None, cut_at: int | None = None,
    ) -> None:  # fmt: skip
        self._history, self._took, self._threads, self._watch, self._cut_at = history, took, threads, watch, cut_at
        self.digests: list[tuple[int, int, str]] = []
        """(series id, tick, digest) since the list was last emptied."""
        self._warnings: set[str] = set()
        self.unread: list[int] = []
        """Batches of facts with series that were computed anew and cannot be read, which no other fact has noted."""
        self.watermarks: dict[str, int] = {}
        """Moment up to which each source has told everything, by its own clock, microseconds."""
        self.use(settings)
        self._state: PipelineState | None = self.pipeline.init()

    @property
    def state(self) -> PipelineState:
        """The state; StateError if a batch broke off while it moved it."""
        if self._state is None:
            raise StateError("a batch broke off while it moved the state; the journal leads to it again")
        return self._state

    @state.setter
    def state(self, state: PipelineState) -> None:
        self._state = state

    def use(self, settings: Settings) -> None:
        """Build the pipeline of these settings; the state is not touched."""
        self.settings = settings
        cut_every = settings.daemon.digest_every_ticks if self._cut_at is None else self._cut_at
        self.pipeline = Pipeline(settings, threads=self._threads, cut_every=cut_every, took=self._took)

    def use_record(self, record: Mapping[str, Any]) -> None:
        """Build the pipeline of recorded settings; what is ignored in them is logged once."""
        self.use(from_record(record, self._warn_once))

    def use_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Take over the settings and the state of a checkpoint; errors as of `from_arrays`."""
        self.use_record(checkpoint.header["settings"])
        arrays, header = upgrade(checkpoint.arrays, checkpoint.header)
        self.state = from_arrays(self.pipeline, arrays, header)
        self.watermarks = {name: int(us) for name, us in header["watermarks"].items()}

    def _warn_once(self, line: str) -> None:
        if line not in self._warnings:
            self._warnings.add(line)
            logger.warning(line)

    def apply(self, *joined: Committed, rows: bool = False) -> Result:
        """Let one batch move the state, or several that move it together."""
        committed = joined[0]
        if committed.kind == "settings":
            former = self.settings
            self.use_record(committed.payload["settings"])
            self.state, anew, ended = migrate(self.pipeline, self.state, former)
            for name in anew[:NAMED]:
                logger.warning("settings changed: the series starts afresh", extra={"series": name})
            if more := anew[NAMED:]:
                logger.warning("settings changed: more series start afresh", extra={"count": len(more)})
            self.state, result = follow_sites(self.pipeline, self.state, former, ended)
            return result
        if committed.kind == "operator":
            return self._act(committed.payload, committed.batch)
        for each in joined:
            if each.watermark_us is not None:
                self.watermarks[each.source] = each.watermark_us  # a clock that was wrong may be put right
        batch = Batch(
            np.concatenate([each.series for each in joined]), np.concatenate([each.time_us for each in joined]),
            np.concatenate([each.value for each in joined]), tuple(new for each in joined for new in each.new_series),
            committed.watermark_us, committed.source, tuple(moved for each in joined for moved in each.moved),
            tuple((each.source, each.watermark_us) for each in joined[1:]),
        )  # fmt: skip
        state, self._state = self.state.to_use_up(), None  # one that breaks off must not go on from there
        self.state, result = self.pipeline.advance(state, batch, rows=rows, observer=self._observe)
        return result

    def _act(self, fact: Mapping[str, Any], batch: int) -> Result:
        """Let what an operator did move the state; what does not, or is not known to this version, changes nothing."""
        ended: tuple[AlarmEvent, ...] = ()
        renamed: set[str] = set()
        match fact.get("action"):
            case Action.RETIRED:
                self.state, ended = retire(self.pipeline, self.state, fact["series"])
            case Action.TAKEN_BACK:
                self.state = take_back(self.settings, self.state, fact["series"])
            case Action.BEGUN_ANEW:
                self.state, ended = retire(self.pipeline, self.state, fact["series"], BEGUN_ANEW)
                self.state = take_back(self.settings, self.state, fact["series"])
            case Action.FORGOTTEN:
                self.state, ended = forget(self.pipeline, self.state, fact["series"])
            case Action.RENAMED:
                before, self.state = self.state, rename(self.state, fact["series"], fact["to"])
                names = {old: new for old, new in zip(before.names, self.state.names, strict=True) if old != new}
                renamed.update(names.values())
                if self._history is not None:
                    self._history.rename(names)
            case Action.DECLARED:
                self.state = self.pipeline.declare(self.state, GateEvent.from_record(fact["event"]))
            case Action.LIFTED:
                self.state = lift(self.state, fact["event_id"], fact["time_us"])
            case Action.AMENDED if fact.get("state"):
                ended = self._amend(fact, batch)
            case Action.UNREAD:
                self.unread = [each for each in self.unread if each > max(fact["batches"])]
        self.state, result = self.pipeline.with_sites(self.state, Result(ended))
        if renamed and self.settings.sites:  # sites may match the new name
            self.state, raised = count_open(self.pipeline, self.state, self.settings.sites, renamed)
            result = replace(result, sites=(*result.sites, *raised))
        return result

    def _amend(self, fact: Mapping[str, Any], batch: int) -> tuple[AlarmEvent, ...]:
        """Put series that were computed anew into their places; give the ends of alarms, and alarms that are new."""
        try:
            part = from_text(self.pipeline, fact["state"])
        except UnreadableState as error:
            logger.warning("series computed anew by another version cannot be continued", extra={"why": str(error)})
            self.unread.append(batch)
            return ()
        self.state, ended, opened = graft(self.pipeline, self.state, part)
        withdrawn = {one["alarm_id"] for one in fact["verdicts"] if one["verdict"] == WITHDRAWN}
        over = {body["alarm_id"] for body in fact["raised"] if body["what"] == "cleared"}
        new = (read_event(body) for body in fact["raised"] if body["alarm_id"] in opened | over)
        gone = (one._replace(ended_by=WITHDRAWN) if one.alarm_id in withdrawn else one for one in ended)
        return (*gone, *new)

    def _observe(self, state: PipelineState, key: CohortKey, members: CohortState, ticks: SteppedBlock) -> None:
        """Take digests of the states that are due for one, and the columns of the pictures."""
        if self._watch is not None:
            self._watch(state, key, members, ticks)
        block, scored = ticks.block, ticks.scored
        length = (block.kind != ABSENT).sum(axis=0)
        every = self.settings.daemon.digest_every_ticks
        if every:
            last = block.tick[length - 1, np.arange(length.size)]
            for column in np.flatnonzero(last % every == 0):
                row = int(block.rows[column])
                self.digests.append((int(members.series[row]), int(last[column]), digest(members, row)))
        if self._history is None:
            return
        cohort, ids = self.pipeline.cohort(key[0]), members.series[block.rows]
        shown = ids < self.settings.web.history_series
        if not shown.any():
            return
        mine = slice(None) if shown.all() else np.flatnonzero(shown)  # all of them without a copy
        end_us = cohort.grid.start_us(members.grid.origin_us[block.rows[mine]], block.tick[:, mine] + 1)
        self._history.append(
            [state.names[series] for series in ids[mine].tolist()], cohort.scoring.thresholds, length[mine], end_us,
            block.value[:, mine], ticks.states.state[:, mine], scored.readings[:, mine],
            Estimates._make(array[:, mine] for array in scored.estimates),
            strongest(scored.evidence.evidence[:, mine]),
        )  # fmt: skip


def restore(
    journal: Journal, replica: Replica, settle: Settle, stopped: Callable[[], bool],
    before_replay: Callable[[int], None] = lambda _batch: None,
) -> int | None:  # fmt: skip
    """Bring the replica to where the journal is; give the last batch, or None if it was stopped on the way.

    `settle` is called after each batch, with what the batch gave; `before_replay` once, with the batch of the
    checkpoint from which it goes on, 0 = none.
    """
    checkpoint = journal.checkpoints.load()
    if checkpoint is None:
        before_replay(0)
        return _replay(journal, replica, settle, stopped, 0)
    for warning in checkpoint.warnings:
        logger.warning(warning)
    try:
        replica.use_checkpoint(checkpoint)
    except UnreadableState as error:
        logger.warning(
            "the checkpoint of another version cannot be continued: the journal is replayed from its beginning",
            extra={"why": str(error)},
        )
        try:
            return _replay(journal, replica, settle, stopped, 0)
        except JournalForgotten:
            _start_afresh(journal, replica, checkpoint, settle)
    batch = checkpoint.batch
    del checkpoint  # its arrays are those of a state that goes as the next one comes
    before_replay(batch)
    return _replay(journal, replica, settle, stopped, batch)


def _replay(journal: Journal, replica: Replica, settle: Settle, stopped: Callable[[], bool], batch: int) -> int | None:
    """Let every batch after this one move the state; the last of them, or None if it was stopped on the way."""
    for joined in group_joined(journal.tail(batch)):
        if stopped():
            return None
        settle(joined[-1], replica.apply(*joined))
        batch = joined[-1].batch
    return batch


def _start_afresh(journal: Journal, replica: Replica, checkpoint: Checkpoint, settle: Settle) -> None:
    """Let every series of the checkpoint start again, in `learning`, and end the alarms that were open."""
    header, ids = checkpoint.header, checkpoint.arrays.get("ids")
    series = journal.series()[: None if ids is None else ids.size]
    replica.use_record(header["settings"])
    replica.watermarks = {name: int(us) for name, us in header.get("watermarks", header.get("clocks", {})).items()}
    retired, forgotten = read_gone(header, "retired"), read_gone(header, "forgotten")
    renamed = tuple(tuple(names) for names in header.get("renamed", ()))
    present = present_names(renamed)
    named = tuple((number, present.get(name, name), source) for number, name, source in series)
    known = Batch(NOTHING.series, NOTHING.time_us, NOTHING.value, named)
    begun = replace(replica.pipeline.init(), renamed=renamed)
    replica.state, _ = replica.pipeline.advance(begun, known)
    for journal_id, *_ in (*retired, *forgotten):
        replica.state, _, _ = take_out(replica.pipeline, replica.state, int(replica.state.ids[journal_id]))
    of_sites = sites.from_record(header["sites"])
    replica.state = replace(replica.state, sites=of_sites, retired=retired, forgotten=forgotten)
    open_alarms = journal.open_alarms(checkpoint.batch)
    ended = tuple(
        clear(alarm, max(alarm["time_us"], replica.watermarks.get(alarm["source"], alarm["time_us"])))._replace(
            ended_by=BEGUN_ANEW
        )
        for alarm in open_alarms
    )
    replica.state, result = replica.pipeline.with_sites(replica.state, Result(ended))
    logger.error(
        "the beginning of the journal has been forgotten (retention): every series starts afresh in learning, what had"
        " been learnt of them is lost, and their open alarms end",
        extra={"count": len(series), "alarms": len(ended)},
    )
    no_rows = NOTHING.time_us, NOTHING.series, NOTHING.value
    settle(Committed(checkpoint.batch, "settings", "", checkpoint.created_us, None, *no_rows), result)
