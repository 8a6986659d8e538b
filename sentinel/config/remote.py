"""Settings of sources beyond files: servers that are asked, senders that bring their data; the union of all kinds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from sentinel.config.asked import HttpSource, ServerKeys, WebKeys, address, web_address
from sentinel.config.sources import TIME_NUMBERS, CsvSource, Every, NamedSource, Prefix, SimulateSource, TimeZone
from sentinel.config.values import Fault, KeyPath, Name, PositiveDuration, SourceLabels, Text, require
from sentinel.domain.spans import DAY, MINUTE, SECOND

TEMPLATE = re.compile(r"\{([A-Za-z0-9_.-]+)\}")
"""One place of a template of names."""


def _is_template(text: str) -> bool:
    rest = TEMPLATE.sub("", text)
    return bool(TEMPLATE.search(text)) and "{" not in rest and "}" not in rest and text.isprintable()


_Template: TypeAlias = Annotated[
    str, AfterValidator(require(_is_template, "a template with names of labels in braces, such as {__name__}/{site}"))
]


_TopicTemplate: TypeAlias = Annotated[
    str, AfterValidator(require(_is_template, "a template with numbers of topic levels in braces, such as {2}/{3}"))
]
_SPARKPLUG = ("group", "node", "device", "metric")
_TimeFormat: TypeAlias = Literal[TIME_NUMBERS]  # type: ignore[valid-type]
_SECONDS = require(lambda us: us >= SECOND and us % SECOND == 0, "whole seconds, at least 1s, are allowed")


_FILTER = require(
    lambda text: re.fullmatch(r"(?:(?:\+|[^+#/\0]*)(?:/(?:\+|[^+#/\0]*))*)?(?:(?:^|/)#)?", text),
    "a topic filter such as lakes/+/ph or lakes/#: + stands for one whole level, # for all that follow, at the end",
)  # fmt: skip


class PrometheusSource(WebKeys):
    """A server that is asked as Prometheus is: Prometheus, VictoriaMetrics, Thanos, Mimir."""

    kind: Literal["prometheus"]
    """Ranges of a Prometheus-compatible server."""
    every: Every = MINUTE
    """Interval between requests."""
    url: Annotated[str, web_address("http://localhost:9090")]
    """Address of the server up to before /api/v1, such as http://localhost:9090."""
    queries: Annotated[tuple[Text, ...], Field(min_length=1)]
    """PromQL; each answer's label sets become series. Of a counter ask for its rate."""
    step: Annotated[PositiveDuration, AfterValidator(_SECONDS)] = MINUTE
    """Distance of the points that are asked for; they lie on its multiples."""
    since: PositiveDuration | None = None
    """History that the first start reads, such as 90d; null = none."""
    delay: PositiveDuration = 30 * SECOND
    """Points newer than this are not asked for yet: a scrape and the rules over it take their time."""
    series_name: _Template | None = None
    """Names of the series, such as "{__name__}/{instance}"; null = the name and all labels, job and instance too."""
    prefix: Prefix = ""
    """Put before the name of each series."""
    labels: SourceLabels = Field(default_factory=dict)
    """Labels of its series, such as {site: north}. A label that a series brings itself stays."""
    keep_labels: bool = False
    """Labels stay labels, `ph{lake="peter"}` in place of `ph/lake=peter`; series_name names what is before them. Series
    have other keys then: `sentinel series rename` keeps what was learnt of them."""
    max_observations: Annotated[int, Field(ge=1)] = 50_000
    """Observations that one request is meant to bring; history is read in pieces of about so many."""


