"""Alerts for Alertmanager: the labels of the shipped rules, and a real Alertmanager that forgets and is reminded."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from sentinel.config import AlertmanagerNotify
from sentinel.domain.metrics import Metrics
from sentinel.journal import Journal
from sentinel.notify import make_notifier
from sentinel.notify.alertmanager import AlertmanagerNotifier, alert_name
from sentinel.runtime.outbox import Outbox
from tests.deploy.programs import eventually, free_address, program, running
from tests.fixtures import ManualClock
from tests.notify.conftest import Web
from tests.notify.test_notify import CLEARED, EVENT, soon

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "rules.yaml"
SITE = EVENT | {"members": ["a", "b"], "k": 2, "source": None, "rule": None, "label": None, "kind": "any"}
CLAIMS = {
    "slower": ("warning", "critical"), "lag1": ("0.8", "below -0.8", "relative"), "modulus": ("0.9",),
    "spread": ("1.5x",), "rise": ("2.72x",), "weighted": ("lag1 0.8 + spread 1.5x",),
}  # fmt: skip


def fires_on(alert: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether the selector of a shipped rule takes the metric of an open alarm with these labels."""
    found = set(re.findall(r"sentinel_series_alarm\{(.*?)\}", alert["expr"]))
    if not found:
        return False
    fits = {"=": re.fullmatch, "=~": re.fullmatch, "!~": lambda *of: not re.fullmatch(*of)}
    (matchers,) = found
    return all(fits[sign](value, labels[key]) for key, sign, value in re.findall(r'(\w+)(=~|!~|=)"(.*?)"', matchers))


def test_every_alarm_has_the_alert_and_the_severity_that_the_shipped_rules_give_it() -> None:
    alerts = [
        rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"] if "alert" in rule
    ]
    for (kind, labels), severity in product(CLAIMS.items(), ("warning", "critical")):
        for label in labels:
            metric = {"job": "sentinel", "detector": kind, "threshold": label, "severity": severity}
            fired = [(alert["alert"], alert["labels"]["severity"]) for alert in alerts if fires_on(alert, metric)]
            event = EVENT | {"rule": kind, "label": label, "severity": severity}
            assert fired == [(alert_name(event), severity)], metric
    assert alert_name(SITE) == "SentinelSiteAlarm"


def test_labels_are_those_of_the_metric_behind_prometheus_empty_ones_left_out(web: Web) -> None:
    notifier = AlertmanagerNotifier(AlertmanagerNotify(kind="alertmanager", url=web.address, page="http://buoy:9814"))
    notifier.send([EVENT | {"series": "lake/ph"}, SITE], soon())
    ((path, _, body),) = web.got
    assert path == "/api/v2/alerts"
    series, site = json.loads(body)
    common = {"job": "sentinel", "instance": "127.0.0.1:9814", "severity": "warning"}
    assert series["labels"] == common | {
        "alertname": "SentinelResilienceLoss", "series": "lake/ph", "source": "buoys", "detector": "lag1",
        "threshold": "0.8",
    }  # fmt: skip
    assert site["labels"] == common | {"alertname": "SentinelSiteAlarm", "series": EVENT["series"]}
    assert series["annotations"]["page"] == "http://buoy:9814/series/lake/ph"
    assert series["annotations"]["lag1"] == "0.91"
    assert series["generatorURL"] == "http://buoy:9814/alarms/a1b2"


def test_each_alert_leads_to_the_section_of_the_runbooks_that_the_shipped_rules_lead_to(web: Web) -> None:
    rules = yaml.safe_load(RULES.read_text())["groups"]
    page = rules[0]["rules"][0]["labels"]["url"]
    shipped = {
        rule["alert"]: page + rule["annotations"]["runbook_url"].rpartition("}}")[2]
        for group in rules
        for rule in group["rules"]
        if "alert" in rule
    }
    notifier = AlertmanagerNotifier(AlertmanagerNotify(kind="alertmanager", runbooks=page))
    events = [EVENT, EVENT | {"severity": "critical"}, EVENT | {"rule": "spread"}, SITE, EVENT | {"drill": True}]
    for event in events:
        alert: Any = notifier.alert_of(event)
        assert alert["annotations"]["runbook_url"] == shipped[alert["labels"]["alertname"]]
    assert "runbook_url" not in str(AlertmanagerNotifier(AlertmanagerNotify(kind="alertmanager")).alert_of(EVENT))


def test_the_summary_is_the_sentence_of_the_shipped_rules_and_an_end_says_what_ended_it() -> None:
    """Bug: an alert that sentinel sent said "s2: raised", the same one of Prometheus "... is losing resilience"."""
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    shipped = {rule["alert"]: rule["annotations"]["summary"] for rule in rules if "alert" in rule}
    notifier = AlertmanagerNotifier(AlertmanagerNotify(kind="alertmanager"))
    events = [
        EVENT | {"rule": kind, "label": label, "severity": severity}
        for (kind, labels), severity in product(CLAIMS.items(), ("warning", "critical"))
        for label in labels
    ]
    for event in [*events, SITE, EVENT | {"drill": True, "severity": "drill"}]:
        alert: Any = notifier.alert_of(event)
        summary = shipped[alert["labels"]["alertname"]]
        for name in ("series", "source", "instance"):
            summary = summary.replace(f"{{{{ $labels.{name} }}}}", alert["labels"].get(name, ""))
        assert alert["annotations"]["summary"] == summary
    for why, said in (("", "ended"), ("gap", "ended by a gap")):
        ended: Any = notifier.alert_of(EVENT | {"what": "cleared", "ended_by": why})
        assert ended["annotations"]["summary"] == f"{EVENT['series']}: {said}"


