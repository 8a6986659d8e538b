"""Keys of series that come with labels, or get labels from their source.

Where labels are kept, a key is as `sentinel.domain.labels` writes it. Elsewhere, without a template, it is
`metric/label=value/label=value`, by the names of the labels in order; `%`, `/` and, in a label's name, `=` are written
as %25, %2F and %3D, so that two label sets never have one key. A template such as `{__name__}/{site}` makes shorter
names, and may give two label sets one key: then the second is refused, and said so.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache, partial

from sentinel.config import TEMPLATE
from sentinel.domain.labels import add_labels, write_key

METRIC = "__name__"
MOST_KNOWN, MOST_RECALLED = 1_000_000, 100_000


def escape(text: str) -> str:
    """Write a text as one part of a name."""
    return text.replace("%", "%25").replace("/", "%2F")


def plain_name(labels: Mapping[str, str], metric: str | None = None) -> str:
    """Give the name of a series by all its labels; `metric`, if given, is escaped already."""
    metric = escape(labels.get(METRIC, "")) if metric is None else metric
    parts = [f"{escape(key).replace('=', '%3D')}={escape(labels[key])}" for key in sorted(labels) if key != METRIC]
    return "/".join([metric, *parts] if metric else parts)


def labeller(labels: Mapping[str, str]) -> Callable[[str], str]:
    """Give what adds these labels of a source to the key of a series, and remembers it."""
    return lru_cache(MOST_KNOWN)(partial(add_labels, labels=dict(labels))) if labels else lambda key: key


class Names:
    """Keys of label sets, remembered. `keep` keeps labels as such; `labels` are templates of further ones."""

    def __init__(self, template: str | None, *, keep: bool = False, labels: Mapping[str, str] | None = None) -> None:
        self._template, self._keep, self._labels = template, keep, dict(labels or {})
        self._owners: dict[str, str] = {}
        self._recalled: dict[Hashable, str | None] = {}

    def recall(self, written: Hashable, find: Callable[[], str | None]) -> str | None:
        """Give what was found for a label set when it first came in this writing, without reading it again."""
        try:
            return self._recalled[written]
        except KeyError:
            found = find()
        if len(self._recalled) >= MOST_RECALLED:
            self._recalled.clear()  # requests are read in several threads: nothing is asked of it after this
        self._recalled[written] = found
        return found

    def name(self, labels: Mapping[str, str], metric: str | None = None) -> str | None:
        """Give the key of a label set; None if another one has it already."""
        kept = {key: text for key, text in labels.items() if key != METRIC} if self._keep else {}
        if self._template is None and self._keep:
            return write_key(labels.get(METRIC, "") if metric is None else metric, kept)
        plain = plain_name(labels, metric)
        if self._template is None:
            return plain
        known = dict(labels) if metric is None else {**labels, METRIC: metric}

        def fill_in(template: str) -> str:
            return TEMPLATE.sub(lambda place: known.get(place[1], ""), template)

        kept |= {key: fill_in(template) for key, template in self._labels.items()}
        key = add_labels(fill_in(self._template), kept)
        if len(self._owners) >= MOST_KNOWN:
            self._owners.clear()
        return key if self._owners.setdefault(key, plain) == plain else None
