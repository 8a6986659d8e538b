"""Settings of the receivers of events. Secrets are never written here: a setting names the file that holds one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from sentinel.config.values import Fault, LabelName, Name, Part, Pattern, PositiveDuration, Text, require
from sentinel.domain.spans import HOUR, MINUTE, SECOND

_NOT_EMPTY = require(lambda path: path != "", "a path is needed; '.' is the folder in which sentinel was started")
NamedPath: TypeAlias = Annotated[
    Path, BeforeValidator(_NOT_EMPTY), WithJsonSchema({"type": "string", "format": "path", "minLength": 1})
]


def _http(text: str) -> str:
    found = urlsplit(text)
    if found.scheme not in ("http", "https") or not found.hostname:
        raise ValueError("an address with http or https and a host is needed, such as https://example.org/alarms")
    if found.port is not None and not found.port:
        raise ValueError("a port from 1 to 65535 is needed")
    return text


Url: TypeAlias = Annotated[Text, AfterValidator(_http)]
_ADDRESS = r"^[^@\s<>,]+@[^@\s<>,]+$"
Address: TypeAlias = Annotated[
    str,
    AfterValidator(require(lambda text: re.match(_ADDRESS, text), "an address such as watch@example.org is needed")),
    WithJsonSchema({"type": "string", "pattern": _ADDRESS}),
]


def _without_login(key: str, url: str | None) -> Iterator[Fault]:
    """Find a password in an address: it would be shown with the settings. The message does not repeat it."""
    if url is not None and "@" in urlsplit(url).netloc:
        yield Fault((key,), "holds a user or a password; write the password into a file (password_file)")


class LogNotify(Part):
    """Notifications as JSON lines."""

    kind: Literal["log"] = "log"
    """JSON lines in a file or on standard error."""
    name: Name = "log"
    """Name of the sink; the label `sink` of its metrics."""
    path: NamedPath | None = None
    """File the lines are appended to; null = standard error."""


class RemoteKeys(Part):
    """Settings that all receivers over HTTP share."""

    timeout: PositiveDuration = 5 * SECOND
    """Longest wait for an answer; then it is tried again."""
    ca_file: NamedPath | None = None
    """Certificates that the server's is checked against; null = those of the system."""
    username: Text | None = None
    """User, for HTTP basic authentication; with `password_file`."""
    password_file: NamedPath | None = None
    """File that holds the password. A relative path is looked for in $CREDENTIALS_DIRECTORY first."""
    bearer_token_file: NamedPath | None = None
    """File that holds a bearer token; in place of user and password. Looked for like `password_file`."""

    def _conflicts(self) -> Iterator[Fault]:
        if (self.username is None) != (self.password_file is None):
            yield Fault(("username",), "username and password_file go together; give both, or neither")
        if self.bearer_token_file is not None and self.username is not None:
            yield Fault(("bearer_token_file",), "a token and a user are given; one of them is allowed")


class AlertmanagerNotify(RemoteKeys):
    """Alerts for an Alertmanager, as Prometheus with the shipped rules would send them."""

    kind: Literal["alertmanager"]
    """Alertmanager, by its API version 2; re-sent while an alarm is open, resolved when it ends."""
    name: Name = "alertmanager"
    """Name of the sink; the label `sink` of its metrics."""
    url: Url = "http://127.0.0.1:9093"
    """Address of the Alertmanager, without `/api/v2`."""
    labels: dict[LabelName, Text] = Field(default_factory=lambda: {"job": "sentinel", "instance": "127.0.0.1:9814"})
    """Labels of every alert. With those that Prometheus gives the daemon, both ways lead to the same alert."""
    page: Url | None = None
    """Address under which people reach the daemon's page, for links; null = no links."""
    runbooks: Url | None = None
    """Address at which your site serves docs/runbooks.md, as in the first of the shipped rules; null = no link."""
    resend_every: PositiveDuration = MINUTE
    """Interval at which open alarms are sent again: an Alertmanager that has lost its memory knows them then."""
    keep: PositiveDuration = HOUR
    """Time for which an Alertmanager that hears nothing more keeps an alarm open: no answer is no recovery."""

    def _conflicts(self) -> Iterator[Fault]:
        yield from super()._conflicts()
        yield from _without_login("url", self.url)
        if self.runbooks is not None and "#" in self.runbooks:
            yield Fault(("runbooks",), "the page itself is needed; the section of each alert is added to it")
        if self.keep < 3 * self.resend_every:
            message = "is less than 3 times resend_every; a lost message would end open alarms"
            yield Fault(("keep",), message)