class SqlSource(NamedSource):
    """A table or a view of PostgreSQL, TimescaleDB or SQLite, read in the order of time."""

    kind: Literal["sql"]
    """Rows of a database."""
    every: Every = 30 * SECOND
    """Interval between requests."""
    database: Annotated[
        str,
        AfterValidator(require(
            lambda text: (text.startswith("sqlite:") and len(text) > 7) or (
                text.startswith(("postgresql://", "postgres://")) and urlsplit(text).password is None
                and "password" not in urlsplit(text).query
            ),
            "sqlite:PATH, or postgresql://USER@HOST:PORT/DATABASE without a password, which belongs into password_file",
        )),
    ]  # fmt: skip
    """sqlite:PATH, or postgresql://USER@HOST:PORT/DATABASE."""
    query: Text
    """A SELECT that gives time, id and values, without ORDER BY: SELECT taken_at AS time, id, ph FROM readings."""
    time_column: Text = "time"
    """Column of the event times."""
    id_column: Text = "id"
    """Column that tells rows of the same time apart; both together are unique, and an index over them makes it fast."""
    series_column: Text = "series"
    """Long: column of the series' names."""
    value_column: Text = "value"
    """Long: column of the values."""
    by: tuple[Text, ...] = ()
    """Identifying columns that split the rows; [lake] names the series peter/ph, paul/ph."""
    columns: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    """Wide: the columns that are series; null = all that are left. Long tables have series_column and value_column."""
    time_format: _TimeFormat | None = None
    """Of times that are numbers: seconds, milliseconds, ...; null = instants, or text in ISO 8601."""
    time_zone: TimeZone = "UTC"
    """Time zone of event times that carry no offset."""
    since: PositiveDuration | None = None
    """Stretch that the first start reads, from the beginning of that day on; null = all there is."""
    lag: PositiveDuration = 10 * SECOND
    """Rows newer than this are not read yet: one that is committed so much later than its time is not missed."""
    password_file: Text | None = None
    """PostgreSQL: file that holds the password; a relative path is looked for in $CREDENTIALS_DIRECTORY first."""
    timeout: PositiveDuration = 30 * SECOND
    """Longest time that a connection and a query may take, each."""
    prefix: Prefix = ""
    """Put before the name of each series."""
    labels: SourceLabels = Field(default_factory=dict)
    """Labels of its series, such as {site: north}. A label that a series brings itself stays."""
    keep_labels: bool = False
    """Columns of by become labels, `ph{lake="peter"}` in place of `peter/ph`. Series have other keys then: `sentinel
    series rename` keeps what was learnt of them."""
    max_rows: Annotated[int, Field(ge=2)] = 20_000
    """Rows read in one go; the rest follows at once."""

    def _conflicts(self) -> Iterator[Fault]:
        if self.time_column == self.id_column:
            yield Fault(
                ("id_column",), f"'{self.id_column}' is the time column; a column that tells rows apart is needed"
            )
        if self.password_file is not None and self.database.startswith("sqlite:"):
            yield Fault(("password_file",), f"'{self.password_file}'; SQLite has no password; leave it out")


_BROKERS = require(
    lambda text: re.fullmatch(r"[^\s,:]+:\d{1,5}(,[^\s,:]+:\d{1,5})*", text),
    "host:port is needed, or several with commas between",
)


class PayloadKeys(ServerKeys):
    """The keys of every source of messages: what they say, and when it was true."""

    values: tuple[Text, ...] = ()
    """Places of the values in a JSON payload, such as [temp, air.humidity]; "*" = all its numbers; none = the payload
    is a number. Sparkplug B: names of metrics; none = all numbers."""
    time: Text | None = None
    """Place of the event time in a JSON payload; null = that of the message: MQTT when it arrives, Kafka its own."""
    time_format: _TimeFormat | None = None
    """Of times that are numbers: seconds, milliseconds, ...; null = text in ISO 8601."""
    time_zone: TimeZone = "UTC"
    """Time zone of event times that carry no offset."""

    def _conflicts(self) -> Iterator[Fault]:
        yield from super()._conflicts()
        if self.time is not None and not self.values:
            yield Fault(("time",), f"'{self.time}', and the payload is a number; name the places of the values as well")


class MqttSource(PayloadKeys):
    """Messages of an MQTT broker, acknowledged once they are on disk."""

    kind: Literal["mqtt"]
    """Messages of a broker."""
    url: Annotated[str, address(("mqtt", "mqtts"), "mqtt://localhost:1883, or mqtts:// with TLS")]
    """Address of the broker, such as mqtt://localhost:1883; mqtts:// with TLS."""
    topics: Annotated[tuple[Annotated[str, AfterValidator(_FILTER), Field(min_length=1)], ...], Field(min_length=1)]
    """Topic filters, such as lakes/+/ph."""
    client_id: Name | None = None
    """Name at the broker, which keeps messages for it; unique there; null = sentinel- and the source's id."""
    protocol: Literal["3.1.1", "5"] = "3.1.1"
    """Version of MQTT."""
    payload: Literal["plain", "sparkplug"] = "plain"
    """plain = numbers or JSON; sparkplug = Sparkplug B, with topics such as spBv1.0/plant/#."""
    series_name: _TopicTemplate | None = None
    """Names of the series by levels of the topic, counted from 1, such as "{2}/{3}"; null = the topic. A place in the
    payload follows it. Sparkplug B: such as "{node}/{metric}"; null = group, node, device and metric."""
    keep_for: PositiveDuration = 7 * DAY
    """MQTT 5: how long the broker keeps messages while the daemon is away."""
    prefix: Prefix = ""
    """Put before the name of each series."""
    labels: SourceLabels = Field(default_factory=dict)
    """Labels of its series, such as {site: north}, or {lake: "{2}"} by a level of the topic."""

    def _conflicts(self) -> Iterator[Fault]:
        yield from super()._conflicts()
        if self.ca_file is not None and self.url.startswith("mqtt:"):
            yield Fault(("ca_file",), f"'{self.ca_file}' without TLS; write mqtts:// in url")
        is_sparkplug = self.payload == "sparkplug"
        for key in ("time", "time_format") if is_sparkplug else ():
            if getattr(self, key) is not None:
                yield Fault(
                    (key,), f"'{getattr(self, key)}', and messages of Sparkplug B have their time; leave it out"
                )
        templates: list[tuple[KeyPath, str]] = [(("series_name",), self.series_name or "")]
        for path, template in [*templates, *((("labels", label), text) for label, text in self.labels.items())]:
            for place in TEMPLATE.findall(template):
                if is_sparkplug and place not in _SPARKPLUG:
                    yield Fault(path, f"'{place}' is no part of a name; {', '.join(_SPARKPLUG)} are allowed")
                elif not is_sparkplug and not (place.isdigit() and int(place) > 0):
                    yield Fault(path, f"'{place}' is no level of a topic; numbers from 1 on are allowed")


