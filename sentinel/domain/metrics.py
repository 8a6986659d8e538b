"""The metrics: every name that a scrape can give, with its type, unit, labels and what it says.

What happens is counted on the instruments of `Metrics`, by the code that does it. What is known of series is read from
the snapshot at each scrape; its rows are `OF_SERIES`. Of an alarm rule the label `detector` is the kind and `threshold`
the label within the kind: neither changes while the rule stands, even where the number behind it does.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Generic, Literal, NamedTuple, TypeAlias, TypeVar

from sentinel.domain.channels import CHANNELS

LEVEL = 0.1
"""False discovery rate at which series are called discoveries."""
BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets of every histogram; one more bucket holds what is longer."""

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]
Labels: TypeAlias = tuple[str, ...]
"""Label values."""
T = TypeVar("T")


class Row(NamedTuple):
    """One metric of the table."""

    name: str
    type: Kind
    help: str
    labels: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """Base unit that ends the name (`seconds`, `bytes`), else empty."""
        return next((unit for unit in ("seconds", "bytes") if self.name.endswith(f"_{unit}")), "")


class Durations(NamedTuple):
    """Durations entered into a histogram."""

    counts: tuple[int, ...] = (0,) * (len(BUCKETS_SECONDS) + 1)
    """Number that fell into each bucket, not cumulative."""
    seconds: float = 0.0
    """Their sum."""


class Instrument(Generic[T]):
    """One metric that code moves, from any thread: a value for each set of label values; named without `sentinel_`."""

    kind: Kind
    start: T | None = None
    """The value that an instrument without labels has from the start; None = it is not shown before it is set."""

    def __init__(self, name: str, help_: str, *labels: str) -> None:
        self.row = Row(f"sentinel_{name}", self.kind, help_, labels)
        self._values: dict[Labels, T] = {} if labels or self.start is None else {(): self.start}
        self._lock = Lock()

    def values(self) -> dict[Labels, T]:
        """Copy the present values, by label values in the order of the sorted label names."""
        with self._lock:
            return dict(self._values)

    def forget(self, labels: Mapping[str, str]) -> None:
        """Show nothing any more that has these label values; nothing to do where it lacks one of the labels."""
        names = sorted(self.row.labels)
        if not labels.keys() <= set(names):
            return
        with self._lock:
            for key in [key for key in self._values if labels.items() <= dict(zip(names, key, strict=True)).items()]:
                del self._values[key]

    def _change(self, labels: Mapping[str, str], change: Callable[[T | None], T]) -> None:
        """Replace a value by what `change` makes of it; ValueError for labels that are not the instrument's."""
        if set(labels) != set(self.row.labels):
            raise ValueError(f"{self.row.name}: labels {sorted(labels)}; {sorted(self.row.labels)} are needed")
        key = tuple(labels[name] for name in sorted(labels))
        with self._lock:
            self._values[key] = change(self._values.get(key, self.start))


class Counter(Instrument[float]):
    """A number that only grows."""

    kind = "counter"
    start = 0.0

    def inc(self, amount: float = 1, **labels: str) -> None:
        """Count `amount` more; 0 makes it visible before it first counts."""
        self._change(labels, lambda value: (value or 0.0) + amount)


class Gauge(Instrument[float]):
    """A number that goes up and down. It is not shown before it is set."""

    kind = "gauge"

    def set(self, value: float, **labels: str) -> None:
        """Set the present value; NaN is not shown."""
        self._change(labels, lambda _: float(value))


class Histogram(Instrument[Durations]):
    """Distribution of the time that things took."""

    kind = "histogram"
    start = Durations()

    def observe(self, seconds: float, **labels: str) -> None:
        """Enter one duration."""
        bucket = bisect_left(BUCKETS_SECONDS, seconds)

        def enter(before: Durations | None) -> Durations:
            counts, total = before or Durations()
            return Durations((*counts[:bucket], counts[bucket] + 1, *counts[bucket + 1 :]), total + seconds)

        self._change(labels, enter)


