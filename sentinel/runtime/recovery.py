"""Recovery: the state from the last checkpoint and what the journal has had since.

An upgrade never locks a state out. A checkpoint that this version cannot continue is dropped, and the journal is
replayed from its beginning. Where retention has forgotten the beginning, every series starts afresh: names, ids, the
sources' cursors and watermarks stay, and alarms that were open end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from sentinel.domain.events import clear
from sentinel.journal import Checkpoint, Committed, Journal, JournalForgotten
from sentinel.pipeline import sites
from sentinel.pipeline.codec import UnreadableState, from_arrays, upgrade
from sentinel.pipeline.pipeline import Result
from sentinel.pipeline.state import NOTHING, Batch
from sentinel.runtime.replica import Replica

logger = logging.getLogger(__name__)

Settle = Callable[[Committed, Result], None]


def restore(journal: Journal, replica: Replica, settle: Settle, stopped: Callable[[], bool]) -> int | None:
    """Bring the replica to where the journal is; give the last batch, or None if it was stopped on the way.

    `settle` is called after each batch, with what the batch gave.
    """
    checkpoint = journal.load_checkpoint()
    if checkpoint is None:
        return _replay(journal, replica, settle, stopped, 0)
    for warning in checkpoint.warnings:
        logger.warning(warning)
    replica.use_record(checkpoint.header["settings"])
    try:
        arrays, header = upgrade(checkpoint.arrays, checkpoint.header)
        replica.state = from_arrays(replica.pipeline, arrays, header)
        replica.watermarks = {name: int(us) for name, us in header["watermarks"].items()}
    except UnreadableState as error:
        logger.warning(
            "the checkpoint of another version cannot be continued: the journal is replayed from its beginning",
            extra={"why": str(error)},
        )
        try:
            return _replay(journal, replica, settle, stopped, 0)
        except JournalForgotten:
            _start_afresh(journal, replica, checkpoint, settle)
    return _replay(journal, replica, settle, stopped, checkpoint.batch)


def _replay(journal: Journal, replica: Replica, settle: Settle, stopped: Callable[[], bool], batch: int) -> int | None:
    """Let every batch after this one move the state; the last of them, or None if it was stopped on the way."""
    for committed in journal.tail(batch):
        if stopped():
            return None
        settle(committed, replica.apply(committed))
        batch = committed.batch
    return batch


def _start_afresh(journal: Journal, replica: Replica, checkpoint: Checkpoint, settle: Settle) -> None:
    """Let every series of the checkpoint start again, in `learning`, and end the alarms that were open."""
    header, ids = checkpoint.header, checkpoint.arrays.get("ids")
    series = journal.series()[: None if ids is None else ids.size]
    replica.use_record(header["settings"])
    replica.watermarks = {name: int(us) for name, us in header.get("watermarks", header.get("clocks", {})).items()}
    known = Batch(NOTHING.series, NOTHING.time_us, NOTHING.value, tuple(series))
    replica.state, _ = replica.pipeline.advance(replica.pipeline.init(), known)
    replica.state = replace(replica.state, sites=sites.from_record(header["sites"]))
    open_alarms = journal.open_alarms(checkpoint.batch)
    ended = tuple(
        clear(alarm, max(alarm["time_us"], replica.watermarks.get(alarm["source"], alarm["time_us"])))
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
