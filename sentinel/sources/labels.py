"""Names of series that come with labels.

Without a template a name is `metric/label=value/label=value`, by the names of the labels in order; `%`, `/` and, in a
label's name, `=` are written as %25, %2F and %3D, so that two label sets never have one name. A template such as
`{__name__}/{site}` makes shorter ones, and may give two label sets one name: then the second is refused, and said so.
"""

from __future__ import annotations

from collections.abc import Mapping

from sentinel.config import TEMPLATE

METRIC = "__name__"
MOST_KNOWN = 1_000_000


def escape(text: str) -> str:
    """Write a text as one part of a name."""
    return text.replace("%", "%25").replace("/", "%2F")


def plain_name(labels: Mapping[str, str], metric: str | None = None) -> str:
    """Give the name of a series by all its labels; `metric`, if given, is escaped already."""
    metric = escape(labels.get(METRIC, "")) if metric is None else metric
    parts = [f"{escape(key).replace('=', '%3D')}={escape(labels[key])}" for key in sorted(labels) if key != METRIC]
    return "/".join([metric, *parts] if metric else parts)


class Names:
    """Names of label sets, remembered."""

    def __init__(self, template: str | None) -> None:
        self._template = template
        self._owners: dict[str, str] = {}

    def name(self, labels: Mapping[str, str], metric: str | None = None) -> str | None:
        """Give the name of a label set; None if another one has it already."""
        plain = plain_name(labels, metric)
        if self._template is None:
            return plain
        known = dict(labels) if metric is None else {**labels, METRIC: metric}
        name = TEMPLATE.sub(lambda place: known.get(place[1], ""), self._template)
        if len(self._owners) >= MOST_KNOWN:
            self._owners.clear()
        return name if self._owners.setdefault(name, plain) == plain else None
