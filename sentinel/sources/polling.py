"""The reader of source `http`: asks for stretches of time, or for a whole table, and gives what is new in it.

A sweep goes from a little before the newest observation (`overlap`) to now, in stretches of which each is committed by
itself, all its pages at once: an error on any page leaves nothing out. What a sweep finds again is known by its
checksum and comes once; a corrected value has another one, and comes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl

from sentinel import __version__
from sentinel.client import Answer
from sentinel.config import HttpSource, identity
from sentinel.domain.clock import MICROSECONDS, Clock
from sentinel.domain.errors import DataError
from sentinel.domain.observation import OBSERVATIONS, Cursor, Frame, Rejection
from sentinel.domain.spans import DAY, MINUTE
from sentinel.sources.answers import AnswerReader, Page
from sentinel.sources.asking import HttpServer, TooMuchError
from sentinel.sources.base import SourceError
from sentinel.sources.counting import Counters, CounterWatch, count_steps
from sentinel.sources.labels import labeller
from sentinel.sources.positions import TableLayout, fingerprint
from sentinel.sources.rows import leave_out_future, rename
from sentinel.tables import TableOptions
from sentinel.tables.cells import COLUMN
from sentinel.tables.columns import patterns_of
from sentinel.tables.complaints import CAME, COMPLAINTS, REJECTED
from sentinel.tables.parsing import split_checked

FIRST_US, GROWTH = DAY, 4
"""Length of the first stretch, and how much longer the next one may be."""
REMEMBERED = 5_000
"""Observations that are known again by their checksums; more than that may come twice, and are counted then."""
MOST_PAGES = 1_000
_LONG_AGO_US = -62_135_596_800 * MICROSECONDS
_SEEN = pl.Schema([("us", pl.Int64()), ("sum", pl.UInt64())])


@dataclass(slots=True)
class _Place:
    """Position up to which an address has been read."""

    from_us: int
    """The instant at which a sweep begins."""
    until_us: int | None = None
    """Up to where the present sweep has come; None = the next one begins."""
    newest_us: int | None = None
    seen: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_SEEN))
    layout: TableLayout = field(default_factory=TableLayout)
    counters: Counters = field(default_factory=lambda: Counters(set(), set(), {}, {}))
    counted: dict[str, tuple[int, float]] = field(default_factory=dict)
    tag: tuple[str, str, str] = ("", "", "")
    """An address that was read to its end, and what its answer is known by: ETag, Last-Modified."""

    @classmethod
    def of(cls, cursor: Any, read_with: str) -> _Place:
        """Read a cursor; what was learnt with other options is learnt again."""
        same = cursor["options"] == fingerprint(read_with)
        written = cursor.get("way") if same else None
        layout = TableLayout.of(*written) if written else TableLayout()
        return cls(
            cursor["from_us"], cursor.get("until_us"), cursor.get("newest_us"),
            pl.DataFrame(dict(zip(_SEEN, cursor.get("seen", ((), ())), strict=True)), schema=_SEEN), layout,
            Counters.of_json(cursor.get("counters", {}), layout.values),
            {name: (int(us), float(value)) for name, (us, value) in cursor.get("counted", {}).items()},
            tuple(cursor["tag"]) if same and "tag" in cursor else ("", "", ""),
        )  # fmt: skip

    def to_cursor(self, read_with: str) -> dict[str, object]:
        """Write as JSON."""
        written: dict[str, object] = {"from_us": self.from_us, "options": fingerprint(read_with)}
        written |= {} if self.until_us is None else {"until_us": self.until_us}
        written |= {} if self.newest_us is None else {"newest_us": self.newest_us}
        written |= {"seen": [self.seen["us"].to_list(), self.seen["sum"].to_list()]} if self.seen.height else {}
        written |= {"way": self.layout.to_json()} if self.layout.read_as else {}
        written |= {"counters": counters} if (counters := self.counters.to_json()) else {}
        written |= {"counted": {name: list(mark) for name, mark in self.counted.items()}} if self.counted else {}
        return written | ({"tag": list(self.tag)} if self.tag[0] else {})


class Poller:
    """Asks one address."""

    def __init__(self, settings: HttpSource, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._reader = AnswerReader(settings)
        self._read_with = f"{__version__} {self._reader.options} {settings.records}"
        self._server = HttpServer(settings, settings.every, clock)
        self._counters = CounterWatch(self._reader.options)
        self._labelled = labeller(settings.labels)
        self._longest_us = settings.longest
        self._least_us = 2 * settings.overlap  # so that what is asked for again is one stretch
        self._span_us = min(max(FIRST_US, self._least_us), self._longest_us)

    def fetch(self, cursor: Cursor | None) -> Frame:
        """Read what is new since `cursor`; see `PullSource.fetch`."""
        settings, now_us = self._settings, self._clock.now_us()
        has_range = "{from}" in settings.range
        history = settings.since or (settings.overlap if has_range else None)
        place = (
            _Place.of(cursor, self._read_with)
            if cursor
            else _Place(_LONG_AGO_US if history is None else now_us - history)
        )
        if max(place.from_us, place.until_us or place.from_us) > now_us:  # the clock was ahead, and has been put right
            place.from_us, place.until_us = now_us - settings.overlap, None
        start_us = place.from_us if place.until_us is None else place.until_us
        end_us = min(start_us + self._span_us, now_us) if "{to}" in settings.range else now_us
        url = self._address(start_us, end_us)
        pages, tag = self._ask(url, place)
        frame = self._take(pages, place, start_us, end_us, now_us)
        if pages and "{to}" in settings.range:
            fitting = settings.max_observations * (end_us - start_us) // max(1, frame.observations.height)
            fitting = max(MINUTE, self._least_us, min(GROWTH * self._span_us, fitting))
            self._span_us = min(fitting, self._longest_us)
        place.tag = tag if place.until_us is None else ("", "", "")
        more = place.until_us is not None
        names = [] if place.layout.series or self._reader.options.by else place.layout.values
        rising = {name for name in place.counters.left_out if not self._counters.is_asked_for(name)}
        return Frame(
            identity(settings), rename(frame.observations, self._key),
            place.to_cursor(self._read_with), None if more else now_us - settings.delay, more,
            dict(frame.rejected), marked=dict(frame.marked), complaints=tuple(frame.complaints[:COMPLAINTS]),
            columns=tuple(self._key(name) for name in sorted(set(names) - rising)),
            counting=tuple(self._key(name) for name in sorted(rising)),
        )  # fmt: skip

    def _key(self, name: str) -> str:
        return self._labelled(self._settings.prefix + name)

    def _address(self, start_us: int, end_us: int) -> str:
        settings = self._settings
        asked = "&".join(text for text in (settings.query, settings.range) if text)
        for name, us in (("{from}", start_us), ("{to}", end_us)):
            asked = asked.replace(name, _written(us, settings.range_format, up=name == "{to}"))
        return f"{settings.url}?{asked}" if asked else settings.url

    def _ask(self, url: str, place: _Place) -> tuple[list[Page], tuple[str, str, str]]:
        """Get all pages of a stretch, and what its answer is known by; none where it is as it was."""
        pages: list[Page] = []
        try:
            following: str | None = url
            offset, before = 0, b""
            while following is not None:
                page_url = following.replace("{offset}", str(offset))
                known = not pages and place.tag[0] == url
                names = ("If-None-Match", "If-Modified-Since")
                conditions = {name: mark for name, mark in zip(names, place.tag[1:], strict=True) if known and mark}
                answer = self._server.get(page_url, conditions, self._settings.url)
                if answer.status == 304:
                    return [], place.tag
                if before == answer.body and before:
                    raise DataError(
                        f"{page_url}: the page before once more; is it asked for its pages in the right way?"
                    )
                before = answer.body
                pages.append(self._reader.read(answer, pages[-1].layout if pages else place.layout))
                offset += pages[-1].records
                following = self._following(url, answer, pages)
        except TooMuchError:
            self._longest_us = self._span_us = max(MINUTE, self._span_us // GROWTH)
            raise
        except SourceError:
            if pages:  # fewer pages, and fewer are lost the next time
                self._span_us = max(MINUTE, self._span_us // 2)
            raise
        etag, modified = answer.headers.get("etag", ""), answer.headers.get("last-modified", "")
        return pages, (url, etag, modified) if len(pages) == 1 and (etag or modified) else ("", "", "")

    def _following(self, url: str, answer: Answer, pages: list[Page]) -> str | None:
        """Give the address of the page after the last one."""
        if pages[-1].next is not None:
            found = self._server.join(answer.url, pages[-1].next)
        else:
            found = url if "{offset}" in url and pages[-1].records else ""
        if found and len(pages) >= MOST_PAGES:
            raise TooMuchError(f"{answer.url}: more than {MOST_PAGES:,} pages; ask for less")
        return found or None

    def _take(self, pages: list[Page], place: _Place, start_us: int, end_us: int, now_us: int) -> _Taken:
        """Take what is new in the pages, and move the place."""
        settings, taken = self._settings, _Taken()
        tables = [page.checked for page in pages if page.checked is not None]
        checked = pl.concat(tables).unique(
            [COLUMN, REJECTED, CAME, "series", "time", "value"], keep="first", maintain_order=True
        ) if tables else None  # fmt: skip
        us = pl.col("time").dt.epoch("us")
        place.until_us = None if end_us >= now_us else end_us
        if checked is not None:
            place.layout, options = pages[-1].layout, pages[-1].options
            taken.complaints += [f"{settings.url}: {line}" for page in pages for line in page.said]
            checked = checked.filter(pl.col("time").is_null() | (us >= start_us)).sort("time", maintain_order=True)
            sums = checked.select(COLUMN, REJECTED, CAME, "series", us.alias("us"), "value").hash_rows(0)
            known = sums.is_in(place.seen["sum"].implode())
            checked = checked.with_columns(sum=sums).filter(~known)
            if checked.height > settings.max_observations:  # the rest is asked for again
                cut_us = checked["time"].dt.epoch("us")[settings.max_observations]
                earlier = checked.filter((us < cut_us).fill_null(value=True))
                if cut_us is not None and earlier["time"].count():
                    checked, place.until_us = earlier, cut_us
            told = checked.select(us=us.fill_null(now_us), sum="sum")
            taken.read(checked.drop("sum"), options, settings, now_us)
            newest = [place.newest_us, taken.observations["time"].dt.epoch("us").max()]
            place.newest_us = max((one for one in newest if isinstance(one, int)), default=None)
            place.seen = self._window(pl.concat([place.seen, told]), place, now_us)
            self._leave_out_counters(taken, place, options)
        if place.until_us is None and place.newest_us is not None:
            place.from_us = max(place.from_us, min(place.newest_us, now_us) - settings.overlap)
        return taken

    def _window(self, seen: pl.DataFrame, place: _Place, now_us: int) -> pl.DataFrame:
        """Give what has to be known again: what the next sweep can find once more."""
        newest_us = now_us if place.newest_us is None else min(place.newest_us, now_us)
        recent = seen.filter(pl.col("us") >= newest_us - self._settings.overlap)
        return recent.sort("us", maintain_order=True).tail(REMEMBERED)

    def _leave_out_counters(self, taken: _Taken, place: _Place, options: TableOptions) -> None:
        """Leave out columns that only count; put steps in place of those of which steps are asked for."""
        if place.layout.series is None:
            taken.observations, said = self._counters.take(taken.observations, place.layout.values, place.counters)
            taken.complaints += said
        taken.observations = taken.observations.drop(COLUMN)
        if patterns := patterns_of(options.transform, "difference"):
            taken.observations = count_steps(taken.observations, patterns, place.counted, taken.rejected)


class _Taken:
    def __init__(self) -> None:
        self.observations = pl.DataFrame(schema=OBSERVATIONS)
        self.rejected: Counter[str] = Counter()
        self.marked: Counter[str] = Counter()
        self.complaints: list[str] = []

    def read(self, checked: pl.DataFrame, options: TableOptions, settings: HttpSource, now_us: int) -> None:
        """Take checked rows, with `COLUMN`."""
        kept, counts, marked, lines = split_checked(checked, options, settings.url)
        self.rejected.update(counts)
        self.marked.update(marked)
        self.complaints += lines
        kept = leave_out_future(kept, now_us, settings.url, options.time_zone, self.rejected, self.complaints)
        once = kept.filter(pl.struct("series", "time").is_first_distinct())
        if once.height < kept.height:
            twice = kept.filter(~pl.struct("series", "time").is_first_distinct())
            self.rejected[Rejection.FOREIGN] += twice.height
            self.complaints.append(
                f"{settings.url}: series {twice['series'][0]}: {twice.height:,} times have several values, of which "
                "the first is taken; name the columns that tell them apart in by"
            )
        self.observations = once


def _written(us: int, form: str, *, up: bool) -> str:
    """Write a moment as a query has it; the end of a stretch is rounded up."""
    whole = DAY if form == "date" else MICROSECONDS
    seconds = (-(-us // whole) if up else us // whole) * whole // MICROSECONDS
    if form == "seconds":
        return str(seconds)
    if form == "milliseconds":
        return str(seconds * 1000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%d}" if form == "date" else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
