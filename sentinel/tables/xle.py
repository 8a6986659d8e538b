"""A file of a Solinst Levelogger (.xle), which is XML: channels with their units, then a `Log` for each time."""

from __future__ import annotations

from typing import BinaryIO
from xml.etree import ElementTree

import polars as pl

from sentinel.domain.errors import DataError
from sentinel.tables.cells import MORE, ROW


def read_xle(file: BinaryIO, where: str) -> pl.DataFrame:
    """Read `Date`, `Time` and each channel as text, with `ROW` and `MORE`; DataError: no XML, torn, without a `Log`."""
    channels: dict[str, str] = {}
    rows: list[dict[str, str]] = []
    try:
        for _, part in ElementTree.iterparse(file):
            name = part.tag.lower()
            if name.endswith("_data_header") and name.startswith("ch"):
                said = {one.tag.lower(): (one.text or "").strip() for one in part}
                unit = f" [{said['unit']}]" if said.get("unit") else ""
                channels[name.removesuffix("_data_header")] = (said.get("identification") or name) + unit
            elif name == "log":
                rows.append({one.tag.lower(): (one.text or "").strip() for one in part})
                part.clear()
    except ElementTree.ParseError as error:
        raise DataError(f"{where}: not a whole file of a Solinst logger ({error}); copy it again") from error
    if not rows or not channels:
        raise DataError(f"{where}: no file of a Solinst logger: it has no channel, or no Log below Data")
    parts = [row.get("ms") or "0" for row in rows]
    exact = any(ms.strip("0") for ms in parts)
    columns = {
        "Date": [row.get("date") for row in rows],
        "Time": [f"{row.get('time', '')}{f'.{ms:0>3}' * exact}" for row, ms in zip(rows, parts, strict=True)],
        **{name: [row.get(key) or None for row in rows] for key, name in channels.items()},
    }
    return pl.DataFrame({**columns, MORE: None}, schema_overrides=dict.fromkeys((*columns, MORE), pl.String())).select(
        pl.int_range(pl.len(), dtype=pl.UInt32).alias(ROW), pl.all()
    )
