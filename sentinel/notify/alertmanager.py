"""Notifier `alertmanager`: alerts over API version 2, with the labels that the shipped rules give them.

Alertmanager knows an alert by its labels, so that what comes from here and what comes through Prometheus is one alert.
It forgets an alert whose end has passed. So each alarm is sent with an end some time ahead (`keep`), again and again
while it is open, and with the present as its end once it is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from sentinel.config import SLOWER, AlertmanagerNotify
from sentinel.config.secrets import hide_query
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.drills import DRILL, is_drill
from sentinel.domain.labels import exposed
from sentinel.notify.base import Answer, Delivery, Event, Notifier, end_in_words, page_of, send_each
from sentinel.notify.http import post, to_json

SUMMARIES = {
    "SentinelResilienceLoss": "{series} ({source}) is losing resilience",
    "SentinelOvershooting": "{series} ({source}) overshoots ever more strongly",
    "SentinelOscillation": "{series} ({source}) swings longer and longer",
    "SentinelSpreadRisen": "{series} ({source}) varies more than it used to",
    "SentinelCritical": "{series} ({source}) has a critical alarm",
    "SentinelSiteAlarm": "Several series of site {series} have an alarm",
    "SentinelDrill": "A drill of sentinel {instance}: nothing has happened",
}
"""Summary of each alert, as the shipped rules have it."""
NAMES = {"modulus": "SentinelOscillation", "spread": "SentinelSpreadRisen", "rise": "SentinelSpreadRisen"}
"""Alerts of the shipped rules by kind of the rule, where it is no loss of resilience."""


def alert_name(event: Event) -> str:
    """Give the alert of the shipped rules for this event."""
    if is_drill(event):
        return "SentinelDrill"
    if "members" in event:
        return "SentinelSiteAlarm"
    if event["severity"] == "critical":
        return "SentinelCritical"
    if event["rule"] == "lag1" and str(event["label"]).startswith("below "):
        return "SentinelOvershooting"
    return NAMES.get(str(event["rule"]), "SentinelResilienceLoss")


class AlertmanagerNotifier(Notifier):
    """Sends alerts to one Alertmanager."""

    def __init__(self, settings: AlertmanagerNotify) -> None:
        super().__init__(settings.name)
        self._settings, self._clock = settings, Clock()
        self._url = f"{settings.url.rstrip('/')}/api/v2/alerts"
        self.renew_every = settings.resend_every / MICROSECONDS

    def describe(self) -> str:
        """Say where alerts go."""
        return f"alerts to Alertmanager at {hide_query(self._settings.url)}"

    def send(self, batch: Sequence[Event], deadline: float) -> Delivery:
        """Send all at once; where Alertmanager refuses one of them, one by one. See `Notifier.send`.

        Of several events of one alarm the last counts, which is the same as sending them in order.
        """
        last = {frozenset(self.labels_of(event).items()): event for event in batch}
        answer = self._post(list(last.values()), deadline)
        if answer.outcome == "refused" and len(batch) > 1:
            return send_each(batch, lambda event: self._post([event], deadline))
        return Delivery(answer.outcome, len(batch) if answer.outcome == "delivered" else 0, answer.reason)

    def _post(self, events: Sequence[Event], deadline: float) -> Answer:
        body = to_json([self.alert_of(event) for event in events])
        return post(f"notify {self.name}", self._url, body, {}, self._settings, deadline)

    def labels_of(self, event: Event) -> dict[str, str]:
        """Give the labels of the alert, those that are empty left out as Prometheus does."""
        # An alert is ended by the labels it began with.
        series, source = str(event.get("raised_as", event["series"])), event.get("raised_from", event["source"])
        labels = {"alertname": alert_name(event), "severity": event["severity"], "series": series}
        if is_drill(event):
            labels = {"alertname": alert_name(event), "severity": DRILL, DRILL: "true"}
        elif "members" not in event:
            labels |= {"source": source, "detector": event["rule"], "threshold": event["label"]}
            labels |= exposed(series, self.shown_labels)
        known = {name: str(value).encode("utf-8", "replace").decode() for name, value in labels.items()}
        return {name: value for name, value in (self._settings.labels | known).items() if value}

    def alert_of(self, event: Event) -> dict[str, object]:
        """Give the alert: labels, words and numbers, begin and end."""
        now = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self._clock.now_us())
        alert: dict[str, object] = {"labels": self.labels_of(event), "annotations": self._annotations(event)}
        if self._settings.page is not None:
            alert["generatorURL"] = f"{self._settings.page.rstrip('/')}/{page_of(event)}"
        if event["what"] == "cleared":
            return alert | {"endsAt": now.isoformat()}
        alert["endsAt"] = (now + timedelta(microseconds=self._settings.keep)).isoformat()
        begun = event.get("time")
        # One that lies ahead, of a clock that is wrong or a simulation, would be refused behind its end.
        if isinstance(begun, str) and datetime.fromisoformat(begun) <= now:
            alert["startsAt"] = begun
        return alert

    def _annotations(self, event: Event) -> dict[str, str]:
        number = {
            name: event[name]
            for name in ("lag1", "lag1_low", "lag1_high", "recovery_seconds", "evidence", "e_value")
            if isinstance(event.get(name), float) and (name, event["rule"]) != ("evidence", SLOWER)
        }
        words = {name: f"{value:.4g}" for name, value in number.items()}
        said = {"summary": self._summary_of(event), "description": str(event["text"]), **words}
        said |= {"alarm": str(event["id"]), "settings": str(event.get("settings") or "")}
        if self._settings.runbooks is not None:
            said["runbook_url"] = f"{self._settings.runbooks}#{alert_name(event).lower()}"
        if self._settings.page is not None and "members" not in event and not is_drill(event):
            name = quote(str(event["series"]), safe="/", errors="replace")
            said["page"] = f"{self._settings.page.rstrip('/')}/series/{name}"
        return {name: text for name, text in said.items() if text}

    def _summary_of(self, event: Event) -> str:
        """Say what the shipped rules say; of an end that it is one, and what ended it."""
        if event["what"] == "cleared":
            return f"{event['series']}: {end_in_words(event)}"
        labels = {"source": "", "instance": ""} | self.labels_of(event)
        return SUMMARIES[alert_name(event)].format_map(labels | {"series": event["series"]})
