"""The keys of sources that ask a server, its address and who asks; and the settings of source `http`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field

from sentinel.config.sources import Every, NamedSource, Prefix, TableKeys
from sentinel.config.values import Duration, Fault, PositiveDuration, SourceLabels, Text, require
from sentinel.domain.spans import DAY, HOUR, MINUTE, SECOND

_Header: TypeAlias = Annotated[
    str, AfterValidator(require(lambda text: text.isprintable() and text.isascii(), "printable ASCII text is allowed"))
]
_SECRET_HEADERS = {"authorization", "proxy-authorization", "cookie"}


def address(schemes: tuple[str, ...], example: str) -> AfterValidator:
    """Check the address of a server, without secrets in it."""
    form = f"{' or '.join(f'{scheme}://' for scheme in schemes)} and a host, such as {example}"

    def check(text: str) -> str:
        parts = urlsplit(text)
        if parts.scheme not in schemes or not parts.hostname or parts.port == 0:
            raise ValueError(form)
        if parts.password is not None:
            # Settings are shown on pages and kept in the journal.
            raise ValueError("a password in the address; leave it out and name a file that holds it (password_file)")
        if parts.query or parts.fragment:
            raise ValueError(f"an address without ? and # is needed: {form}")
        return text

    return AfterValidator(check)


def web_address(example: str) -> AfterValidator:
    """Check the address of a web server."""
    return address(("http", "https"), example)


class ServerKeys(NamedSource):
    """The keys of every source that connects to a server with a name and a password."""

    username: Text | None = None
    """Name at the server; with password_file."""
    password_file: Text | None = None
    """File that holds the password; a relative path is looked for in $CREDENTIALS_DIRECTORY first."""
    ca_file: Text | None = None
    """Certificates (PEM) that the server's one is checked against; null = those of the machine."""
    timeout: PositiveDuration = 30 * SECOND
    """Longest time that a connection and an answer may take in all."""

    def _conflicts(self) -> Iterator[Fault]:
        if self.password_file is not None and self.username is None:
            yield Fault(("password_file",), f"'{self.password_file}' without a username; set username as well")
        if self.username is not None and self.password_file is None:
            yield Fault(("username",), f"'{self.username}' without a password; set password_file as well")


class WebKeys(ServerKeys):
    """The keys of every source that asks an HTTP server."""

    token_file: Text | None = None
    """File that holds a token; a relative path is looked for in $CREDENTIALS_DIRECTORY first."""
    token_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] = "Authorization"
    """Header that carries the token; Authorization = as a bearer token."""
    headers: dict[Text, _Header] = Field(default_factory=dict)
    """Further lines of each request, such as {X-Scope-OrgID: lakes}; their values are not shown with the settings."""

    def _conflicts(self) -> Iterator[Fault]:
        yield from super()._conflicts()
        if self.token_file is not None and self.username is not None:
            yield Fault(("token_file",), "a token and a username; one of them is allowed")
        for name in self.headers:
            if name.lower() in _SECRET_HEADERS:
                why = "holds a secret, and settings are shown; set token_file, or username with password_file"
                yield Fault(("headers", name), why)


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "erddap": {"format": "csv", "dialect": "erddap", "range": "time>={from}&time<={to}", "delay": HOUR},
    "usgs": {
        "format": "json", "range": "time={from}/{to}&f=json&limit=10000", "longest": 3 * 365 * DAY,
        "records": "features", "next": "links", "time_column": "properties.time", "layout": "long",
        "by": ("properties.monitoring_location_id",), "series_column": "properties.parameter_code",
        "value_column": "properties.value", "delay": 2 * HOUR, "token_header": "X-Api-Key", "every": 15 * MINUTE,
    },
    "sensorthings": {
        "format": "json", "records": "value", "next": "@iot.nextLink", "time_column": "phenomenonTime",
        "range": "$filter=phenomenonTime ge {from} and phenomenonTime le {to}&$orderby=phenomenonTime asc&$top=1000",
        "columns": ("result",),
    },
    "ndbc": {"format": "csv", "dialect": "ndbc", "delay": 2 * HOUR, "every": 30 * MINUTE},
}  # fmt: skip
"""By service: the keys that it gives other defaults."""
PLACES = ("from", "to", "offset")
"""Names that may stand in braces in a query."""
_SECRETS = re.compile(r"(?:^|&)\s*((?:api|access|auth)?[_-]?(?:key|token)|password|passwd|secret)\s*=", re.IGNORECASE)


