"""Observations as JSON, JSON lines, CSV or InfluxDB line protocol. What cannot be read is counted, the rest is taken.

Objects and rows have `series`, `time` and `value`; `time` is ISO 8601 (UTC where it carries no offset) or a number in
the declared unit. CSV may also be wide: `time` and a column per series. Line protocol is
`measurement,tag=value field=1.5,other=2i 1465839830100400200`: every numeric field is an observation, strings and truth
values are counted as no numbers.
"""

from __future__ import annotations

import csv
import io
import json
import re
from functools import lru_cache, partial

from sentinel.domain.errors import DataError
from sentinel.domain.observation import Rejection
from sentinel.sources.labels import Names, escape
from sentinel.sources.rows import Rows, microseconds_of

_DATE = re.compile("[0-9]{8}")
FORM = '{"series": "lake/ph", "time": "2026-01-01T00:00:00Z", "value": 8.1}'


def read_json(text: str, rows: Rows, unit: str) -> None:
    """Read a list of objects, one object, or `{"observations": [...]}`; DataError where it is none of these."""
    try:
        found = json.loads(text) if text.strip() else []
    except (ValueError, RecursionError) as error:
        where = f"line {error.lineno}: " if isinstance(error, json.JSONDecodeError) else ""
        raise DataError(f"{where}no JSON; a list of objects such as {FORM} is needed") from None
    if isinstance(found, dict):
        found = found.get("observations", [found])
    if not isinstance(found, list):
        raise DataError(f"JSON without a list; a list of objects such as {FORM} is needed")
    for number, each in enumerate(found, 1):
        _take(each, rows, unit, number)


