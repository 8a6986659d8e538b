"""Settings of sources beyond files: servers that are asked, senders that bring their data; the union of all kinds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from sentinel.config.sources import CsvSource, Prefix, SimulateSource
from sentinel.config.values import Fault, Name, Part, Text, require

TEMPLATE = re.compile(r"\{([A-Za-z0-9_.-]+)\}")
"""One place of a template of names."""


def _is_template(text: str) -> bool:
    rest = TEMPLATE.sub("", text)
    return bool(TEMPLATE.search(text)) and "{" not in rest and "}" not in rest and text.isprintable()


_Template: TypeAlias = Annotated[
    str, AfterValidator(require(_is_template, "a template with names of labels in braces, such as {__name__}/{site}"))
]


class PushSource(Part):
    """Whoever sends observations to the daemon's own HTTP server."""

    kind: Literal["push"]
    """Observations that are sent to the daemon."""
    name: Name
    """Name of the source; the label `source` of its metrics."""
    id: Name | None = None
    """Name under which its series are kept; null = its name. Set it to the old name to rename the source."""
    token_file: Text | None = None
    """File whose first line is the token that senders must show; needed where web.listen is not loopback."""
    series_name: _Template | None = None
    """Names of series that come with labels, such as "{__name__}/{host}"; null = the name and all labels."""
    max_bytes: Annotated[int, Field(ge=1_000, le=1 << 30)] = 16 << 20
    """Bytes of one request at most, compressed or not."""
    prefix: Prefix = ""
    """Put before the name of each series."""


Source: TypeAlias = Annotated[CsvSource | SimulateSource | PushSource, Field(discriminator="kind")]
"""The settings of one source, of any kind."""


def several_push(sources: Iterable[Source]) -> Iterator[Fault]:
    """Find a second source that is pushed to: the paths of the server belong to one."""
    pushed = [(position, one.name) for position, one in enumerate(sources) if isinstance(one, PushSource)]
    for position, name in pushed[1:]:
        message = f"'{name}' is a second source of kind push; the server's paths belong to '{pushed[0][1]}'"
        yield Fault((position, "kind"), message)