def _is_query(text: str) -> bool:
    return not text.startswith("?") and "#" not in text and set(re.findall(r"\{([^{}]*)\}", text)) <= {*PLACES}


_Query: TypeAlias = Annotated[
    str,
    AfterValidator(require(
        _is_query, "what follows the ? of an address is needed, in braces at most {from}, {to} and {offset}"
    )),
]  # fmt: skip


class HttpSource(TableKeys, WebKeys):
    """A table at an HTTP address, CSV or JSON, asked again and again: agencies, loggers, anybody's REST interface."""

    kind: Literal["http"]
    """CSV or JSON at an HTTP address."""
    every: Every = 5 * MINUTE
    """Interval between requests."""
    url: Annotated[str, web_address("https://example.org/data.csv")]
    """Address without what follows its ?."""
    preset: Literal[tuple(PRESETS)] = "none"  # type: ignore[valid-type]
    """A service whose form is known: it gives other keys their defaults, which docs/sources.md lists."""
    query: _Query = ""
    """Query behind the ? of the address: station, quantity. No secrets: settings are shown."""
    range: _Query = ""
    """Query for a stretch of time, added to the other: "start={from}&end={to}"; empty = the address gives all it
    has each time. {offset} = records that were read, where there are pages."""
    range_format: Literal["iso", "date", "seconds", "milliseconds"] = "iso"
    """Form of {from} and {to}; iso = 2026-01-31T00:00:00Z, date = 2026-01-31."""
    longest: PositiveDuration = 365 * DAY
    """Longest stretch of time that is asked for at once."""
    since: PositiveDuration | None = None
    """History that the first start reads, such as 90d; null = what the address
    gives; of a range, none."""
    overlap: Duration = DAY
    """Stretch before the newest observation that is asked for again: for series that lag behind, and corrections."""
    delay: Duration = 0
    """Time from measurement to arrival of observations; a silence of this length is usual."""
    format: Literal["auto", "csv", "json"] = "auto"
    """Form of the answers; auto = by their content type."""
    records: Text | None = None
    """JSON: place of the list of records, such as data.items; null = the answer is the list."""
    next: Text | None = None
    """JSON: place of the address of the next page, or of a list of links with rel and href; null = none. A header Link
    with rel="next" is followed in any case."""
    prefix: Prefix = ""
    """Put before the name of each series."""
    labels: SourceLabels = Field(default_factory=dict)
    """Labels of its series, such as {site: north}."""
    max_observations: Annotated[int, Field(ge=1)] = 50_000
    """Observations taken at most in one go; the rest follows at once."""

    def model_post_init(self, _: object) -> None:
        """Give the keys that were not written the defaults of the preset."""
        for key, value in PRESETS[self.preset].items():
            if key not in self.model_fields_set:
                object.__setattr__(self, key, value)

    def _conflicts(self) -> Iterator[Fault]:
        yield from TableKeys._conflicts(self)
        yield from WebKeys._conflicts(self)
        for key, text in (("query", self.query), ("range", self.range)):
            if found := _SECRETS.search(unquote(text)):
                message = f"{found[1]} is a secret, and settings are shown; set token_file, and token_header if need be"
                yield Fault((key,), message)
        if "{to}" in self.range and "{from}" not in self.range:
            yield Fault(("range",), f"'{self.range}' has {{to}} without {{from}}; both, or {{from}} alone, are allowed")
        if "{from}" in self.query or "{to}" in self.query:
            yield Fault(("query",), f"'{self.query}' has {{from}} or {{to}}; write that part into range")
