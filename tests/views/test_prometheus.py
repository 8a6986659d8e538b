"""The text that Prometheus reads."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from dataclasses import replace
from threading import Thread
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from sentinel import __version__
from sentinel.config import WebSettings
from sentinel.domain.metrics import ESSENTIAL, METRICS, SERIES_METRICS, Metrics
from sentinel.domain.states import Reason, State
from sentinel.pipeline.snapshot import Snapshot
from sentinel.views.prometheus import Exposition, _numbers
from sentinel.views.web.pages import series_as_json
from tests.fixtures import estimated

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


def render(snapshot: Snapshot, metrics: Metrics, accept: str = "", **web: Any) -> str:
    body, _ = Exposition(lambda: snapshot, metrics, WebSettings(**web)).render(accept)
    return body.decode()


def own_lines(text: str) -> str:
    """Our metrics only, without what differs between machines."""
    lines = [line for line in text.splitlines() if re.match(r"(# \w+ )?sentinel_|# EOF", line)]
    text = "\n".join(lines) + "\n"
    return text.replace(f'"{__version__}"', '"VERSION"').replace(f'"{platform.python_version()}"', '"PYTHON"')


def shown(text: str) -> set[str]:
    return set(re.findall(r"^# TYPE (sentinel_\S+)", text, re.MULTILINE))


def series_in(text: str) -> list[str]:
    return re.findall(r'^sentinel_series_ready{series="([^"]*)"', text, re.MULTILINE)


def test_the_text_format_is_the_golden_file(snapshot, metrics, golden) -> None:
    golden("exposition.prom", own_lines(render(snapshot, metrics)))


def test_the_openmetrics_format_is_the_golden_file(snapshot, metrics, golden) -> None:
    golden("exposition.openmetrics", own_lines(render(snapshot, metrics, OPENMETRICS)))


def test_a_recovery_time_that_the_page_calls_unknown_is_left_out(snapshot) -> None:
    """Bug: of a lake that had tipped the page said "unknown: it may have shifted", and this -1 / ln(0.99)."""
    view = snapshot.view("grid/frequency")
    shifted = replace(view, rules=(replace(view.rules[0], remarks=("one_sided",)), *view.rules[1:]))
    for one, is_known in ((view, True), (shifted, False)):
        names = {name for name, _, number in _numbers(one) if "_recovery_" in name and number == number}
        assert bool(names) == is_known
        found = series_as_json(one)
        assert (found["recovery_seconds"] is not None) == is_known == (found["recovery_low_seconds"] is not None)
        assert (found["recovery_text"] != "unknown: it may have shifted") == is_known


def test_every_metric_of_the_table_appears_and_no_other(snapshot, metrics) -> None:
    text = render(snapshot, metrics)
    assert shown(text) == {row.name for row in METRICS}
    for line in text.splitlines():
        assert line.startswith(("sentinel_", "process_", "python_", "# HELP ", "# TYPE "))


def test_each_metric_has_the_labels_of_the_table(snapshot, metrics) -> None:
    labels = {row.name: set(row.labels) for row in METRICS}
    for family in parse_text(render(snapshot, metrics)):
        for line in family.samples:
            name = re.sub(r"_(bucket|sum|count)$", "", line.name) if family.type == "histogram" else line.name
            if name in labels:
                assert set(line.labels) - {"le"} == labels[name], line


def test_names_end_in_their_unit_and_only_counters_in_total() -> None:
    assert len({row.name for row in METRICS}) == len(METRICS)
    for row in METRICS:
        assert row.name.removesuffix("_total").endswith(row.unit)
        assert row.name.endswith("_total") == (row.type == "counter")
        assert row.help.endswith(".")


def test_openmetrics_ends_with_eof_and_has_no_created_series(snapshot, metrics) -> None:
    body, content_type = Exposition(lambda: snapshot, metrics, WebSettings()).render(OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")
    assert b"_created" not in body
    assert {family.name for family in parse_openmetrics(body.decode())} >= {"sentinel_series"}


@pytest.mark.parametrize("accept", ["", "*/*", "text/html", "application/openmetrics-text;version=abc", ";;,,=", "\0"])
def test_whatever_is_asked_for_there_is_an_answer(snapshot, metrics, accept: str) -> None:
    body, content_type = Exposition(lambda: snapshot, metrics, WebSettings()).render(accept)
    assert b"sentinel_build_info" in body
    assert content_type


def test_numbers_that_are_not_ready_are_left_out(snapshot, metrics) -> None:
    text = render(snapshot, metrics)
    assert "NaN" not in text
    assert 'sentinel_series_ready{series="lake/new",source="buoys"} 0.0' in text
    assert 'lag1_autocorrelation{series="lake/new"' not in text
    assert 'sentinel_series_last_tick_timestamp_seconds{series="lake/fresh"' not in text
    assert 'lag1_autocorrelation{series="lake/control",source="buoys"} 0.35' in text


def test_times_before_1970_are_shown(snapshot, metrics) -> None:
    assert re.search(r'last_tick_timestamp_seconds{series="<script>.*} -259200.0', render(snapshot, metrics))


def test_beyond_the_cap_alarms_are_shown_first_and_the_rest_is_counted(snapshot, metrics) -> None:
    text = render(snapshot, metrics, max_series=3)
    assert len(series_in(text)) == 3
    assert {"grid/frequency", "lake/loaded"} < set(series_in(text))
    assert f"sentinel_series_unexposed {len(snapshot) - 3:.1f}" in text


def metrics_of(text: str, series: str) -> set[str]:
    found = re.findall(rf'^sentinel_series_(\w+){{.*series="{series}".*}}', text, re.MULTILINE)
    return set(found) - {"alarm", "alarm_remark"}


def test_by_default_all_is_shown_of_a_few_series_and_the_essential_of_the_others(snapshot, metrics) -> None:
    text = render(snapshot, metrics, detailed_series=3)
    for name in ("lake/loaded", "reactor", "grid/frequency"):  # those with an open alarm
        assert {"reading", "recovery_time_seconds", "alpha"} < metrics_of(text, name)
        assert metrics_of(text, name) == metrics_of(render(snapshot, metrics), name)
    assert metrics_of(text, "elnino") == set(ESSENTIAL) - {"blind"}
    assert metrics_of(text, "buoy 7") == set(ESSENTIAL)
    assert metrics_of(text, "lake/new") == {"state_code"}


@settings(max_examples=10, deadline=None)
@given(chosen=st.sets(st.sampled_from(SERIES_METRICS)), detailed=st.integers(0, 12))
def test_the_settings_choose_metrics_of_series_and_leave_the_lines_as_they_are(snapshot, chosen, detailed) -> None:
    everything = render(snapshot, Metrics())
    text = render(snapshot, Metrics(), series_metrics=tuple(sorted(chosen)), detailed_series=detailed)
    some, own = set(own_lines(text).splitlines()), own_lines(everything).splitlines()
    assert some <= set(own)
    assert alarms_in(text) == alarms_in(everything)
    if detailed == 0:
        assert {name for one in snapshot.names() for name in metrics_of(text, re.escape(one))} <= chosen


def test_a_thousand_series_are_less_than_12_000_samples_by_default(snapshot) -> None:
    one = snapshot.view("lake/control")
    tiers = (one.rules[0], replace(one.rules[0], severity="critical", label="tier"))
    series = {f"lake {i}": replace(one, name=f"lake {i}", rules=tiers) for i in range(1000)}
    blind = {name: replace(view, state=State.BLIND, reason=Reason.STALE) for name, view in series.items()}
    for of_series in (series, blind):
        lines = render(replace(snapshot, series=of_series), Metrics()).splitlines()
        assert sum(not line.startswith("#") for line in lines) < 12_000


def alarms_in(text: str) -> set[str]:
    return set(re.findall(r'^sentinel_series_alarm{.*series="([^"]*)".*} 1.0$', text, re.MULTILINE))


def gone_blind(snapshot: Snapshot, *names: str) -> Snapshot:
    views = {name: replace(snapshot.view(name), state=State.BLIND, reason=Reason.STALE) for name in names}
    return replace(snapshot, series={**snapshot.series, **views})


def test_a_cap_of_zero_shows_the_open_alarms_and_nothing_else_one_by_one(snapshot, metrics) -> None:
    text = render(snapshot, metrics, max_series=0)
    assert series_in(text) == []
    assert f"sentinel_series_unexposed {len(snapshot):.1f}" in text
    assert 'sentinel_warning_series{source="buoys"} 2.0' in text
    assert alarms_in(text) == {"grid/frequency", "lake/loaded", "reactor"}


@pytest.mark.parametrize("max_series", [0, 1, 1000])
def test_an_open_alarm_is_shown_while_its_series_is_blind_and_beyond_the_cap(snapshot, metrics, max_series) -> None:
    # It vanished with the series' sight, or behind the cap, and Alertmanager told people that it was resolved.
    alarmed = {"grid/frequency", "lake/loaded", "reactor"}
    for blind in ((), ("reactor",), tuple(alarmed)):
        text = render(gone_blind(snapshot, *blind), metrics, max_series=max_series)
        assert alarms_in(text) == alarmed
        assert 'sentinel_series_alarm_remark{detector="lag1",reason="one_sided",series="lake/loaded"' in text


def test_of_two_rules_of_one_name_an_open_alarm_of_either_is_shown(snapshot, metrics) -> None:
    one = snapshot.view("lake/loaded")
    quiet = replace(one.rules[0], alpha=1.0, alarm_id="", remarks=())
    text = render(replace(snapshot, series={one.name: replace(one, rules=(quiet, *one.rules))}), metrics)
    assert alarms_in(text) == {one.name}


def test_two_rules_on_one_threshold_make_one_line(snapshot, metrics) -> None:
    lines = re.findall(r"^sentinel_series_alpha{.*grid/frequency.*$", render(snapshot, metrics), re.MULTILINE)
    assert len(lines) == 1
    assert lines[0].endswith(" 0.0001")


def test_an_instrument_takes_no_other_labels_than_its_own(metrics) -> None:
    for labels in ({}, {"colour": "blue"}, {"source": "buoys", "colour": "blue"}):
        with pytest.raises(ValueError, match=r"sentinel_ticks_total: labels .* are needed"):
            metrics.ticks.inc(**labels)


def test_a_number_that_is_none_is_left_out_and_the_scrape_goes_on(snapshot, metrics) -> None:
    metrics.journal_bytes.set(float("nan"))
    assert shown(render(snapshot, metrics)) == {row.name for row in METRICS} - {"sentinel_journal_bytes"}


def test_counts_of_many_threads_are_all_kept(snapshot) -> None:
    metrics = Metrics()

    def count() -> None:
        for _ in range(2_000):
            metrics.task_runs.inc(task="lake")
            metrics.commit_duration.observe(0.02)

    threads = [Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    text = render(snapshot, metrics)
    assert 'sentinel_task_runs_total{task="lake"} 8000.0' in text
    assert 'sentinel_commit_duration_seconds_bucket{le="+Inf"} 8000.0' in text


def test_counters_without_labels_start_at_zero(snapshot) -> None:
    text = render(snapshot, Metrics())
    assert "sentinel_commits_total 0.0" in text
    assert 'sentinel_commit_duration_seconds_bucket{le="+Inf"} 0.0' in text
    assert "sentinel_last_commit_timestamp_seconds" not in text, "a moment that never was is not 1970"


@settings(max_examples=30, deadline=None)
@given(name=st.text(st.characters(exclude_categories=())), lag1=st.floats(), ticks=st.integers(-5, 10**18))
def test_any_name_and_any_number_gives_text_that_can_be_parsed(snapshot, name, lag1, ticks) -> None:
    one = estimated(replace(snapshot.view("lake/control"), name=name, missing_ticks=ticks), lag1=lag1)
    text = render(replace(snapshot, series={name: one}), Metrics())
    values = {line.labels["series"] for f in parse_text(text) for line in f.samples if "series" in line.labels}
    assert len(values) == 1
    assert ("lag1_autocorrelation{" in text) != np.isnan(lag1)


def test_promtool_finds_nothing_to_say(snapshot, metrics) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        assert os.environ.get("CI") != "true", "promtool is needed in CI"
        pytest.skip("promtool is not installed")
    text = render(snapshot, metrics)
    checked = subprocess.run([promtool, "check", "metrics"], input=text, text=True, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def labelled(snapshot: Snapshot, *keys: str) -> Snapshot:
    one = snapshot.view("lake/control")
    return replace(snapshot, series={key: replace(one, name=key) for key in keys})


def test_labels_that_are_allowed_stand_beside_the_key_and_others_do_not(snapshot) -> None:
    keys = ['ph{host="a",lake="peter"}', 'ph{job="\\"x"}', "ph"]
    settings = WebSettings(labels=("lake", "job", "sensor-id"))
    text = Exposition(lambda: labelled(snapshot, *keys), Metrics(), settings).render()[0].decode()
    shown = {
        line.labels["series"]: line.labels for f in parse_text(text) for line in f.samples if "series" in line.labels
    }
    assert [shown[key]["label_lake"] for key in keys] == ["peter", "", ""]
    assert [shown[key]["label_job"] for key in keys] == ["", '"x', ""]
    assert not any("label_host" in labels or "job" in labels for labels in shown.values())
    # Without labels not a byte is other than before.
    assert "label_" not in render(labelled(snapshot, *keys), Metrics())


def test_labels_add_no_samples(snapshot) -> None:
    fleet = labelled(snapshot, *(f'ph{{lake="{i}"}}' for i in range(100)))
    with_labels, _ = Exposition(lambda: fleet, Metrics(), WebSettings(labels=("lake", "site"))).render()
    assert with_labels.count(b"\n") == render(fleet, Metrics()).count("\n")
