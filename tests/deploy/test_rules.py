"""The Prometheus files: promtool's own tests; each alert is complete, tested, about metrics that exist."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

OPERATIONAL = set(
    re.findall(
        r"\w+",
        """
SentinelDown, SentinelNotReady, SentinelEngineStalled, SentinelSchedulerStalled, SentinelConfigReloadFailed,
SentinelConfigRestartRequired, SentinelRestarting, SentinelDescriptorsScarce, SentinelTaskFailing, SentinelTaskMissed,
SentinelSourceDown, SentinelSourceStale, SentinelObservationsRejected, SentinelFileLost, SentinelObservationsLate,
SentinelBehind, SentinelBacklog, SentinelSeriesBlind, SentinelSeriesUnwatched, SentinelSeriesUnexposed,
SentinelIngestionStopped, SentinelCommitsFailing, SentinelNotificationsFailing, SentinelReadingsFailing,
SentinelDrillOverdue
""",
    )
)
SIGNAL = {
    **dict.fromkeys(
        ("SentinelResilienceLoss", "SentinelOvershooting", "SentinelOscillation", "SentinelSpreadRisen"), "warning"
    ),
    "SentinelCritical": "critical",
    "SentinelSiteAlarm": "warning",
}
DRILL = "SentinelDrill"
"""It is no fault and no alarm, comes at once and has a severity of its own."""
OF_ANY_CHANNEL = {"SentinelSpreadRisen", "SentinelSiteAlarm"}
"""Alarms that are not, or not only, of a slow return."""


@pytest.fixture(scope="module")
def groups(deploy: Path) -> list[dict[str, Any]]:
    """The groups of promtool's unit tests."""
    return yaml.safe_load((deploy / "prometheus" / "rules_test.yaml").read_text())["tests"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"),
        ("check", "config", "scrape.yaml"),
        pytest.param(("test", "rules", "rules_test.yaml"), marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_promtool_agrees(deploy: Path, tool: Callable[[str], str], arguments: tuple[str, ...]) -> None:
    command = [tool("promtool"), *arguments]
    folder = deploy / "prometheus"
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_alerts_are_those_that_are_promised(alerts: list[dict[str, Any]]) -> None:
    assert {alert["alert"] for alert in alerts} == OPERATIONAL | set(SIGNAL) | {DRILL}


def test_each_alert_says_what_where_how_bad_and_what_to_do(alerts: list[dict[str, Any]]) -> None:
    for alert in alerts:
        allowed = ("drill",) if alert["alert"] == DRILL else ("warning", "critical")
        assert alert["labels"]["severity"] in allowed, alert["alert"]
        signal = set() if alert["alert"] not in SIGNAL else {"page"}
        if "series_alarm" in alert["expr"]:
            signal.add("numbers")
        assert set(alert["annotations"]) == {"summary", "description", "runbook_url"} | signal, alert["alert"]
        assert alert["annotations"]["runbook_url"].startswith('{{ with query "sentinel:runbooks:info" }}')
        assert alert["annotations"]["runbook_url"].endswith(f"}}}}#{alert['alert'].lower()}")


def test_signals_have_the_severity_of_the_state_and_do_not_wait(alerts: list[dict[str, Any]]) -> None:
    signals = {alert["alert"]: alert for alert in alerts if alert["alert"] in SIGNAL}
    assert {name: alert["labels"]["severity"] for name, alert in signals.items()} == SIGNAL
    assert not any("for" in alert for alert in signals.values())


def test_an_alarm_is_worded_as_a_measurement_never_as_a_forecast(alerts: list[dict[str, Any]]) -> None:
    for alert in alerts:
        text = " ".join(alert["annotations"].values())
        assert not re.search(r"\b(will|going to|about to|soon|predict\w*|imminent)\b", text), alert["alert"]
        if alert["alert"] in SIGNAL:
            assert "measured, not forecast" in text
            assert ("is returning more slowly than" in text) == (alert["alert"] not in OF_ANY_CHANNEL)


def test_every_channel_has_its_alert_and_only_one(alerts: list[dict[str, Any]]) -> None:
    def fires_on(alert: dict[str, Any], detector: str, threshold: str) -> bool:
        (matchers,) = set(re.findall(r"sentinel_series_alarm\{(.*?)\}", alert["expr"]))
        values = {"job": "sentinel", "severity": "warning", "detector": detector, "threshold": threshold}
        fits = {"=": re.fullmatch, "=~": re.fullmatch, "!~": lambda *of: not re.fullmatch(*of)}
        return all(
            fits[sign](value, values[key]) for key, sign, value in re.findall(r'(\w+)(=~|!~|=)"(.*?)"', matchers)
        )

    channels = [("lag1", "0.8"), ("lag1", "below -0.8"), ("lag1", "relative"), ("modulus", "0.9"), ("spread", "1.5x")]
    channels += [("weighted", "lag1 0.8 + spread 1.5x"), ("rise", "2.72x")]
    warnings = [
        alert for alert in alerts if SIGNAL.get(alert["alert"]) == "warning" and "series_alarm" in alert["expr"]
    ]
    for detector, threshold in channels:
        fired = [alert["alert"] for alert in warnings if fires_on(alert, detector, threshold)]
        assert len(fired) == 1, (detector, threshold, fired)


def test_no_rule_needs_a_newer_prometheus_than_2_26(alerts: list[dict[str, Any]]) -> None:
    # keep_firing_for came with 2.42, and older ones refuse the whole file for it.
    for alert in alerts:
        assert set(alert) <= {"alert", "expr", "for", "labels", "annotations"}, alert["alert"]


def test_every_signal_stands_while_scrapes_are_lost(
    alerts: list[dict[str, Any]], selectors: Callable[[str], list[Any]]
) -> None:
    for alert in (alert for alert in alerts if alert["alert"] in SIGNAL):
        now, last, answered = selectors(alert["expr"])
        assert (last.metric, last.matchers, last.function) == (now.metric, now.matchers, "last_over_time")
        assert answered.metric == "up"


def test_each_operational_alert_waits_before_it_fires(alerts: list[dict[str, Any]]) -> None:
    assert [alert["alert"] for alert in alerts if alert["alert"] in OPERATIONAL and "for" not in alert] == []


def test_every_selector_names_the_job(rules: list[dict[str, Any]], selectors: Callable[[str], list[Any]]) -> None:
    for rule in rules:
        for selector in selectors(rule["expr"]):
            assert selector.matchers.get("job") == ("MatchOp.Equal", "sentinel"), rule


def test_counters_stand_inside_rate_or_increase_and_nothing_else_does(
    rules: list[dict[str, Any]], selectors: Callable[[str], list[Any]]
) -> None:
    for rule in rules:
        for selector in selectors(rule["expr"]):
            assert (selector.function in ("rate", "increase")) == selector.metric.endswith("_total"), rule


def test_recording_rules_are_named_level_metric_operations(
    rules: list[dict[str, Any]], selectors: Callable[[str], list[Any]]
) -> None:
    records = [rule for rule in rules if "record" in rule and rule["record"] != "sentinel:runbooks:info"]
    assert records
    for rule in records:
        level, metric, operation = rule["record"].split(":")
        assert re.fullmatch(r"job(_source)?", level)
        assert operation in ("ratio", "rate5m")
        assert f"by ({', '.join(level.split('_'))})" in rule["expr"]
        assert metric in {selector.metric.removesuffix("_total") for selector in selectors(rule["expr"])}


def test_each_alert_is_tested_to_be_silent_to_fire_and_to_resolve(
    alerts: list[dict[str, Any]], groups: list[dict[str, Any]]
) -> None:
    for name in (alert["alert"] for alert in alerts):
        courses = [
            [bool(check["exp_alerts"]) for check in group["alert_rule_test"] if check["alertname"] == name]
            for group in groups
            if "alert_rule_test" in group
        ]
        assert any(course[:2] == [False, True] and course[-1] is False for course in courses), name
        assert any(course and not any(course) for course in courses), f"{name}: no test of a near miss"


def test_every_metric_of_the_rules_is_exposed(
    rules: list[dict[str, Any]], selectors: Callable[[str], list[Any]], exposed: frozenset[str]
) -> None:
    used = {selector.metric for rule in rules for selector in selectors(rule["expr"])}
    assert used - exposed == set()