def read_ndjson(text: str, rows: Rows, unit: str) -> None:
    """Read one object a line."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                each = json.loads(line)
            except (ValueError, RecursionError):
                each = None
            _take(each, rows, unit, number)


def _take(each: object, rows: Rows, unit: str, number: int) -> None:
    if not isinstance(each, dict):
        rows.leave_out(Rejection.MALFORMED_ROW, number, f"no object; one such as {FORM} is needed")
        return
    time = each.get("time")
    rows.add(each.get("series"), microseconds_of(time, _unit(time, unit)), each.get("value"), number, time)


def _unit(time: object, unit: str) -> str | None:
    """Say whether a time is a number: only then it has a unit. Text of eight digits is a date of ISO 8601."""
    is_number = not isinstance(time, str) or time.strip().lstrip("+-").replace(".", "", 1).isdigit()
    is_date = isinstance(time, str) and _DATE.fullmatch(time.strip())
    return unit if is_number and not is_date else None


def read_csv(text: str, rows: Rows, unit: str) -> None:
    """Read a table with a header, long (`series,time,value`) or wide; DataError where there is no column `time`."""
    table = csv.reader(io.StringIO(text, newline=""))
    try:
        header = [name.strip() for name in next(table, [])]
        if header and ("time" not in header or len(set(header)) < len(header) or len(header) < 2):
            raise DataError(
                f"line 1: columns {ascii(header)[:80]}; series, time and value, or time and a column per series, are "
                "needed, each name once"
            )
        is_long = {"series", "value"} <= set(header)
        at = header.index("time") if header else 0
        for cells in table:
            number = table.line_num
            if not any(cells):
                continue
            if len(cells) != len(header):
                rows.leave_out(Rejection.MALFORMED_ROW, number, f"{len(cells)} cells, the header has {len(header)}")
                continue
            time_us = microseconds_of(cells[at], _unit(cells[at], unit))
            if is_long:
                rows.add(cells[header.index("series")], time_us, cells[header.index("value")], number, cells[at])
                continue
            for name, cell in zip(header, cells, strict=True):
                if name != "time":
                    rows.add(name, time_us, cell, number, cells[at])
    except csv.Error as error:
        raise DataError(f"line {table.line_num}: no CSV: {error}; separate cells by commas") from None


PRECISIONS = {"n": 1, "ns": 1, "u": 10**3, "us": 10**3, "µ": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9,
              "h": 3600 * 10**9}  # fmt: skip
"""Nanoseconds of one unit of the timestamps."""
_KEY = r"(?:[^,=\s\\]|\\[,= ]|\\(?![,= ]))+"
"""A backslash means something before these three only, whatever is before it: it is no escape of itself."""
_BLANK = re.compile(r"(?:[ \t\r]*(?:#[^\n]*)?\n)*[ \t\r]*")
_HEAD = re.compile(rf"((?:[^,\s\\]|\\[, ]|\\(?![, ]))+)((?:,{_KEY}={_KEY})*) +")
_TAG = re.compile(rf",({_KEY})=({_KEY})")
_FIELD = re.compile(rf'({_KEY})=("(?:[^"\\]|\\.)*"|[^,\s"]+)(,?)', re.DOTALL)
_TIME = re.compile(r" +(-?[0-9]{1,19})(?=\s|$)")
_END = re.compile(r"[ \t\r]*(?:\n|$)")
_NUMBER = re.compile(r"(-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)|(-?[0-9]+)i|([0-9]+)u")
_OTHER = re.compile(r'".*"|t|T|true|True|TRUE|f|F|false|False|FALSE', re.DOTALL)


def read_lines(text: str, rows: Rows, names: Names, now_us: int, precision: str = "ns") -> None:
    """Read a body of line protocol; lines without a time have arrived now."""
    unit, at, number, counted = PRECISIONS[precision], 0, 1, 0
    while True:
        blank = _BLANK.match(text, at)
        at = blank.end() if blank else at
        if at >= len(text) or text.startswith("#", at):
            return
        number += text.count("\n", counted, at)
        counted = at
        end = _read_line(text, at, rows, names, now_us, unit, number)
        if end is None:
            newline = text.find("\n", at)
            end = len(text) if newline < 0 else newline + 1
            rows.leave_out(Rejection.MALFORMED_ROW, number, f"no line protocol: {text[at:end].strip()[:60]!a}")
        at = end


def _read_line(text: str, at: int, rows: Rows, names: Names, now_us: int, unit: int, number: int) -> int | None:
    """Read one line; where it ends, or None where it is none, and then nothing of it was taken."""
    head = _HEAD.match(text, at)
    if head is None or _has_twice(head[2]):
        return None
    fields, at = [], head.end()
    while field := _FIELD.match(text, at):
        fields.append((field[1], field[2]))
        at = field.end()
        if not field[3]:
            break
    stamp = _TIME.match(text, at)
    end = _END.match(text, stamp.end() if stamp else at)
    if not fields or end is None or text[at - 1] == ",":
        return None
    try:
        values = {_unescape(key): _value_of(raw) for key, raw in fields}  # of a field that is there twice the last
    except ValueError:
        return None
    time_us = microseconds_of(int(stamp[1]) * unit, "ns") if stamp else now_us
    for field_name, value in values.items():
        name = names.recall((head[0], field_name), partial(_name_of, head, field_name, names))
        if name is None:
            rows.leave_out(Rejection.FOREIGN, number, f"field {field_name!a}")
        elif value is None:
            rows.rejected[Rejection.NOT_A_NUMBER] += 1  # a text or a truth value is in its place, and no fault
        else:
            rows.add(name, time_us, value, number)
    return end.end()


@lru_cache(maxsize=65_536)
def _has_twice(tags: str) -> bool:
    """Tell whether a tag is there twice, of which InfluxDB takes no line."""
    keys = [_unescape(key) for key, _ in _TAG.findall(tags)]
    return len(set(keys)) < len(keys)


def _name_of(head: re.Match[str], field_name: str, names: Names) -> str | None:
    tags = {_unescape(key): _unescape(value) for key, value in _TAG.findall(head[2])}
    measurement = escape(re.sub(r"\\([, ])", r"\1", head[1]))
    return names.name(tags, f"{measurement}/{escape(field_name)}")


def _value_of(raw: str) -> str | None:
    """Give the number of a field; None for texts and truth values, ValueError for anything else."""
    found = _NUMBER.fullmatch(raw)
    if found and found[2] and not -(2**63) <= int(found[2]) < 2**63:
        raise ValueError(raw)
    if found:
        return found[1] or found[2] or found[3]
    if raw.lower() in ("nan", "inf", "+inf", "-inf"):  # some senders write them, though InfluxDB takes none
        return raw
    if not _OTHER.fullmatch(raw):
        raise ValueError(raw)
    return None


def _unescape(text: str) -> str:
    return re.sub(r"\\([,= ])", r"\1", text) if "\\" in text else text