def test_evidence_that_stands_at_its_line_while_an_alarm_is_open_is_left_out() -> None:
    """Bug: alerts on `slower` said "evidence 0.00 (0 is the alarm line)"."""
    notifier = AlertmanagerNotifier(AlertmanagerNotify(kind="alertmanager"))
    for rule, is_there in (("slower", False), ("lag1", True)):
        alert: Any = notifier.alert_of(EVENT | {"rule": rule, "evidence": 0.0})
        assert ("evidence" in alert["annotations"]) == is_there


def test_a_drill_has_the_name_and_the_labels_of_the_shipped_rule_alone(web: Web) -> None:
    (rule,) = [
        rule
        for group in yaml.safe_load(RULES.read_text())["groups"]
        for rule in group["rules"]
        if rule.get("alert") == "SentinelDrill"
    ]
    notifier = make_notifier(AlertmanagerNotify(kind="alertmanager", url=web.address, page="http://buoy:9814"))
    notifier.send([EVENT | {"series": "drill", "severity": "drill", "drill": True}], soon())
    (alert,) = json.loads(web.got[0][2])
    scraped = {"job": "sentinel", "instance": "127.0.0.1:9814"}
    assert alert["labels"] == {"alertname": rule["alert"], **rule["labels"], **scraped}
    assert alert["generatorURL"] == "http://buoy:9814/status"
    assert "page" not in alert["annotations"]


def test_one_bad_alert_is_refused_alone_and_an_outage_loses_nothing(web: Web) -> None:
    notifier = make_notifier(AlertmanagerNotify(kind="alertmanager", url=web.address))
    other = EVENT | {"id": "c3", "series": "other"}
    web.answers = [400, 200, 400]
    assert notifier.send([EVENT, other], soon())[:2] == ("refused", 1)
    web.answers = [503]
    assert notifier.send([EVENT, other], soon())[:2] == ("retry", 0)


def test_of_several_events_of_one_alarm_the_last_counts(web: Web) -> None:
    make_notifier(AlertmanagerNotify(kind="alertmanager", url=web.address)).send(
        [EVENT, CLEARED, EVENT | {"id": "next"}], soon()
    )
    (alert,) = json.loads(web.got[0][2])
    assert alert["startsAt"] == EVENT["time"]


@pytest.mark.slow
def test_a_real_alertmanager_that_lost_its_memory_is_told_again_until_the_alarm_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    address = free_address()
    (tmp_path / "config.yaml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")

    def alertmanager(life: int) -> Any:
        command = [
            program("prometheus-alertmanager"), f"--config.file={tmp_path / 'config.yaml'}",
            f"--storage.path={tmp_path / f'life{life}'}", f"--web.listen-address={address}",
            "--cluster.listen-address=",
        ]  # fmt: skip
        return running(command, tmp_path / f"output{life}")

    def alerts() -> list[dict[str, Any]]:
        with httpx.Client(base_url=f"http://{address}", trust_env=False) as client:
            try:
                found: list[dict[str, Any]] = client.get("/api/v2/alerts", params={"active": "true"}).json()
            except (httpx.HTTPError, ValueError):
                return []
        return found

    monkeypatch.setattr("sentinel.runtime.courier.LAST_RETRY_SECONDS", 0.2)
    settings = AlertmanagerNotify(kind="alertmanager", url=f"http://{address}", resend_every=200_000)
    event = EVENT | {"alarm_id": "a1b2", "id": "a1b2/raised", "time_us": 0, "lag1_high": None}
    with Journal.open(tmp_path / "state") as journal:
        outbox = Outbox(journal, {"am": make_notifier(settings)}, Metrics(), ManualClock(5))
        journal.append_events([event], outbox.sinks, 1)
        outbox.note([event])

        def turn_until(holds: Callable[[], object]) -> Any:
            return eventually(lambda: (outbox.deliver(), holds())[1], 30.0, lambda: f"alerts: {alerts()}")

        with alertmanager(1):
            (alert,) = turn_until(alerts)
            assert alert["labels"]["series"] == EVENT["series"]
            # What Prometheus sends for the same alarm is the same alert.
            with httpx.Client(base_url=f"http://{address}", trust_env=False) as client:
                client.post("/api/v2/alerts", json=[{"labels": alert["labels"]}]).raise_for_status()
            assert len(alerts()) == 1
        with alertmanager(2):  # another life, with nothing on disk
            assert turn_until(alerts)[0]["fingerprint"] == alert["fingerprint"]
            ended = event | {"id": "a1b2/cleared", "what": "cleared"}
            journal.append_events([ended], outbox.sinks, 2)
            outbox.note([ended])
            turn_until(lambda: not alerts() and not journal.outbox_length("am"))
            for _ in range(10):
                outbox.deliver()
            assert alerts() == []


def test_labels_that_metrics_show_are_labels_of_the_alert_under_the_same_names() -> None:
    notifier = make_notifier(AlertmanagerNotify(kind="alertmanager"), ("lake", "site"))
    assert isinstance(notifier, AlertmanagerNotifier)
    labels = notifier.labels_of(EVENT | {"series": 'ph{host="a",lake="peter"}'})
    assert {name: value for name, value in labels.items() if name.startswith("label_")} == {"label_lake": "peter"}


def test_an_alert_ends_by_the_labels_it_began_with_though_its_series_and_source_were_renamed() -> None:
    notifier = make_notifier(AlertmanagerNotify(kind="alertmanager"), ("lake",))
    assert isinstance(notifier, AlertmanagerNotifier)
    began = EVENT | {"series": "peter/ph"}
    ended = CLEARED | {"series": 'ph{lake="peter"}', "raised_as": "peter/ph"}
    ended |= {"source": "new", "raised_from": EVENT["source"]}
    assert notifier.labels_of(ended) == notifier.labels_of(began)
