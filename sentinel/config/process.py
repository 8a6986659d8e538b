"""Settings of the process: its state, its log, its web server, and where notifications go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from sentinel.config.values import GIB, Name, Part, PositiveDuration, Size
from sentinel.domain.spans import DAY, MINUTE


def _split_address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65_536):
        raise ValueError("host:port with a port from 0 (any free one) to 65535, such as 127.0.0.1:9814")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError("host:port, an IPv6 address in brackets, such as [::1]:9814")
    return host.strip("[]"), int(port)


def _check_path(path: object) -> object:
    if path == "":
        raise ValueError("a path is needed; '.' is the folder in which sentinel was started")
    return path


def _check_listen(text: str) -> str:
    _split_address(text)
    return text


NamedPath: TypeAlias = Annotated[
    Path, BeforeValidator(_check_path), WithJsonSchema({"type": "string", "format": "path", "minLength": 1})
]


class DaemonSettings(Part):
    """The process: where its state is, how long it is kept, how much may wait."""

    state_dir: NamedPath = Path("/var/lib/sentinel")
    """Folder of the journal and the checkpoints; one process per folder."""
    checkpoint_every: PositiveDuration = 5 * MINUTE
    """How often the state is saved; a restart replays at most this much of the journal."""
    retention: PositiveDuration = 7 * DAY
    """How long observations stay in the journal."""
    retention_bytes: Annotated[Size, Field(ge=1024 * 1024)] = 2 * GIB
    """How large the journal may grow before older observations are dropped."""
    inbox_observations: Annotated[int, Field(ge=1)] = 200_000
    """Observations that may wait for the engine; sources are held back when it is full."""
    digest_every_ticks: Annotated[int, Field(ge=0)] = 0
    """The journal keeps a digest of each series' state at every n-th tick; 0 = off."""


class LogSettings(Part):
    """The log on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important level that is written."""
    format: Literal["logfmt", "json"] = "logfmt"
    """Form of the lines."""


class WebSettings(Part):
    """The HTTP server of /metrics, the status page and the health checks."""

    listen: Annotated[str, AfterValidator(_check_listen)] = "127.0.0.1:9814"
    """host:port; port 0 = any free one."""
    max_series: Annotated[int, Field(ge=0)] = 1_000
    """Series shown one by one in /metrics; the rest is counted in sentinel_series_unexposed."""
    history_series: Annotated[int, Field(ge=0)] = 1_000
    """Series of which a history is kept for pictures."""

    @property
    def address(self) -> tuple[str, int]:
        """Host (without brackets) and port of `listen`."""
        return _split_address(self.listen)


class LogNotify(Part):
    """Notifications as JSON lines."""

    kind: Literal["log"] = "log"
    """JSON lines in a file or on standard error."""
    name: Name = "log"
    """Name of the sink; the label `sink` of its metrics."""
    path: NamedPath | None = None
    """File the lines are appended to; null = standard error."""


def _kind_of(entry: Any) -> Any:
    return entry.get("kind", "log") if isinstance(entry, dict) else getattr(entry, "kind", "log")


Notify: TypeAlias = Annotated[Annotated[LogNotify, Tag("log")], Discriminator(_kind_of)]
"""The kinds of notifiers. One more is a model of its own and its place in this union; `log` may leave out its kind."""
