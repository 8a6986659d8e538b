"""What the dashboards show, panel by panel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from panels import Panel, by_name, color, line, mapped

MOST = 20
"""Rows of a table."""
STATES = {
    "-1": ("blind", "purple"), "0": ("learning", "blue"), "1": ("watching", "green"), "2": ("warning", "orange"),
    "3": ("critical", "red"),
}  # fmt: skip
KEPT = "${datasource:queryparam}&${job:queryparam}&${instance:queryparam}&${__url_time_range}"
TO_SERIES = f"/d/sentinel-series?var-source=${{__data.fields.Source}}&var-series=${{__data.fields.Series}}&{KEPT}"
LINED = {"thresholdsStyle": {"mode": "line"}}
EVIDENCE = by_name(
    "Evidence", custom_cellOptions={"type": "color-text"}, color={"mode": "thresholds"},
    thresholds={"mode": "absolute", "steps": [
        {"color": "text", "value": None}, {"color": "yellow", "value": -1}, {"color": "red", "value": 0},
    ]},
)  # fmt: skip
LINKED = by_name("Series", links=[{"title": "This series in depth", "url": TO_SERIES, "targetBlank": False}])


def health() -> Iterator[Panel]:
    """The top row of every dashboard: whether what stands below can be relied on."""
    colored = {"colorMode": "background"}

    def one(title: str, says: str, query: str, texts: Mapping[str, tuple[str, str]], unit: str = "none") -> Panel:
        defaults = {"mappings": mapped(texts), "noValue": "no data"}
        return Panel(title, says, [(query, title)], 5, unit, 4, "stat", defaults, options=colored)

    yes = {"0": ("no", "red"), "1": ("yes", "green")}
    yield one("Up", "Prometheus reaches every chosen daemon.", "min(up{ALL})", yes)
    yield one("Ready", "Every chosen daemon says that what it shows can be relied on; /-/ready says why not.",
              "min(sentinel_ready{ALL})", yes)  # fmt: skip
    yield one("Ingestion", "Observations are committed to the journal. Stopped: the disk is full or fails.",
              "max(sentinel_ingestion_stopped{ALL})", {"0": ("runs", "green"), "1": ("stopped", "red")})  # fmt: skip
    yield one("Unexposed", "Series not shown one by one, beyond web.max_series; their alarms are shown all the same.",
              "sum(sentinel_series_unexposed{ALL})", {})._replace(wide=4)  # fmt: skip
    yield one("Behind", "Age of the newest observation of the source that is furthest behind.",
              "max(time() - sentinel_source_last_observation_timestamp_seconds{SOURCE})", {}, "s")  # fmt: skip


def top(metric: str, by: str = "sentinel_series_evidence") -> str:
    """Give a metric of the series that have most of another."""
    own = f"max by (source, series) (sentinel_series_{metric}{{SOURCE}})"
    return f"{own} and on (source, series) topk({MOST}, max by (source, series) ({by}{{SOURCE}}))"


def fleet() -> Iterator[Panel]:
    """All series together."""
    states = ("learning", "watching", "warning", "critical", "blind", "held")
    hues = dict([*STATES.values(), ("held", "text")])
    yield Panel(
        "Series by state",
        "How many series are in each state. Learning is not ready yet; blind cannot be judged, which is not the same "
        "as quiet. Held series are counted in their state too: a rule has held there from the first verdict on.",
        [(f"sum(sentinel_{state}_series{{SOURCE}})", state) for state in states], 10, "short", 6, "stat",
        {"decimals": 0}, overrides=[by_name(state, color=color(hues[state])) for state in states],
    )  # fmt: skip
    yield Panel(
        "Share of series in warning or critical",
        "Series in warning or critical, as a share of all series. Several series that slow down together are one "
        "finding, not many.",
        [("sum by (source) (sentinel_warning_series{SOURCE} + sentinel_critical_series{SOURCE})"
          " / (sum by (source) (sentinel_series{SOURCE}) > 0)", "{{source}}")],
        7, "percentunit", 6, defaults={"min": 0, "max": 1},
    )  # fmt: skip
    yield Panel(
        "Blind series by reason",
        "Series that cannot be judged, and why: stale (no data), stuck, too coarse, out of range, implausible. A loss "
        "of resilience there goes unseen.",
        [("sum by (reason) (sentinel_blind_series{SOURCE})", "{{reason}}")], 7, "short", 6,
        defaults={"min": 0, "decimals": 0}, custom={"stacking": {"mode": "normal", "group": "A"}},
    )  # fmt: skip
    columns = {
        "Evidence": "evidence", "State": "state_code", "Lag-1": "lag1_autocorrelation",
        "Low": "lag1_autocorrelation_low", "High": "lag1_autocorrelation_high",
        "Recovery time": "recovery_time_seconds", "Modulus": "modulus", "Spread (log variance)": "spread",
        "Criticality": "criticality",
    }  # fmt: skip
    yield Panel(
        f"The {MOST} series with most evidence",
        "Evidence is log10 of the e-detector over its budget: 0 is the alarm line. Empty cells are not ready, or not "
        "shown of every series (web.detailed_series). A name leads to the series in depth.",
        [(top(metric), title) for title, metric in columns.items()], 24, high=10, type="table", sort="Evidence",
        defaults={"decimals": 2}, overrides=[
            EVIDENCE, LINKED, by_name("Recovery time", unit="s"),
            by_name("State", mappings=mapped(STATES), custom_cellOptions={"type": "color-background"}, decimals=0),
        ],
    )  # fmt: skip
    e_value = "sentinel_series_fleet_e_value"
    yield Panel(
        f"The {MOST} largest e-values",
        "Series by the e-value of their present window and the one before: evidence whose mean is at most 1 while "
        "nothing is wrong. Ranked so, and cut by e-BH, a list keeps a false discovery rate; the claim is about these "
        "windows.",
        [(top("fleet_e_value", e_value), "E-value"), (top("fleet_window_ticks", e_value), "Window, ticks")], 12,
        type="table", defaults={"decimals": 2}, overrides=[LINKED], sort="E-value",
    )  # fmt: skip
    yield Panel(
        "Series that stand out",
        "Discoveries of e-BH among all series of the daemon, exposed or not, at a false discovery rate of 0.1 in their "
        "present windows.",
        [("sentinel_fleet_discoveries{ALL}", "{{instance}}")], 6, defaults={"min": 0, "decimals": 0},
    )  # fmt: skip
    yield Panel(
        "Sites with an open alarm",
        "1 while k series of a site have an open alarm; a site whose series are blind cannot alarm, see the page.",
        [(f"topk({MOST}, sentinel_site_alarm{{ALL}})", "{{series}}")], 6,
        defaults={"min": 0, "max": 1, "decimals": 0},
    )  # fmt: skip
    raised, watching, opened = (
        f"sum by (detector, threshold) (increase(sentinel_{name}_total{{ALL}}[$__range]))"
        for name in ("alarms_raised", "alarm_watching_ticks", "alarm_open_ticks")
    )
    yield Panel(
        "Alarms against budgets",
        "Each rule over the time shown: its alarms per watching tick beside its budget per tick, the mean over the "
        "series shown one by one; and the share of ticks in alarm. A watching tick is one at which the rule could "
        "raise an alarm. More than the budget is expected where something slows.",
        [
            (raised, "Alarms"), (watching, "Watching ticks"),
            (f"{raised} / clamp_min({watching}, 1)", "Alarms per watching tick"),
            ("avg by (detector, threshold) (sentinel_series_alpha{SOURCE})", "Budget per tick"),
            (f"{opened} / clamp_min({watching} + {opened}, 1)", "Share of ticks in alarm"),
        ],
        24, high=7, type="table", defaults={"decimals": 2}, sort="Alarms", overrides=[
            by_name("Alarms per watching tick", unit="sci"), by_name("Budget per tick", unit="sci"),
            by_name("Share of ticks in alarm", unit="percentunit"), by_name("Alarms", decimals=0),
            by_name("Watching ticks", decimals=0),
        ],
    )  # fmt: skip


def series() -> Iterator[Panel]:
    """One series in depth."""
    yield Panel(
        "State", "The state of the series over time. Learning and blind are gaps in what is known, not good news.",
        [("sentinel_series_state_code{ONE}", "{{series}}")], 24, high=4, type="state-timeline",
        defaults={"mappings": mapped(STATES), "color": {"mode": "thresholds"}},
        custom={"fillOpacity": 80, "lineWidth": 0},
        options={"mergeValues": True, "showValue": "auto", "rowHeight": 0.9},
    )  # fmt: skip
    edge = {"color": color("light-blue"), "custom_lineWidth": 0}
    lag1 = "sentinel_series_lag1_autocorrelation"
    yield Panel(
        "Lag-1 autocorrelation with its 95 % band",
        "Where the readings change sign, with the thresholds that cannot be rejected. It rises toward 1 as the series "
        "returns more slowly. Absent while not ready.",
        [(f"{lag1}_low{{ONE}}", "low"), (f"{lag1}_high{{ONE}}", "high"), (f"{lag1}{{ONE}}", "lag-1")], 12, high=9,
        defaults={"min": -1, "max": 1}, overrides=[
            by_name("low", **edge), by_name("high", **edge, custom_fillBelowTo="low", custom_fillOpacity=20),
            by_name("lag-1", color=color("dark-blue"), custom_lineWidth=2),
        ],
    )  # fmt: skip
    yield Panel(
        "Evidence and its alarm line",
        "log10 of the e-detector over its budget, one line per rule. An alarm is raised at 0, the red line.",
        [("sentinel_series_evidence{ONE}", "{{detector}} {{threshold}}")], 12, high=9, defaults=line(0), custom=LINED,
    )  # fmt: skip
    yield Panel(
        "Readings of the bank by threshold",
        "One row per detector. Blue: below its threshold; red: above; the border between them is the lag-1 "
        "autocorrelation. In standard deviations under the null.",
        [('sum by (threshold) (sentinel_series_reading{ONE, detector="lag1"})', "{{threshold}}")], 12, high=11,
        type="status-history",
        defaults={"min": -6, "max": 6, "decimals": 1, "color": {"mode": "continuous-BlYlRd"}},
        custom={"fillOpacity": 90, "lineWidth": 0}, options={"showValue": "never", "rowHeight": 1, "colWidth": 1},
    )  # fmt: skip
    recovery = "sentinel_series_recovery_time"
    yield Panel(
        "Recovery time",
        "How long a small knock takes to fade to 1/e: -cadence / ln(lag-1 autocorrelation), with its 95 % band. Absent "
        "while the autocorrelation is not between 0 and 1; the upper end is absent while the band is open.",
        [(f"{recovery}{part}_seconds{{ONE}}", name)
         for part, name in (("", "recovery time"), ("_low", "low"), ("_high", "high"))],
        6, "s", 11, defaults={"min": 0},
    )  # fmt: skip
    yield Panel(
        "Ticks without an observation",
        "Closed ticks of the series that had no observation since it was first seen. Missing ticks hold the cells; "
        "they are neither good nor bad.",
        [("sentinel_series_missing_ticks{ONE}", "missing")], 6, "short", 11, defaults={"min": 0, "decimals": 0},
    )  # fmt: skip
    open_alarm = "max by (detector, threshold) (sentinel_series_alarm{ONE})"
    columns = {
        "Evidence": "evidence", "Alpha per tick": "alpha", "Threshold in force": "effective_threshold",
        "Reference, pairs left": "reference_left_pairs",
    }  # fmt: skip
    yield Panel(
        "Alarm rules of $series",
        "Each rule with its evidence (0 is the alarm line), its effective alpha, the threshold in force, the pairs its "
        "reference still needs, whether an open alarm may not be slowing (a level shift, sensor noise), and whether "
        "the rule is held (so from the first verdict on, no alarm).",
        [
            *((f"max by (detector, threshold) (sentinel_series_{name}{{ONE}})", title)
              for title, name in columns.items()),
            (open_alarm, "Alarm"),
            (f"max by (detector, threshold) (sentinel_series_alarm_remark{{ONE}}) or 0 * {open_alarm}",
             "May not be slowing"),
            ("max by (detector, threshold) (sentinel_series_held{ONE})", "Held"),
        ],
        24, high=7, type="table", sort="Evidence", defaults={"decimals": 2},
        overrides=[EVIDENCE, by_name("Alpha per tick", unit="sci")],
    )  # fmt: skip
    modulus = "sentinel_series_modulus{ONE}"
    yield Panel(
        "Modulus",
        "What a small knock is multiplied by at each tick, oscillations included: 1 is no return at all. It sees what "
        "lag-1 cannot, a system that swings longer and longer.",
        [(modulus, "modulus")], 6, defaults={"min": 0, "max": 1},
    )  # fmt: skip
    yield Panel(
        "Period", "Period of the oscillation; 0 where nothing oscillates.",
        [(f"sentinel_series_period_seconds{{ONE}} or 0 * {modulus}", "period")], 6, "s", defaults={"min": 0},
    )  # fmt: skip
    yield Panel(
        "Spread",
        "Variance over that of the first ticks; 1 is unchanged. A rise alone is more noise or larger shocks.",
        [("exp(sentinel_series_spread{ONE})", "variance ratio")],
        6,
        defaults={"min": 0},
    )
    yield Panel(
        "Criticality",
        "atanh of the modulus plus the log of the variance ratio: the one number by which series are ranked; larger is "
        "closer to critical.",
        [("sentinel_series_criticality{ONE}", "criticality")], 6,
    )  # fmt: skip


def rate(metric: str, where: str = "{ALL}", by: str = "") -> str:
    """Give the rate of a counter, all together or by a label."""
    return f"sum{f' by ({by})' if by else ''} (rate(sentinel_{metric}{where}[$__rate_interval]))"


def operations() -> Iterator[Panel]:
    """The daemon itself."""
    from_zero = {"min": 0}
    outcomes = ("received", "accepted", "duplicate", "revised", "late")
    yield Panel(
        "Observations by outcome",
        "Observations per second: received from the sources, accepted into the journal, and what became of the rest.",
        [(rate(f"observations_{name}_total", "{SOURCE}"), name) for name in outcomes],
        unit="cps",
        defaults=from_zero,
    )
    yield Panel(
        "Observations rejected by reason",
        "Observations per second that a source left out. Missing is an empty cell and ordinary; the other reasons want "
        "a look at the data.",
        [(rate("observations_rejected_total", "{SOURCE}", "source, reason"), "{{source}} {{reason}}")], unit="cps",
        defaults=from_zero,
    )  # fmt: skip
    yield Panel(
        "Time since the last successful fetch",
        "In intervals of each source; above 3 (red line) the source is stale and SentinelSourceStale fires.",
        [("(time() - sentinel_source_last_success_timestamp_seconds{SOURCE})"
          " / sentinel_source_expected_interval_seconds{SOURCE}", "{{source}}")],
        defaults={"min": 0, "decimals": 1, **line(3)}, custom=LINED,
    )  # fmt: skip
    yield Panel(
        "Age of the newest observation",
        "How far each source is behind, by the time that its newest observation is of. One that is catching up tells "
        "its past, and grows younger.",
        [(f"topk({MOST}, time() - sentinel_source_last_observation_timestamp_seconds{{SOURCE}})", "{{source}}")],
        unit="s", defaults=from_zero,
    )  # fmt: skip
    yield Panel(
        "Sources that are catching up", "1 while a source has more to tell at once, such as its history.",
        [("sentinel_source_catching_up{SOURCE}", "{{source}}")], defaults={"min": 0, "max": 1, "decimals": 0},
    )  # fmt: skip
    yield Panel(
        "Inbox, filled",
        "Observations waiting for the engine, as a share of the inbox. At 100 % the sources wait: the engine is too "
        "slow or stands still.",
        [("sentinel_inbox_observations{ALL} / sentinel_inbox_capacity_observations{ALL}", "{{instance}}")],
        unit="percentunit", defaults={"min": 0, "max": 1},
    )  # fmt: skip
    yield Panel(
        "Age of the heartbeats",
        "Time since the engine's last turn and since the scheduler's last beat. Both stay at a few seconds; growing "
        "without end is a stall.",
        [(f"time() - sentinel_{who}_heartbeat_timestamp_seconds{{ALL}}", f"{who} {{{{instance}}}}")
         for who in ("scheduler", "engine")],
        unit="s", defaults=from_zero,
    )  # fmt: skip
    commits = rate("commit_duration_seconds_bucket", by="le")
    yield Panel(
        "Commit latency",
        "Time to write one turn's observations and cursors to the journal, half and 99 % of the commits.",
        [(f"histogram_quantile({share}, {commits})", name) for share, name in ((0.5, "half"), (0.99, "99 %"))],
        unit="s",
        defaults=from_zero,
    )
    stage = "stage_duration_seconds"
    yield Panel(
        "Time per stage", "Mean duration of each stage of the pipeline per turn.",
        [(f"{rate(f'{stage}_sum', by='task')} / {rate(f'{stage}_count', by='task')}", "{{task}}")], unit="s",
        defaults=from_zero,
    )  # fmt: skip
    failures = {
        "fetches": ("source_fetch_failures_total", "{SOURCE}"), "tasks": ("task_failures_total", "{ALL}"),
        "missed tasks": ("task_missed_total", "{ALL}"), "commits": ("commit_failures_total", "{ALL}"),
        "checkpoints": ("checkpoint_failures_total", "{ALL}"),
    }  # fmt: skip
    yield Panel(
        "Failures",
        "Fetches, tasks, commits and checkpoints that failed or were missed, per second. All are tried again; a "
        "lasting rate wants a look.",
        [(rate(*counter), name) for name, counter in failures.items()], unit="ops", defaults=from_zero,
    )  # fmt: skip
    yield Panel(
        "Notifications", "Attempts to notify and failed attempts, per second, and how many wait in the outbox.",
        [
            (rate("notifications_total", by="sink"), "{{sink}}: attempts"),
            (rate("notification_failures_total", by="sink"), "{{sink}}: failed"),
            ("sum by (sink) (sentinel_outbox_notifications{ALL})", "{{sink}}: waiting"),
        ],
        unit="short", defaults=from_zero,
    )  # fmt: skip
    yield Panel(
        "Memory and journal", "Resident memory of the process, and the size of the journal in the state folder.",
        [("process_resident_memory_bytes{ALL}", "memory {{instance}}"),
         ("sentinel_journal_bytes{ALL}", "journal {{instance}}")],
        unit="bytes", defaults=from_zero,
    )  # fmt: skip
    yield Panel(
        "Build and configuration",
        "The version that runs, since when its configuration is in use, whether the last reload was accepted (1) or "
        "refused (0), and whether the daemon is ready.",
        [
            ("max by (instance, version, python_version) (sentinel_build_info{ALL})", ""),
            ("max by (instance) (sentinel_config_last_reload_success_timestamp_seconds{ALL}) * 1000", "Configured at"),
            ("max by (instance) (sentinel_config_last_reload_successful{ALL})", "Last reload"),
            ("max by (instance) (sentinel_ready{ALL})", "Ready"),
        ],
        24, type="table", overrides=[by_name("Configured at", unit="dateTimeAsIso")],
    )  # fmt: skip