class RemoteWriteNotify(RemoteKeys):
    """Readings of series as they are at the end of each tick, for a time series database; no alarms."""

    kind: Literal["remote_write"]
    """Prometheus remote write 1.0, such as VictoriaMetrics takes it: what was read, at the time it was measured."""
    name: Name = "readings"
    """Name of the sink; the label `sink` of its metrics."""
    url: Url
    """Address that points are posted to, such as http://127.0.0.1:8428/api/v1/write."""
    match: Pattern = "*"
    """Series whose readings are sent, by name with * ? [abc] or by labels."""
    labels: dict[LabelName, Text] = Field(default_factory=lambda: {"job": "sentinel-readings"})
    """Labels of every point; a job of its own keeps them apart from what is scraped."""
    queue_points: Annotated[int, Field(ge=1_000, le=100_000_000)] = 10_000_000
    """Points that may wait in the journal, 15 to 60 bytes each; beyond that the oldest are dropped, and counted."""

    def _conflicts(self) -> Iterator[Fault]:
        yield from super()._conflicts()
        yield from _without_login("url", self.url)


class WebhookNotify(RemoteKeys):
    """One POST per event, its JSON as the body."""

    kind: Literal["webhook"]
    """Any HTTP server: a POST per event with an idempotence key, signed if a secret is given."""
    name: Name = "webhook"
    """Name of the sink; the label `sink` of its metrics."""
    url: Url | None = None
    """Address that events are posted to."""
    url_file: NamedPath | None = None
    """File that holds the address, where that is a secret itself; in place of `url`. Looked for like `secret_file`."""
    secret_file: NamedPath | None = None
    """File that holds the key of the signature; null = not signed. A relative path is looked for in
    $CREDENTIALS_DIRECTORY first."""

    def _conflicts(self) -> Iterator[Fault]:
        yield from super()._conflicts()
        yield from _without_login("url", self.url)
        if (self.url is None) == (self.url_file is None):
            yield Fault(("url",), "url or url_file is needed, and not both")


class EmailNotify(Part):
    """One mail per event."""

    kind: Literal["email"]
    """Mail by SMTP, one for each event; the end of an alarm answers the mail of its beginning."""
    name: Name = "email"
    """Name of the sink; the label `sink` of its metrics."""
    host: Text
    """The SMTP server."""
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    """Port of the server: usually 587 with `starttls`, 465 with `tls`, 25 with `none`."""
    tls: Literal["starttls", "tls", "none"] = "starttls"
    """starttls = refuse a server that does not offer it; tls = from the first byte; none = in the clear."""
    ca_file: NamedPath | None = None
    """Certificates that the server's is checked against; null = those of the system."""
    username: Text | None = None
    """User; with `password_file`."""
    password_file: NamedPath | None = None
    """File that holds the password. A relative path is looked for in $CREDENTIALS_DIRECTORY first."""
    sender: Address
    """Address that mail comes from."""
    to: Annotated[tuple[Address, ...], Field(min_length=1)]
    """Addresses that mail goes to."""
    timeout: PositiveDuration = 10 * SECOND
    """Longest wait for an answer; then it is tried again."""
    page: Url | None = None
    """Address under which people reach the daemon's page, for links; null = no links."""

    def _conflicts(self) -> Iterator[Fault]:
        if (self.username is None) != (self.password_file is None):
            yield Fault(("username",), "username and password_file go together; give both, or neither")
        if self.tls == "none" and self.username is not None:
            yield Fault(("tls",), "none would send the password in the clear; starttls or tls is needed with username")


class ExecNotify(Part):
    """A program that is run for each event."""

    kind: Literal["exec"]
    """A program, run once for each event with its JSON on standard input."""
    name: Name = "exec"
    """Name of the sink; the label `sink` of its metrics."""
    command: Annotated[tuple[Text, ...], Field(min_length=1)]
    """The program and its arguments, which are not shown with the settings; no shell is involved."""
    timeout: PositiveDuration = 5 * SECOND
    """Longest run; then it is killed, and tried again later."""


def _kind_of(entry: Any) -> Any:
    return entry.get("kind", "log") if isinstance(entry, dict) else getattr(entry, "kind", "log")


Notify: TypeAlias = Annotated[
    Annotated[LogNotify, Tag("log")]
    | Annotated[AlertmanagerNotify, Tag("alertmanager")]
    | Annotated[RemoteWriteNotify, Tag("remote_write")]
    | Annotated[WebhookNotify, Tag("webhook")]
    | Annotated[EmailNotify, Tag("email")]
    | Annotated[ExecNotify, Tag("exec")],
    Discriminator(_kind_of),
]
"""The kinds of notifiers. One more is a model of its own and its place in this union; `log` may leave out its kind."""
