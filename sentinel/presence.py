"""What is there now of what a configuration names, for `sentinel check`: files, and series where their names are known.

The names are known at once of simulated systems and of wide CSV tables, from their header; those of long tables, of
`by`, of Parquet and NDJSON are in the rows, and nothing is said of them. Columns of text count as series here: nothing
is remarked on that could match. A remark is no fault, for files may come later.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from glob import has_magic
from pathlib import Path

from sentinel.configuration import CsvSource, Settings, Source
from sentinel.plan import paired_name
from sentinel.sites import without_enough

_ENDINGS = (".csv", ".parquet", ".ndjson")
_NOT_CSV = (".parquet", ".pq", ".ndjson", ".jsonl")


def remarks(settings: Settings) -> Iterator[str]:
    """One line for each thing that cannot work with the files as they are now."""
    for source in settings.sources:
        if isinstance(source, CsvSource):
            yield from _absent(source)
    names = _names(settings.sources)
    if not names:
        literal = [site for site in settings.sites if not has_magic(site.match)]
        yield from (line for site in literal for line in without_enough([site], [[site.match]]))
        return
    pairs = ((name, settings.reference_for(name)) for name in names)
    judged = [[name, paired_name(name, other)] if other is not None else [name] for name, other in pairs]
    known = ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
    for part, matches, among in (
        ("series", [entry.match for entry in settings.series], [[name] for name in names]),
        ("rule", [rule.match for rule in settings.alarms], judged),
    ):
        for match in dict.fromkeys(matches):
            if not any(fnmatchcase(name, match) for own in among for name in own):
                yield f"{part} {match}: matches none of the series that the sources have now ({known})"
    yield from without_enough(settings.sites, judged)


def _absent(source: CsvSource) -> Iterator[str]:
    path = Path(source.path).absolute()
    if not path.exists():
        yield f"source {source.name}: {path} is not there now; it is read as soon as it is"
    elif path.is_dir() and not _files(path):
        yield f"source {source.name}: no *.csv, *.parquet or *.ndjson is in {path} now; they are read as they come"


def _files(path: Path) -> list[Path]:
    """The tables of a folder, or the file itself."""
    if not path.is_dir():
        return [path]
    return [one for one in path.iterdir() if one.suffix.lower() in _ENDINGS and not one.name.startswith(".")]


def _names(sources: Sequence[Source]) -> list[str]:
    """Names of all series; empty where some are not known."""
    names: set[str] = set()
    for source in sources:
        if not isinstance(source, CsvSource):
            own = [{source.series or source.name}]
        elif source.layout == "long" or source.by:
            return []
        else:
            own = [set(source.columns or _header(source, path)) for path in _files(Path(source.path))]
        if not own or not all(own):
            return []
        names.update(*own)
    return sorted(names)


def _header(source: CsvSource, path: Path) -> list[str]:
    """The columns of a wide CSV table that may be series; empty where they cannot be told from its first line."""
    is_csv = source.format == "csv" or (source.format == "auto" and path.suffix.lower() not in _NOT_CSV)
    if not is_csv or not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8-sig" if source.encoding == "utf-8" else source.encoding, newline="") as file:
            lines = (line for line in file if line.strip() and not (source.comment and line.startswith(source.comment)))
            header = [name.strip() for name in next(csv.reader(lines, delimiter=source.separator), [])]
    except (OSError, UnicodeError, csv.Error):
        return []
    long = source.layout == "auto" and {source.series_column, source.value_column} <= set(header)
    return [] if long else [name for name in header if name not in ("", source.time_column)]