class Metrics:
    """The instruments of one daemon, in the order in which a scrape gives them."""

    # fmt: off
    def __init__(self) -> None:
        self.config_last_reload_successful = Gauge(
            "config_last_reload_successful", "1 if the last reading of the settings succeeded.")
        self.config_last_reload_success = Gauge(
            "config_last_reload_success_timestamp_seconds", "When settings were last read.")
        self.config_reloads = Counter("config_reloads_total", "Times that settings were read again.")
        self.config_reload_failures = Counter("config_reload_failures_total", "Times that new settings were refused.")
        self.config_restart_required = Gauge(
            "config_restart_required", "1 while a section that was read again is not in force before a restart.",
            "reason")
        self.ready = Gauge("ready", "1 if what is shown can be relied on; /-/ready says why not.")
        self.ingestion_stopped = Gauge("ingestion_stopped", "1 while commits fail and no observation is accepted.")
        self.scheduler_up = Gauge("scheduler_up", "1 while the scheduler's thread is alive.")
        self.scheduler_heartbeat = Gauge("scheduler_heartbeat_timestamp_seconds", "Last sign of life of the scheduler.")
        self.scheduler_replacements = Counter(
            "scheduler_replacements_total", "Times that the scheduler had stopped or hung, and another was started.")
        self.task_runs = Counter("task_runs_total", "Runs of a scheduled task.", "task")
        self.task_failures = Counter("task_failures_total", "Runs of a scheduled task that failed.", "task")
        self.task_missed = Counter(
            "task_missed_total", "Runs of a scheduled task that did not start.", "task", "reason")
        self.task_duration = Histogram("task_duration_seconds", "How long a scheduled task ran.", "task")
        self.task_last_success = Gauge("task_last_success_timestamp_seconds", "Last successful run.", "task")
        self.task_expected_interval = Gauge("task_expected_interval_seconds", "How often a task is due.", "task")
        self.source_up = Gauge("source_up", "1 if the last fetch succeeded and none hangs for 30 s.", "source")
        self.source_catching_up = Gauge(
            "source_catching_up", "1 while a source has more to tell at once, such as its history.", "source")
        self.source_in_flight_since = Gauge(
            "source_in_flight_since_timestamp_seconds",
            "When the fetch or the start that has not ended yet began; 0 while there is none.", "source")
        self.source_last_success = Gauge("source_last_success_timestamp_seconds", "Last successful fetch.", "source")
        self.source_last_observation = Gauge(
            "source_last_observation_timestamp_seconds", "Newest event time.", "source")
        self.source_expected_interval = Gauge(
            "source_expected_interval_seconds", "How often a source is asked.", "source")
        self.source_fetches = Counter("source_fetches_total", "Fetches, failed ones included.", "source")
        self.source_fetch_failures = Counter("source_fetch_failures_total", "Fetches that failed.", "source")
        self.observations_received = Counter(
            "observations_received_total", "Observations that a source gave.", "source")
        self.observations_accepted = Counter("observations_accepted_total", "Observations that were used.", "source")
        self.observations_duplicate = Counter(
            "observations_duplicate_total", "Same series, time and value again.", "source")
        self.observations_revised = Counter(
            "observations_revised_total", "Same series and time, other value.", "source")
        self.observations_late = Counter("observations_late_total", "Came after their tick had closed.", "source")
        self.observations_on_hold = Counter(
            "observations_on_hold_total", "Came while a declared event held their series; not judged.", "source")
        self.observations_rejected = Counter("observations_rejected_total", "Could not be used.", "source", "reason")
        self.observations_marked = Counter(
            "observations_marked_total", "Taken without the mark behind their number (trailing), by mark.",
            "source", "reason")
        self.source_columns_without_numbers = Gauge(
            "source_columns_without_numbers",
            "Columns that have had no number yet; each becomes a series with its first.", "source")
        self.source_counting_columns = Gauge(
            "source_counting_columns",
            "Columns that are not judged as they only rise, like counters, until transform or columns names them.",
            "source")
        self.inbox_observations = Gauge("inbox_observations", "Observations waiting for the engine.")
        self.inbox_capacity_observations = Gauge(
            "inbox_capacity_observations", "Observations that may wait before sources are held.")
        self.engine_turns = Counter("engine_turns_total", "Turns of the engine, idle ones included.")
        self.engine_turn_duration = Histogram("engine_turn_duration_seconds", "How long a turn of the engine took.")
        self.engine_heartbeat = Gauge("engine_heartbeat_timestamp_seconds", "Last sign of life of the engine.")
        self.stage_duration = Histogram("stage_duration_seconds", "How long a stage took in a turn.", "task")
        self.ticks = Counter("ticks_total", "Ticks closed, missing ones included.", "source")
        self.missing_ticks = Counter("missing_ticks_total", "Ticks closed without an observation.", "source")
        self.gaps = Counter("gaps_total", "Gaps too long to bridge; the series began anew.", "source")
        self.commits = Counter("commits_total", "Transactions of the journal, failed ones included.")
        self.commit_failures = Counter("commit_failures_total", "Transactions of the journal that failed.")
        self.commit_duration = Histogram("commit_duration_seconds", "How long a transaction of the journal took.")
        self.last_commit = Gauge("last_commit_timestamp_seconds", "Last successful transaction of the journal.")
        self.journal_bytes = Gauge("journal_bytes", "Size of the journal on disk.")
        self.checkpoints = Counter("checkpoints_total", "Checkpoints that were saved.")
        self.checkpoint_failures = Counter("checkpoint_failures_total", "Checkpoints that failed.")
        self.checkpoint_duration = Histogram("checkpoint_duration_seconds", "Time spent on writing one.")
        self.checkpoint_last_success = Gauge("checkpoint_last_success_timestamp_seconds", "Last successful checkpoint.")
        self.notifications = Counter("notifications_total", "Attempts to notify, failed ones included.", "sink")
        self.notification_failures = Counter("notification_failures_total", "Attempts to notify that failed.", "sink")
        self.outbox_notifications = Gauge("outbox_notifications", "Notifications not yet delivered.", "sink")
        self.readings_sent = Counter("readings_sent_total", "Points of readings that a receiver has taken.", "sink")
        self.readings_dropped = Counter(
            "readings_dropped_total",
            "Points of readings that no receiver got: full (too many waited), refused, damaged (in the journal).",
            "sink", "reason")
        self.readings_waiting = Gauge("readings_waiting", "Points of readings that wait for a receiver.", "sink")
        self.alarms_raised = Counter("alarms_raised_total", "Alarms raised, by rule.", "detector", "threshold")
        self.alarms_cleared = Counter("alarms_cleared_total", "Alarms cleared, by rule.", "detector", "threshold")
        self.alarm_watching_ticks = Counter(
            "alarm_watching_ticks_total",
            "Ticks of all series, not missing ones, at which the rule could raise an alarm.",
            "detector", "threshold")
        self.alarm_open_ticks = Counter(
            "alarm_open_ticks_total", "Ticks of all series, not missing ones, at which an alarm of the rule was open.",
            "detector", "threshold")
        self.site_alarm = Gauge("site_alarm", "1 while a site has an open alarm; series = its name.", "series")
        self.site_alarms_raised = Counter("site_alarms_raised_total", "Alarms of sites raised.", "series")
        self.site_alarms_cleared = Counter("site_alarms_cleared_total", "Alarms of sites cleared.", "series")
        self.drills = Counter("drills_total", "Drills that came to their end, failed ones included.")
        self.drill_failures = Counter("drill_failures_total", "Drills in which a link of the chain failed.")
        self.drill_alarm = Gauge("drill_alarm", "1 while the alarm of a drill is open; it is of no real series.")
        self.drill_last_success = Gauge(
            "drill_last_success_timestamp_seconds", "When the last drill ended in which every link held.")
        self.drill_due = Gauge(
            "drill_due_timestamp_seconds", "When the next drill of the schedule (drill.every) is due.")
        self.drill_delay = Gauge(
            "drill_delay_seconds", "From the beginning of the last drill until a receiver had its alarm.", "sink")
        self.log_errors = Counter("log_errors_total", "Lines logged as errors.")
        self.log_warnings = Counter("log_warnings_total", "Lines logged as warnings.")
    # fmt: on

    def forget(self, **labels: str) -> None:
        """Show nothing any more of what these label values name, such as a source that has gone."""
        for instrument in self.instruments():
            instrument.forget(labels)

    def instruments(self) -> tuple[Counter | Gauge | Histogram, ...]:
        """List all instruments, in the order of the table."""
        return tuple(vars(self).values())


