"""Files of loggers and instruments: their own text formats, and the exports of their programs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, UnfinishedError, present, split
from sentinel.tables.times import zone_of


def _recognise_toa5(lines: Sequence[str]) -> Patch | None:
    """TOA5 of Campbell Scientific's loggers: station, names, units and processing in four lines, then a row counter."""
    first = split(lines[0])
    is_whole = first[0] == "TOA5"
    if not is_whole and not ("TIMESTAMP" in first and len(lines) > 1 and split(lines[1])[0] == "TS"):
        return None
    # The line of the station comes again, with the names, where a program was started anew.
    station = lines[0][: lines[0].index("TOA5")] + "TOA5" + '"' * lines[0].startswith('"') if is_whole else None
    return {"unit_rows": 2, "time_column": "TIMESTAMP", "exclude": ("RECORD",), "comment": station}


TOA5 = Dialect("toa5", "a Campbell logger's TOA5 table", _recognise_toa5)


_HOBO_EVENTS = (
    "Host Connected*", "Coupler*", "Stopped*", "End Of File*", "Button*", "Bad Battery*", "Good Battery*", "Started*",
    "New Bounds*",
)  # fmt: skip
"""Columns of what happened to the logger: empty, or `Logged`."""


def _recognise_hobo(lines: Sequence[str]) -> Patch | None:
    """Exports of HOBOware (Onset): a title line, a row number, and the zone in the name of the time column."""
    titled = lines[0].lstrip('"').startswith("Plot Title")
    if titled and len(lines) < 2:
        raise UnfinishedError
    separator = "\t" if "\t" in lines[titled] else ";" if ";" in lines[titled] else ","
    names = split(lines[titled], separator)
    time = present(names, "Date Time*")
    if not time or not (titled or "#" in names):
        return None
    patch = {"skip_rows": int(titled), "time_column": time[0], "comment": None, "separator": separator}
    if offset := re.search(r"GMT([+-]\d{2}:\d{2})", time[0]):
        patch["time_zone"] = zone_of(offset[1])
    return patch | {"exclude": present(names, "#", *_HOBO_EVENTS)}


HOBO = Dialect("hobo", "an export of HOBOware", _recognise_hobo)


_CNV_TIMES = {"timeY": "seconds", "timeS": None, "timeM": None, "timeH": None, "timeJ": None, "timeJV2": None}
"""Columns of times by their short name, with the form of those that are instants; the others count from a start."""


def _recognise_cnv(lines: Sequence[str]) -> Patch | None:
    """Converted files of Sea-Bird instruments (.cnv): names in comments, then columns of fixed width."""
    if not lines[0].startswith("* Sea-Bird"):
        return None
    end = next((n for n, line in enumerate(lines) if line.startswith("*END*")), None)
    if end is None:
        raise UnfinishedError
    found = [re.match(r"# name \d+ = ([^:]+):\s*(.*?)\s*$", line) for line in lines[:end]]
    # Behind `flag:` stands its usual value in place of a title.
    pairs = [(short := one[1].strip(), short if short == "flag" else one[2]) for one in found if one]
    titles = [title for _, title in pairs]
    names = tuple(title if titles.count(title) == 1 else f"{title} {short}" for short, title in pairs)
    bad = next((line.partition("=")[2].strip() for line in lines[:end] if line.startswith("# bad_flag")), None)
    time = next((n for n, (short, _) in enumerate(pairs) if short in _CNV_TIMES), None)
    patch = {"separator": "whitespace", "comment": None, "skip_rows": end + 1, "names": names}
    if time is not None:
        form = _CNV_TIMES[pairs[time][0]]
        patch |= {"time_column": names[time]} | ({"time_format": form} if form else {})
    flags = tuple(name for name, (short, _) in zip(names, pairs, strict=True) if short == "flag")
    return patch | {"exclude": flags} | ({"missing": (bad,)} if bad else {})


CNV = Dialect("cnv", "a converted file of a Sea-Bird instrument", _recognise_cnv)


def _recognise_diver(lines: Sequence[str]) -> Patch | None:
    """Files of Van Essen's Diver loggers (.MON, .DAT): sections that describe, rows below `[Data]` and their number."""
    if not lines[0].startswith("Data file for DataLogger"):
        return None
    data = next((n for n, line in enumerate(lines) if line.strip() == "[Data]"), None)
    if data is None:
        raise UnfinishedError
    channels: dict[str, dict[str, str]] = {}
    here = ""
    for line in lines[:data]:
        if section := re.match(r"\s*\[(Channel \d+)", line):
            here = section[1]  # `[Channel 1 from data header]` says the same again
        elif re.match(r"\s*\[", line):
            here = ""
        elif here and (entry := re.match(r"\s*(Identification|Range|Reference level)\s*=\s*(.*?)\s*$", line)):
            channels.setdefault(here, {}).setdefault(entry[1], entry[2])
    return {
        "separator": "whitespace", "comment": "END", "skip_rows": data + 2, "time_column": ("date", "time"),
        "names": ("date", "time", *(_name_diver(channels[one]) for one in sorted(channels))),
    }  # fmt: skip


def _name_diver(channel: dict[str, str]) -> str:
    """Name a channel, with the unit that stands behind the number of its range."""
    unit = re.match(r"[-\d.,]+\s*(\S+)$", channel.get("Range") or channel.get("Reference level", ""))
    return channel.get("Identification", "?") + (f" [{unit[1]}]" if unit else "")


DIVER = Dialect("diver", "a file of a Diver logger", _recognise_diver)


def _recognise_ibutton(lines: Sequence[str]) -> Patch | None:
    """Missions of iButton loggers, as OneWireViewer writes them: lines that describe, then Date/Time, Unit, Value."""
    if not lines[0].startswith("1-Wire/iButton"):
        return None
    header = next((n for n, line in enumerate(lines) if line.strip().startswith("Date/Time,Unit,Value")), None)
    if header is None:
        raise UnfinishedError
    return {"skip_rows": header, "time_column": "Date/Time"}


IBUTTON = Dialect("ibutton", "a mission of an iButton logger", _recognise_ibutton)
