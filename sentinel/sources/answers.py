"""Answers of HTTP servers as checked tables, by the door through which all tables come in.

How an answer is written is recognised from the first one that has rows, and stays so: an answer of a single row would
often allow two readings.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import polars as pl

from sentinel.client import Answer
from sentinel.config import HttpSource
from sentinel.domain.errors import DataError
from sentinel.sources.base import SourceError
from sentinel.sources.positions import TableLayout
from sentinel.tables import Shape, TableOptions, find_shape
from sentinel.tables.cells import HEAD_ROWS, MORE, ROW
from sentinel.tables.columns import join_time
from sentinel.tables.long_tables import find_labels, refuse_changes
from sentinel.tables.ndjson import objects_to_table
from sentinel.tables.options import options_of
from sentinel.tables.parsing import check_cells, find_axis, second_rows
from sentinel.tables.reading import read_head, rows_of
from sentinel.tables.recognising import read_back, recognise_frame, recognise_text, write_down

_INTERVAL = r"^\s*\d{4}-[^/]*/(\d{4}-[^/]*)$"
"""A time that is an interval of ISO 8601, `begin/end`."""


class Page(NamedTuple):
    """One answer."""

    checked: pl.DataFrame | None
    """Its cells, as `check_cells` gives them; None where it has no rows."""
    options: TableOptions
    layout: TableLayout
    """The manner in which it was read."""
    records: int
    next: str | None
    """Address of the page that follows."""
    said: tuple[str, ...] = ()
    """Findings about the table, the first time."""


class AnswerReader:
    """Reads answers of one source."""

    def __init__(self, settings: HttpSource) -> None:
        self._settings, self._where = settings, settings.url
        self.options = options_of(settings)
        """The options that were given."""

    def read(self, answer: Answer, layout: TableLayout) -> Page:
        """Read an answer with the layout that is known; an empty `layout` is learnt.

        SourceError: it is no table, and may be one the next time; DataError: its form is not that of the settings.
        """
        body, kind = answer.body, answer.headers.get("content-type", "")
        if not body.strip():
            return Page(None, self.options, layout, 0, answer.next_link)
        if body.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
            raise SourceError(f"{answer.url}: a web page or XML ({kind!a}) came in place of a table")
        is_json = self._settings.format == "json" or (self._settings.format == "auto" and "json" in kind)
        if is_json:
            records, link = self._find_records(answer)
            rows = objects_to_table(records, self._where, self.options) if records else None
        else:
            if not body.endswith(b"\n") and not {"content-length", "transfer-encoding"} & answer.headers.keys():
                raise SourceError(f"{answer.url}: cut off in the middle of a line")
            rows, link = None, None
        link = link or answer.next_link
        options = self.options
        said: tuple[str, ...] = ()
        if layout.read_as:
            options = read_back(layout.read_as, self.options)
        elif rows is not None:
            found = recognise_frame(rows.head(HEAD_ROWS), self._where, self.options, counters=False)
            options, said = found.options, found.said
        elif not is_json:
            read = recognise_text(io.BytesIO(body), self._where, "csv", self.options, whole=True)
            assert read is not None  # a whole table is never too short to tell
            options, said = read.options, read.said
        if rows is None and not is_json:
            head = read_head(io.BytesIO(body), self._where, "csv", options, whole=True)
            assert head is not None
            rows = rows_of(body[head.start :], "csv", head, options, 0)
        if rows is None or rows.is_empty():
            return Page(None, options, layout, 0, link)
        checked, shape = self._check(rows, options, layout)
        if not layout.values:
            first = rows.head(HEAD_ROWS)
            refuse_changes(first.lazy(), find_labels(first, options, self.options), options, self._where)
        learnt = TableLayout(write_down(options, self.options), shape.series, shape.values, shape.left_out)
        return Page(checked, options, learnt, rows.height, link, said)

    def _check(self, rows: pl.DataFrame, options: TableOptions, layout: TableLayout) -> tuple[pl.DataFrame, Shape]:
        ends = [name for name in options.time_columns if name in rows.columns]
        table = join_time(rows.with_columns(pl.col(ends).str.replace(_INTERVAL, "$1")).lazy(), options)
        head = table.head(HEAD_ROWS).collect()
        shape = self._find_shape(head, options, layout)
        find_axis(head, options, shape, self._where, "time")
        second = second_rows(table, head, options, shape)
        return check_cells(table, options, "time", shape, second).collect(), shape

    def _find_shape(self, head: pl.DataFrame, options: TableOptions, layout: TableLayout) -> Shape:
        """Find which columns are series. One that had numbers once is not taken for a note where it has text."""
        known = [name for name in layout.values if name in head.columns]
        try:
            shape = find_shape(head, options, self._where)
        except DataError:
            if not known or layout.series is not None:
                raise
            return Shape(options.time_name, None, tuple(known), options.by, ())
        if layout.values and shape.series != layout.series:
            had = layout.series or ", ".join(layout.values[:5])
            raise DataError(f"{self._where}: columns {', '.join(head.columns)[:200]}; before there was {had}")
        if shape.series is not None:
            return shape
        values = [name for name in head.columns if name in (*known, *shape.values) and name not in (ROW, MORE)]
        return replace(
            shape, values=tuple(values), left_out=tuple(name for name in shape.left_out if name not in values)
        )

    def _find_records(self, answer: Answer) -> tuple[list[dict[str, Any]], str | None]:
        """Find the records in JSON, and the address of the next page."""
        settings = self._settings
        try:
            found = json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            kind = ascii(answer.headers.get("content-type", ""))
            raise SourceError(f"{answer.url}: no JSON, or cut off ({kind}): {error}") from None
        records = _at(found, settings.records) if settings.records else found
        if isinstance(records, Mapping):
            lists = [key for key, value in records.items() if isinstance(value, list)]
            if lists and settings.records is None:
                raise DataError(f"{self._where}: an object with lists {lists}; name one in records, such as {lists[0]}")
            records = [records]
        if not isinstance(records, list):
            keys = f", among {', '.join(map(str, found))[:200]}" if isinstance(found, Mapping) else ""
            raise DataError(f"{self._where}: no list of records at {settings.records or 'the top'}{keys}; set records")
        links = _at(found, settings.next) if settings.next else None
        if isinstance(links, list):
            links = next((one.get("href") for one in links if isinstance(one, Mapping) and one.get("rel") == "next"), 0)
        return [_to_object(one) for one in records], links if isinstance(links, str) else None


def _at(value: Any, path: str) -> Any:
    """Give what is at a place such as `data.items`; None where there is nothing. A key may have dots itself."""
    for key in (path,) if isinstance(value, Mapping) and path in value else path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _to_object(record: Any) -> dict[str, Any]:
    """Give a record by names; those of a list are field0, field1 and so on."""
    if isinstance(record, list):
        return {f"field{place}": one for place, one in enumerate(record)}
    return record if isinstance(record, dict) else {"value": record}
