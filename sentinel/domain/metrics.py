"""The metrics: every name that a scrape can give, with its type, unit, labels and what it says.

What happens is counted on the instruments of `Metrics`, by the code that does it. What is known of series is read from
the snapshot at each scrape; its rows are `OF_SERIES`. `METRICS` is the table of both.

Labels are `source series detector threshold reason task sink` and, of `sentinel_build_info`, versions. Of an alarm rule
`detector` is the kind and `threshold` the label within the kind: neither changes while the rule stands, even where the
number behind it does.
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
    unit: str
    """Base unit that ends the name (`seconds`, `bytes`), else empty."""
    help: str
    labels: tuple[str, ...] = ()


class Durations(NamedTuple):
    """Durations entered into a histogram."""

    counts: tuple[int, ...] = (0,) * (len(BUCKETS_SECONDS) + 1)
    """How many fell into each bucket, not cumulative."""
    seconds: float = 0.0
    """Their sum."""


class Instrument(Generic[T]):
    """One metric that code moves: a value for each set of label values. Any thread may move it."""

    kind: Kind
    start: T | None = None
    """The value that an instrument without labels has from the start; None = it is not shown before it is set."""

    def __init__(self, name: str, help_: str, *labels: str) -> None:
        unit = next((unit for unit in ("seconds", "bytes") if name.endswith(f"_{unit}")), "")
        self.row = Row(name, self.kind, unit, help_, labels)
        self._values: dict[Labels, T] = {} if labels or self.start is None else {(): self.start}
        self._lock = Lock()

    def values(self) -> dict[Labels, T]:
        """Copy the present values, by label values in the order of the sorted label names."""
        with self._lock:
            return dict(self._values)

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
    """How long things took."""

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
            "sentinel_config_last_reload_successful", "1 if the last reading of the settings succeeded.")
        self.config_last_reload_success = Gauge(
            "sentinel_config_last_reload_success_timestamp_seconds", "When settings were last read.")
        self.config_reloads = Counter("sentinel_config_reloads_total", "Times that settings were read again.")
        self.config_reload_failures = Counter(
            "sentinel_config_reload_failures_total", "Times that new settings were refused.")
        self.ready = Gauge("sentinel_ready", "1 if what is shown can be relied on; /-/ready says why not.")
        self.ingestion_stopped = Gauge(
            "sentinel_ingestion_stopped", "1 while commits fail and no observation is accepted.")
        self.scheduler_up = Gauge("sentinel_scheduler_up", "1 while the scheduler's thread is alive.")
        self.scheduler_heartbeat = Gauge(
            "sentinel_scheduler_heartbeat_timestamp_seconds", "Last sign of life of the scheduler.")
        self.task_runs = Counter("sentinel_task_runs_total", "Runs of a scheduled task.", "task")
        self.task_failures = Counter("sentinel_task_failures_total", "Runs of a scheduled task that failed.", "task")
        self.task_missed = Counter(
            "sentinel_task_missed_total", "Runs of a scheduled task that did not start.", "task", "reason")
        self.task_duration = Histogram("sentinel_task_duration_seconds", "How long a scheduled task ran.", "task")
        self.task_last_success = Gauge("sentinel_task_last_success_timestamp_seconds", "Last successful run.", "task")
        self.task_expected_interval = Gauge(
            "sentinel_task_expected_interval_seconds", "How often a task is due.", "task")
        self.source_up = Gauge("sentinel_source_up", "1 if the last fetch succeeded.", "source")
        self.source_last_success = Gauge(
            "sentinel_source_last_success_timestamp_seconds", "Last successful fetch.", "source")
        self.source_last_observation = Gauge(
            "sentinel_source_last_observation_timestamp_seconds", "Newest event time.", "source")
        self.source_expected_interval = Gauge(
            "sentinel_source_expected_interval_seconds", "How often a source is asked.", "source")
        self.source_fetches = Counter("sentinel_source_fetches_total", "Fetches, failed ones included.", "source")
        self.source_fetch_failures = Counter("sentinel_source_fetch_failures_total", "Fetches that failed.", "source")
        self.observations_received = Counter(
            "sentinel_observations_received_total", "Observations that a source gave.", "source")
        self.observations_accepted = Counter(
            "sentinel_observations_accepted_total", "Observations that were used.", "source")
        self.observations_duplicate = Counter(
            "sentinel_observations_duplicate_total", "Same series, time and value again.", "source")
        self.observations_revised = Counter(
            "sentinel_observations_revised_total", "Same series and time, other value.", "source")
        self.observations_late = Counter(
            "sentinel_observations_late_total", "Came after their tick had closed.", "source")
        self.observations_rejected = Counter(
            "sentinel_observations_rejected_total", "Could not be used.", "source", "reason")
        self.inbox_observations = Gauge("sentinel_inbox_observations", "Observations waiting for the engine.")
        self.inbox_capacity_observations = Gauge(
            "sentinel_inbox_capacity_observations", "Observations that may wait before sources are held.")
        self.engine_turns = Counter("sentinel_engine_turns_total", "Turns of the engine, idle ones included.")
        self.engine_turn_duration = Histogram(
            "sentinel_engine_turn_duration_seconds", "How long a turn of the engine took.")
        self.engine_heartbeat = Gauge("sentinel_engine_heartbeat_timestamp_seconds", "Last sign of life of the engine.")
        self.stage_duration = Histogram("sentinel_stage_duration_seconds", "How long a stage took in a turn.", "task")
        self.ticks = Counter("sentinel_ticks_total", "Ticks closed, missing ones included.", "source")
        self.missing_ticks = Counter("sentinel_missing_ticks_total", "Ticks closed without an observation.", "source")
        self.gaps = Counter("sentinel_gaps_total", "Gaps too long to bridge; the series began anew.", "source")
        self.commits = Counter("sentinel_commits_total", "Transactions of the journal, failed ones included.")
        self.commit_failures = Counter("sentinel_commit_failures_total", "Transactions of the journal that failed.")
        self.commit_duration = Histogram(
            "sentinel_commit_duration_seconds", "How long a transaction of the journal took.")
        self.last_commit = Gauge(
            "sentinel_last_commit_timestamp_seconds", "Last successful transaction of the journal.")
        self.journal_bytes = Gauge("sentinel_journal_bytes", "Size of the journal on disk.")
        self.checkpoints = Counter("sentinel_checkpoints_total", "Checkpoints, failed ones included.")
        self.checkpoint_failures = Counter("sentinel_checkpoint_failures_total", "Checkpoints that failed.")
        self.checkpoint_duration = Histogram("sentinel_checkpoint_duration_seconds", "How long a checkpoint took.")
        self.checkpoint_last_success = Gauge(
            "sentinel_checkpoint_last_success_timestamp_seconds", "Last successful checkpoint.")
        self.notifications = Counter(
            "sentinel_notifications_total", "Attempts to notify, failed ones included.", "sink")
        self.notification_failures = Counter(
            "sentinel_notification_failures_total", "Attempts to notify that failed.", "sink")
        self.outbox_notifications = Gauge("sentinel_outbox_notifications", "Notifications not yet delivered.", "sink")
        self.alarms_raised = Counter("sentinel_alarms_raised_total", "Alarms raised, by rule.", "detector", "threshold")
        self.alarms_cleared = Counter(
            "sentinel_alarms_cleared_total", "Alarms cleared, by rule.", "detector", "threshold")
        self.site_alarm = Gauge("sentinel_site_alarm", "1 while a site has an open alarm; series = its name.", "series")
        self.site_alarms_raised = Counter("sentinel_site_alarms_raised_total", "Alarms of sites raised.", "series")
        self.site_alarms_cleared = Counter("sentinel_site_alarms_cleared_total", "Alarms of sites cleared.", "series")
        self.log_errors = Counter("sentinel_log_errors_total", "Lines logged as errors.")
        self.log_warnings = Counter("sentinel_log_warnings_total", "Lines logged as warnings.")
    # fmt: on

    def instruments(self) -> tuple[Counter | Gauge | Histogram, ...]:
        """List all instruments, in the order of the table."""
        return tuple(vars(self).values())


BUILD_INFO = Row("sentinel_build_info", "gauge", "", "Always 1; what is running.", ("version", "python_version"))
# fmt: off
OF_SERIES: tuple[Row, ...] = (
    # All series together.
    Row("sentinel_series", "gauge", "", "Series known.", ("source",)),
    Row("sentinel_learning_series", "gauge", "", "Series without a verdict yet.", ("source",)),
    Row("sentinel_watching_series", "gauge", "", "Series below their alarm line.", ("source",)),
    Row("sentinel_warning_series", "gauge", "", "Series with a warning.", ("source",)),
    Row("sentinel_critical_series", "gauge", "", "Series with a critical alarm.", ("source",)),
    Row("sentinel_blind_series", "gauge", "", "Series that cannot be judged.", ("source", "reason")),
    Row("sentinel_series_unexposed", "gauge", "", "Series not shown one by one (web.max_series)."),
    Row("sentinel_fleet_discoveries", "gauge", "",
        f"Series that stand out by their e-values, at a false discovery rate of {LEVEL:g} in their windows (e-BH)."),
    # One by one, at most web.max_series.
    Row("sentinel_series_ready", "gauge", "", "1 once the series has a verdict.", ("source", "series")),
    Row("sentinel_series_state_code", "gauge", "",
        "0 learning, 1 watching, 2 warning, 3 critical, -1 blind.", ("source", "series")),
    Row("sentinel_series_blind", "gauge", "",
        "1 while the series cannot be judged.", ("source", "series", "reason")),
    *(Row(measure.metric, "gauge", "seconds" if measure.metric.endswith("_seconds") else "", measure.help,
          ("source", "series")) for channel in CHANNELS for measure in channel.measures),
    Row("sentinel_series_reading", "gauge", "",
        "Reading of a detector in null standard deviations; 0 at its threshold.",
        ("source", "series", "detector", "threshold")),
    Row("sentinel_series_evidence", "gauge", "",
        "log10 of evidence over its budget; 0 is the alarm line.",
        ("source", "series", "detector", "threshold")),
    Row("sentinel_series_alarm", "gauge", "", "1 while the alarm is open.",
        ("source", "series", "detector", "threshold")),
    Row("sentinel_series_alpha", "gauge", "", "Effective budget: false alarms per series and tick.",
        ("source", "series", "detector", "threshold")),
    Row("sentinel_series_effective_threshold", "gauge", "",
        "Threshold in force (of spread the variance ratio); left out until the rule's baseline period is full.",
        ("source", "series", "detector", "threshold")),
    Row("sentinel_series_reference_left_pairs", "gauge", "",
        "Valid pairs of ticks still needed until the baseline period of the rule is full.",
        ("source", "series", "detector", "threshold")),
    Row("sentinel_series_alarm_remark", "gauge", "",
        "1 while an open alarm may not be slowing: one_sided (a level shift) or noise (of the sensor).",
        ("source", "series", "detector", "threshold", "reason")),
    Row("sentinel_series_fleet_e_value", "gauge", "",
        "Evidence by which series are ranked: the mean of the e-values of the present window and of the one before.",
        ("source", "series")),
    Row("sentinel_series_fleet_window_ticks", "gauge", "", "Length of a window of that e-value.", ("source", "series")),
    Row("sentinel_series_last_tick_timestamp_seconds", "gauge", "seconds",
        "End of the last closed tick.", ("source", "series")),
    Row("sentinel_series_missing_ticks", "gauge", "",
        "Ticks closed without an observation.", ("source", "series")),
)
# fmt: on
METRICS: tuple[Row, ...] = (BUILD_INFO, *(instrument.row for instrument in Metrics().instruments()), *OF_SERIES)
"""The table of metrics, in the order in which a scrape gives them."""
