"""Drills: now and then an artificial series is led to an alarm, to see that one would reach people.

Its source is played by a thread of the scheduler and comes through the inbox, as all sources do. The engine's thread
steps it through a pipeline of its own, so that no other series is touched, and hands its events to the journal's outbox
with all others, labelled as a drill. A link that does not do its part in time has failed, and is named. The alarm ends
in any case: after a crash it is the first thing that the next process does.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from threading import Lock
from time import monotonic
from typing import Any
from uuid import uuid4

import numpy as np

from sentinel.config import Settings, SimulateSource, fingerprint
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.drills import DETECTOR, DRILL, ENGINE, JOURNAL, RULE, SOURCE, DrillView, Link, receiver_link
from sentinel.domain.events import clear
from sentinel.domain.metrics import Metrics
from sentinel.domain.observation import Frame
from sentinel.domain.spans import DAY, Cadence
from sentinel.domain.states import SourceStatus
from sentinel.journal import NO_BATCH, Journal
from sentinel.pipeline.pipeline import Batch, Pipeline
from sentinel.runtime.inbox import Inbox
from sentinel.runtime.outbox import Outbox
from sentinel.sources.simulate import Playback
from sentinel.text.claims import body_of
from sentinel.text.events import ENDED, drill_in_words, raised_in_words

logger = logging.getLogger(__name__)

SYSTEM, SEED, TICKS = "fold", 10, 1_010
"""This run raises its only alarm near its last tick: the evidence is gathered, and the alarm is of now."""
RETRY_SECONDS = 300.0
"""A drill of the schedule that failed is made again after this time, or after `drill.every` if that is shorter."""


@cache
def shadow_settings() -> Settings:
    """Give the settings of the series of a drill: its own cadence, bank and rule, whatever those of others are."""
    return Settings.model_validate(
        {
            "series": [{"match": DRILL, "cadence": "1s"}],
            "banks": {"default": {"half_life": "30 ticks"}},
            # Of this kind, because its kernels are compiled whatever the configuration is.
            "alarms": [{"kind": "slower", "alpha": 1e-3}],
        }
    )


def make_source(clock: Clock) -> Playback:
    """Make the source of a drill: a system that has slowed down until now, a second per tick."""
    start = datetime.fromtimestamp(clock.now_us() / MICROSECONDS - TICKS, UTC).isoformat()
    settings = SimulateSource(
        kind="simulate", name=DRILL, system=SYSTEM, seed=SEED, ticks=TICKS, cadence=Cadence(MICROSECONDS), start=start
    )
    return Playback(settings, clock)


def _new_id() -> str:
    return f"{DRILL}-{uuid4().hex[:12]}"


@dataclass(slots=True)
class _Run:
    """The drill that runs. What the thread of the source writes is `frame` and `fault`, once each."""

    view: DrillView
    sinks: tuple[str, ...]
    began: float = field(default_factory=monotonic)
    since: float = field(default_factory=monotonic)
    """When the present link began."""
    frame: Frame | None = None
    fault: str = ""
    raised: dict[str, Any] | None = None
    keep_until: float = 0.0
    cleared: bool = False


class Drill:
    """Makes drills, one at a time. Belongs to the engine's thread, but for `ask` and `view`."""

    def __init__(
        self, settings: Callable[[], Settings], journal: Journal, inbox: Inbox, outbox: Outbox, metrics: Metrics,
        clock: Clock, sources: Mapping[str, SourceStatus],
    ) -> None:  # fmt: skip
        self._sources = sources
        self._settings, self._journal, self._inbox, self._outbox = settings, journal, inbox, outbox
        self._metrics, self._clock = metrics, clock
        self.launch: Callable[[Callable[[], None]], None] = lambda job: job()
        """Lets the scheduler run something at once, in a thread of its own."""
        self.view = DrillView()
        """The present drill, or the last one."""
        self._ended = DrillView()
        """The last one that has ended."""
        self._lock = Lock()
        """Held while it is decided which drill runs or is wanted: two threads ask for them."""
        self._run: _Run | None = None
        self._wanted = ""
        self._launched: set[str] = set()
        self._left_open: list[Mapping[str, Any]] = []
        self._succeeded_us, self._began_us = -1, clock.now_us()
        self._retry_at, self._made = 0.0, monotonic()
        metrics.drill_alarm.set(0)

    def ask(self, request: Mapping[str, Any]) -> Future[str] | None:
        """Answer a request that is about drills, at once, as an engine that stands still could not; None for others.

        One that names no drill asks for one. Called by any thread.
        """
        if request.get("action") != DRILL:
            return None
        answer: Future[str] = Future()
        answer.set_result(json.dumps(self._find(str(request.get("id", ""))).to_record()))
        return answer

    def _find(self, asked: str) -> DrillView:
        if not asked:
            if self._run is None and (behind := self._find_behind()):
                return DrillView(
                    _new_id(), ended=True, skipped=f"{', '.join(behind)} catching up with what came before"
                )
            with self._lock:
                run = self._run
                asked = run.view.id if run else self._wanted or _new_id()
                self._wanted = self._wanted if run else asked
        for view in (self.view, self._ended):
            if view.id == asked:
                return view
        return DrillView(asked, links=(Link(ENGINE),), patience_seconds=self._patience())

    def resume(self) -> None:
        """Find what a former process has left: the last success, and alarms that have not ended."""
        last = self._journal.drills.last()
        if last is not None:
            self.view = self._ended = DrillView.from_record(last["outcome"])
            self._succeeded_us = int(last["succeeded_us"])
            if self._succeeded_us >= 0:
                self._metrics.drill_last_success.set(self._succeeded_us / MICROSECONDS)
        self._left_open = [event for event in self._journal.open_events() if event.get(DRILL)]

    def sort_out(self, frames: Iterable[Frame]) -> list[Frame]:
        """Take the frames of drills, and give back all others."""
        others = []
        for frame in frames:
            if frame.source not in self._launched:
                others.append(frame)
            elif self._run is not None and self._run.view.id == frame.source:
                self._run.frame = frame
        return others

    def step(self) -> None:
        """Begin a drill that is due, or go on with the one that runs; it never waits.

        Raises what the journal raises if that cannot be written; the same is done by a later call.
        """
        while self._left_open:
            self._clear(self._left_open[0])
            self._left_open.pop(0)
        if self._run is None and ((wanted := self._wanted) or self._is_due()):
            self._begin(wanted or _new_id())
        if self._run is not None:
            self._go_on(self._run)

    def end(self) -> None:
        """End the alarm of a drill that runs, as the daemon ends; that drill has come to nothing."""
        if self._run is not None and self._run.raised is not None and not self._run.cleared:
            self._clear(self._run.raised)
            self._run = None

    def _find_behind(self) -> list[str]:
        """Name the sources that catch up."""
        return [one.name for one in tuple(self._sources.values()) if one.catching_up]

    def _patience(self) -> float:
        drill = self._settings().drill
        return (drill.timeout + drill.keep) / MICROSECONDS

    def _choose_sinks(self) -> tuple[str, ...]:
        chosen = self._settings().drill.receivers
        return tuple(sink for sink in self._outbox.sinks if chosen is None or sink in chosen)

    def _is_due(self) -> bool:
        """Tell whether the schedule asks for a drill: none while a history is read in, which would hold it up.

        That excuses a drill for `drill.every`, and at least for a day; then it is overdue all the same.
        """
        every = self._settings().drill.every
        if every is None:
            self._metrics.drill_due.forget({})
            return False
        now_us = self._clock.now_us()
        # The clock may have been set back: what lies ahead of it was now.
        self._succeeded_us, self._began_us = min(self._succeeded_us, now_us), min(self._began_us, now_us)
        due_us = self._began_us if self._succeeded_us < 0 else self._succeeded_us + every
        is_early = monotonic() - self._made < self._settings().drill.timeout / MICROSECONDS
        waits = self._find_behind() or (is_early and not all(one.has_answered for one in self._sources.values()))
        if waits and now_us < due_us + max(every, DAY):
            self._metrics.drill_due.forget({})
            return False
        self._metrics.drill_due.set(due_us / MICROSECONDS)
        return not waits and now_us >= due_us and monotonic() >= self._retry_at

    def _begin(self, name: str) -> None:
        owed, chosen = self._journal.drills.owed(), self._choose_sinks()
        sinks = tuple(sink for sink in chosen if sink not in owed)
        names = (SOURCE, DETECTOR, RULE, JOURNAL, *map(receiver_link, chosen))
        links = (Link(ENGINE, 0.0), *map(Link, names), *(Link(receiver_link(sink, ended=True)) for sink in sinks))
        run = _Run(DrillView(name, self._clock.now_us(), links, patience_seconds=self._patience()), sinks)
        self._launched.add(name)  # for ever: what comes late of one that was given up is no observation of a series
        with self._lock:
            self._run, self._wanted = run, "" if self._wanted == name else self._wanted
        self._metrics.drill_delay.forget({})
        for sink in set(chosen) - set(sinks):
            told = (
                f"it has not been told of the end of the drill before: {self._outbox.failure(sink) or 'it is waiting'}"
            )
            self._note(run, receiver_link(sink), told)
        self.view = run.view
        logger.info("a drill begins", extra={"drill": name})
        self.launch(lambda: self._feed(run))

    def _feed(self, run: _Run) -> None:
        """Let the source tell; in a thread of the scheduler. A drill that was given up by then needs nothing more."""
        if self._run is not run:
            return
        try:
            frame = replace(make_source(self._clock).fetch(None), source=run.view.id)
            self._inbox.put(frame)
        except Exception as error:  # noqa: BLE001 - whatever it is, the drill says it
            run.fault = f"{type(error).__name__}: {error}"

    def _go_on(self, run: _Run) -> None:
        if self._find_behind():  # what waits of it stands behind a history
            run.since = monotonic()
        late = monotonic() - run.since > self._settings().drill.timeout / MICROSECONDS
        if run.raised is None:
            if run.frame is not None:
                self._judge(run, run.frame)
            elif run.fault or late:
                self._note(run, SOURCE, run.fault or "no observation came: the scheduler or its threads stand still")
            if any(link.name in (SOURCE, DETECTOR, RULE) for link in run.view.failed):
                self._finish(run)
        elif not run.cleared:
            if self._hear(run, late=late) and monotonic() >= run.keep_until:
                self._clear(run.raised)
                run.cleared, run.since = True, monotonic()
        elif self._hear(run, late=late, ended=True):
            self._finish(run)

    def _judge(self, run: _Run, frame: Frame) -> None:
        """Step the series through a pipeline, and hand its alarm to the outbox."""
        self._note(run, SOURCE)
        settings = shadow_settings()
        pipeline, table = Pipeline(settings), frame.observations
        time_us, value = table["time"].to_numpy().astype(np.int64), table["value"].to_numpy()
        series = np.zeros(time_us.size, np.int64)
        batch = Batch(series, time_us, value, ((0, DRILL, DRILL),), frame.watermark_us, DRILL)
        _, result = pipeline.advance(pipeline.init(), batch)
        judged = sum(sum(ticks) for ticks in result.alarm_ticks.values())
        self._note(run, DETECTOR, "" if judged else "it has not become ready")
        raised = [event for event in result.events if event.what == "raised"]
        if judged:
            self._note(run, RULE, "" if raised else "it has raised no alarm")
        if not raised:
            return
        name = run.view.id
        event = raised[-1]._replace(id=f"{name}/raised", alarm_id=name, severity=DRILL)
        body = body_of(event) | {DRILL: True, "settings": fingerprint(settings)}
        body["text"] = raised_in_words(str(body["text"]))
        self._journal.append_events([body], run.sinks, NO_BATCH)
        self._outbox.note([body])
        run.raised, run.since = body, monotonic()
        run.keep_until = run.since + self._settings().drill.keep / MICROSECONDS
        self._metrics.drill_alarm.set(1)
        self._note(run, JOURNAL)

    def _clear(self, raised: Mapping[str, Any]) -> None:
        """End the alarm of a drill, for all receivers that were to be told of it."""
        event = clear(raised, max(self._clock.now_us(), int(raised["time_us"])))
        body = body_of(event) | {DRILL: True, "settings": raised["settings"], "text": ENDED}
        self._journal.append_events([body], list(self._journal.drills.told(raised["id"])), NO_BATCH)
        self._outbox.note([body])
        self._metrics.drill_alarm.set(0)

    def _hear(self, run: _Run, *, late: bool, ended: bool = False) -> bool:
        """Note which receivers have been told; True once nothing more is to be heard."""
        told = self._journal.drills.told(f"{run.view.id}/{'cleared' if ended else 'raised'}")
        self._leave_out_removed(run)
        waiting = {link.name for link in run.view.links if link.seconds is None and not link.why}
        heard = True
        for sink in run.sinks:
            name, when = receiver_link(sink, ended=ended), told.get(sink)
            if name not in waiting:
                continue
            if when is not None and when > 0:
                self._note(run, name)
                if not ended:
                    self._metrics.drill_delay.set(monotonic() - run.began, sink=sink)
            elif when is not None:
                self._note(run, name, "it refused the event; see the log")
            elif late:
                self._note(run, name, self._outbox.failure(sink) or "no answer in time")
            else:
                heard = False
        return heard

    def _leave_out_removed(self, run: _Run) -> None:
        """Wait no longer for receivers that a reload has taken out of the settings."""
        removed = [sink for sink in run.sinks if sink not in self._outbox.sinks]
        if removed:
            run.sinks = tuple(sink for sink in run.sinks if sink not in removed)
            names = {receiver_link(sink, ended=ended) for sink in removed for ended in (False, True)}
            links = tuple(link for link in run.view.links if link.name not in names)
            run.view = self.view = run.view._replace(links=links)

    def _note(self, run: _Run, name: str, why: str = "") -> None:
        """Note that a link has held, or why it has not; what was noted first stands."""
        seconds = None if why else round(monotonic() - run.began, 3)
        links = tuple(
            Link(name, seconds, why) if link.name == name and link.seconds is None and not link.why else link
            for link in run.view.links
        )
        run.view = self.view = run.view._replace(links=links)

    def _finish(self, run: _Run) -> None:
        """Keep what came of it, in the journal first."""
        now_us, view = self._clock.now_us(), run.view._replace(ended=True)
        succeeded_us = now_us if view.worked else self._succeeded_us
        outcome = {
            "alarm_id": view.id, "series": DRILL, "time_us": now_us, "succeeded_us": succeeded_us, DRILL: True,
            "outcome": view.to_record(),
        }  # fmt: skip
        self._journal.drills.keep(outcome, now_us - self._settings().daemon.retention)
        self._succeeded_us, self._ended, self.view = succeeded_us, view, view
        with self._lock:
            self._run = None
        self._metrics.drills.inc()
        if view.worked:
            self._metrics.drill_last_success.set(now_us / MICROSECONDS)
        else:
            self._metrics.drill_failures.inc()
            every = self._settings().drill.every
            self._retry_at = monotonic() + min(RETRY_SECONDS, (every or 0) / MICROSECONDS)
        log = logger.info if view.worked else logger.error
        log("a drill has ended", extra={"drill": view.id, "outcome": drill_in_words(view)})
