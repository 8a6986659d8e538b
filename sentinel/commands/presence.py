"""What is there now of what a configuration names, for `sentinel check`: files, and series where their names are known.

The names are known at once of simulated systems and of wide CSV tables, from their header; those of long tables and of
`by` are in the rows. Nothing is said of these, nor of Parquet and NDJSON. Columns of text count as series here: nothing
is remarked on that could match. A remark is no fault, for files may come later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from glob import has_magic
from pathlib import Path

from sentinel.config import CsvSource, Settings, Source
from sentinel.domain.errors import DataError
from sentinel.pipeline.plan import paired_name
from sentinel.pipeline.sites import without_enough


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
    pairs = ((name, settings.counterpart_for(name)) for name in names)
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
    try:
        path.stat()
        tables = _files(path)
    except (FileNotFoundError, NotADirectoryError):
        yield f"source {source.name}: {path} is not there now; it is read as soon as it is"
    except OSError as error:
        yield f"source {source.name}: {path} cannot be read now: {error.strerror}; it is read as soon as it can be"
    else:
        if not tables:
            yield f"source {source.name}: no *.csv, *.parquet or *.ndjson is in {path} now; they are read as they come"


def _files(path: Path) -> list[Path]:
    """The tables of a folder, or the file itself."""
    if not path.is_dir():
        return [path]
    from sentinel.sources.csv import ENDINGS  # here and below: `check` does not wait for libraries that it may not need

    return [one for one in path.iterdir() if one.suffix.lower() in ENDINGS and not one.name.startswith(".")]


def _names(sources: Sequence[Source]) -> list[str]:
    """Names of all series; empty where some are not known."""
    names: set[str] = set()
    for source in sources:
        own = _own(source)
        if not own or not all(own):
            return []
        names.update(*own)
    return sorted(names)


def _own(source: Source) -> list[set[str]]:
    """Names of a source's series, file by file; an empty set where they are not known."""
    if not isinstance(source, CsvSource):
        return [{source.series or source.name}]
    if source.layout == "long" or source.by:
        return [set()]
    try:
        return [set(source.columns or _header(source, path)) for path in _files(Path(source.path))]
    except (OSError, DataError):
        return [set()]


def _header(source: CsvSource, path: Path) -> list[str]:
    """The columns of a wide CSV table that may be series; empty where its first line does not tell them."""
    if not path.is_file():
        return []
    from sentinel.sources.csv import options_of
    from sentinel.tables import file_format
    from sentinel.tables.lines import read_head
    from sentinel.tables.options import UNNAMED

    options = options_of(source)
    if file_format(path, options) != "csv":
        return []
    with path.open("rb") as file:
        head = read_head(file, str(path), "csv", options, whole=False)
    columns = head.columns if head is not None else ()
    long = source.layout == "auto" and {source.series_column, source.value_column} <= set(columns)
    return [] if long else [name for name in columns if name != source.time_column and not name.startswith(UNNAMED)]
