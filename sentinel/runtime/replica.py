"""The state that follows from a journal: batches go in, state and results come out, the same live and after a crash.

Nothing here knows a clock: what time did to the state stands in the batches.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sentinel.config import Settings, from_record
from sentinel.domain.channels import Estimates
from sentinel.journal import Committed
from sentinel.pipeline.codec import digest
from sentinel.pipeline.cohort import CohortState, SteppedBlock
from sentinel.pipeline.grid import ABSENT
from sentinel.pipeline.history import History
from sentinel.pipeline.migrate import migrate
from sentinel.pipeline.pipeline import Batch, CohortKey, Pipeline, PipelineState, Result
from sentinel.pipeline.results import strongest

logger = logging.getLogger(__name__)

NAMED = 20
"""Series that start afresh are named in the log up to this number; of the rest the number is said."""


class Replica:
    """A pipeline, its state, and the watermarks of the sources.

    Parameters
    ----------
    history: where the columns of the pictures are kept; None keeps none.
    took: told how many seconds each stage of the pipeline took.
    """

    def __init__(
        self, settings: Settings, history: History | None = None,
        took: Callable[[str, float], None] = lambda _stage, _seconds: None, *, threads: int = 1,
    ) -> None:  # fmt: skip
        self._history = history
        self._took = took
        self._threads = threads
        self.digests: list[tuple[int, int, str]] = []
        """(series id, tick, digest) since the list was last emptied."""
        self._warnings: set[str] = set()
        self.watermarks: dict[str, int] = {}
        """Up to when each source has told everything, by its own clock, microseconds."""
        self.use(settings)
        self.state: PipelineState = self.pipeline.init()

    def use(self, settings: Settings) -> None:
        """Build the pipeline of these settings; the state is not touched."""
        self.settings = settings
        self.pipeline = Pipeline(
            settings, threads=self._threads, cut_every=settings.daemon.digest_every_ticks, took=self._took
        )

    def use_record(self, record: Mapping[str, Any]) -> None:
        """Build the pipeline of recorded settings; what is ignored in them is logged once."""
        self.use(from_record(record, self._warn_once))

    def _warn_once(self, line: str) -> None:
        if line not in self._warnings:
            self._warnings.add(line)
            logger.warning(line)

    def apply(self, committed: Committed, *, rows: bool = False) -> Result:
        """Let one batch move the state."""
        if committed.kind == "settings":
            former = self.settings
            self.use_record(committed.payload["settings"])
            self.state, anew, ended = migrate(self.pipeline, self.state, former)
            for name in anew[:NAMED]:
                logger.warning("settings changed: the series starts afresh", extra={"series": name})
            if len(anew) > NAMED:
                more = {"count": len(anew) - NAMED}
                logger.warning("settings changed: more series start afresh", extra=more)
            self.state, result = self.pipeline.with_sites(self.state, Result(ended))
            return result
        if committed.watermark_us is not None:
            self.watermarks[committed.source] = committed.watermark_us  # a clock that was wrong may be put right
        batch = Batch(
            committed.series, committed.time_us, committed.value, committed.new_series,
            committed.watermark_us, committed.source,
        )  # fmt: skip
        self.state, result = self.pipeline.advance(self.state, batch, rows=rows, observer=self._observe)
        return result

    def _observe(self, state: PipelineState, key: CohortKey, members: CohortState, ticks: SteppedBlock) -> None:
        block = ticks.block
        length = (block.kind != ABSENT).sum(axis=0)
        every = self.settings.daemon.digest_every_ticks
        if every:
            last = block.tick[length - 1, np.arange(length.size)]
            for column in np.flatnonzero(last % every == 0):
                row = int(block.rows[column])
                self.digests.append((int(members.series[row]), int(last[column]), digest(members, row)))
        if self._history is not None:
            self._picture(self._history, state.names, key, members, ticks)

    def _picture(
        self, history: History, names: tuple[str, ...], key: CohortKey, members: CohortState, ticks: SteppedBlock
    ) -> None:
        block, scored = ticks.block, ticks.scored
        cohort = self.pipeline.cohort(key[0])
        length = (block.kind != ABSENT).sum(axis=0)
        ids = members.series[block.rows]
        for s in np.flatnonzero(ids < self.settings.web.history_series):
            n, row = int(length[s]), block.rows[s]
            end_us = cohort.grid.start_us(members.grid.origin_us[row], block.tick[:n, s] + 1)
            evidence = strongest(scored.evidence.evidence[:n, s])
            history.append(
                names[ids[s]], cohort.scoring.thresholds, end_us, scored.readings[:n, s],
                Estimates._make(array[:n, s] for array in scored.estimates), evidence,
            )  # fmt: skip