class KafkaSource(PayloadKeys):
    """Messages of Kafka topics; how far they were read is kept with the observations, not by the broker."""

    kind: Literal["kafka"]
    """Messages of Kafka."""
    every: Every = SECOND
    """Interval between requests."""
    brokers: Annotated[str, AfterValidator(_BROKERS)]
    """Brokers to begin with, such as kafka1:9092,kafka2:9092."""
    topics: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Names of topics."""
    tls: bool = False
    """Connect with TLS."""
    sasl: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """Way in which the password is shown to the broker, where there is a username."""
    since: PositiveDuration | None = None
    """Observations of the first start that are older are passed over, such as 90d; null = all that the broker has."""
    series_name: _Template | None = None
    """Names of the series, such as "{topic}/{key}"; null = the topic. A place in the payload follows it."""
    prefix: Prefix = ""
    """Put before the name of each series."""
    labels: SourceLabels = Field(default_factory=dict)
    """Labels of its series, such as {site: north}, or {lake: "{key}"}."""
    max_messages: Annotated[int, Field(ge=1)] = 10_000
    """Messages read in one go; the rest follows at once."""

    def _conflicts(self) -> Iterator[Fault]:
        yield from super()._conflicts()
        if self.ca_file is not None and not self.tls:
            yield Fault(("ca_file",), f"'{self.ca_file}' without TLS; set tls: true")
        if self.sasl == "PLAIN" and self.username is not None and not self.tls:
            yield Fault(("sasl",), "PLAIN would send the password in the clear; set tls: true, or SCRAM-SHA-512")
        templates: list[tuple[KeyPath, str]] = [(("series_name",), self.series_name or "")]
        for path, template in [*templates, *((("labels", label), text) for label, text in self.labels.items())]:
            for place in TEMPLATE.findall(template):
                if place not in ("topic", "key"):
                    yield Fault(path, f"'{place}' is no part of a message; topic and key are allowed")


class PushSource(NamedSource):
    """Senders that post observations to the daemon's own HTTP server."""

    kind: Literal["push"]
    """Observations that are sent to the daemon."""
    token_file: Text | None = None
    """File that holds the token that senders must show; needed where web.listen is not loopback. A relative path is
    looked for in $CREDENTIALS_DIRECTORY first."""
    series_name: _Template | None = None
    """Names of series that come with labels, such as "{__name__}/{host}"; null = the name and all labels."""
    max_bytes: Annotated[int, Field(ge=1_000, le=1 << 30)] = 16 << 20
    """Bytes of one request at most, compressed or not."""
    prefix: Prefix = ""
    """Put before the name of each series."""
    labels: SourceLabels = Field(default_factory=dict)
    """Labels of its series, such as {site: north}. A label that a series brings itself stays."""
    keep_labels: bool = False
    """Labels stay labels, `ph{lake="peter"}` in place of `ph/lake=peter`; series_name names what is before them. Series
    have other keys then: `sentinel series rename` keeps what was learnt of them."""


Source: TypeAlias = Annotated[
    CsvSource | SimulateSource | PrometheusSource | SqlSource | HttpSource | MqttSource | KafkaSource | PushSource,
    Field(discriminator="kind"),
]
"""The settings of one source, of any kind."""


def several_push(sources: Iterable[Source]) -> Iterator[Fault]:
    """Find a second source that is pushed to: the paths of the server belong to one."""
    pushed = [(position, one.name) for position, one in enumerate(sources) if isinstance(one, PushSource)]
    for position, name in pushed[1:]:
        message = f"'{name}' is a second source of kind push; the server's paths belong to '{pushed[0][1]}'"
        yield Fault((position, "kind"), message)