def _gauge(name: str, help_: str, *labels: str) -> Row:
    return Row(f"sentinel_{name}", "gauge", help_, labels)


_SOURCE, _SERIES = "source", ("source", "series")
_RULE = (*_SERIES, "detector", "threshold")
BUILD_INFO = _gauge("build_info", "Always 1; what is running.", "version", "python_version")
# fmt: off
OF_SERIES: tuple[Row, ...] = (
    # All series together.
    _gauge("series", "Series known.", _SOURCE),
    _gauge("learning_series", "Series without a verdict yet.", _SOURCE),
    _gauge("watching_series", "Series without an alarm.", _SOURCE),
    _gauge("warning_series", "Series with a warning.", _SOURCE),
    _gauge("critical_series", "Series with a critical alarm.", _SOURCE),
    _gauge("blind_series", "Series that cannot be judged.", _SOURCE, "reason"),
    _gauge("left_out_values", "Values so far that are taken as missing: fill values, far values of a start.", _SOURCE),
    _gauge("suspect_values", "Values so far that a check, the reason, calls suspect.", _SOURCE, "reason"),
    _gauge("failed_values", "Values so far that fail a check, the reason.", _SOURCE, "reason"),
    _gauge("source_last_tick_timestamp_seconds", "End of the newest closed tick; its age is the data's.", _SOURCE),
    _gauge("unwatched_series", "Series that no alarm rule fits; counted by their states too.", _SOURCE),
    _gauge("held_series", "Series of which a rule is held; counted by their states too.", _SOURCE),
    _gauge("series_unexposed", "Series not shown one by one (web.max_series)."),
    _gauge("fleet_discoveries",
           f"Series that stand out by their e-values, at a false discovery rate of {LEVEL:g} in their windows (e-BH)."),
    # One by one, at most web.max_series; the alarms of series with an open one beyond that, too. All of these metrics
    # for web.detailed_series of them, those of web.series_metrics for the others.
    _gauge("series_ready", "1 once the series has a verdict.", *_SERIES),
    _gauge("series_state_code", "0 learning, 1 watching, 2 warning, 3 critical, -1 blind.", *_SERIES),
    _gauge("series_blind", "1 while the series cannot be judged.", *_SERIES, "reason"),
    *(Row(measure.metric, "gauge", measure.help, _SERIES) for channel in CHANNELS for measure in channel.measures),
    _gauge("series_reading", "Reading of a detector in null standard deviations; 0 at its threshold.", *_RULE),
    _gauge("series_evidence", "log10 of evidence over its budget; 0 is the alarm line.", *_RULE),
    _gauge("series_alarm", "1 while the alarm is open, whatever the state of the series.", *_RULE, "severity"),
    _gauge("series_held", "1 while what the rule claims has held from the first verdict on: no alarm.", *_RULE),
    _gauge("series_alpha", "Effective budget: false alarms per series and tick.", *_RULE),
    _gauge("series_effective_threshold",
           "Threshold in force (of spread the variance ratio); left out until the rule's baseline period is full.",
           *_RULE),
    _gauge("series_reference_left_pairs",
           "Valid pairs of ticks still needed until the baseline period of the rule is full.", *_RULE),
    _gauge("series_alarm_remark",
           "1 while an open alarm may not be slowing: one_sided (a level shift) or noise (of the sensor).",
           *_RULE, "reason"),
    _gauge("series_fleet_e_value",
           "Evidence by which series are ranked: the mean of the e-values of the present window and of the one before.",
           *_SERIES),
    _gauge("series_fleet_window_ticks", "Length of a window of that e-value.", *_SERIES),
    _gauge("series_last_tick_timestamp_seconds", "End of the last closed tick.", *_SERIES),
    _gauge("series_missing_ticks", "Ticks closed without an observation.", *_SERIES),
)
# fmt: on
_SERIES_PREFIX = "sentinel_series_"
_ALWAYS = ("unexposed", "alarm", "alarm_remark")
SERIES_METRICS: tuple[str, ...] = tuple(
    row.name.removeprefix(_SERIES_PREFIX) for row in OF_SERIES
    if row.name.startswith(_SERIES_PREFIX) and row.name.removeprefix(_SERIES_PREFIX) not in _ALWAYS
)  # fmt: skip
"""Metrics of single series that settings choose from, named without `sentinel_series_`; alarms are always shown."""
ESSENTIAL = (
    "state_code", "blind", "lag1_autocorrelation", "lag1_autocorrelation_low", "lag1_autocorrelation_high", "evidence",
    "fleet_e_value",
)  # fmt: skip
"""Those that are shown of every series by default: under the default rule at most 10 lines a series, with alarms."""
METRICS: tuple[Row, ...] = (BUILD_INFO, *(instrument.row for instrument in Metrics().instruments()), *OF_SERIES)
"""The table of metrics, in the order in which a scrape gives them."""
