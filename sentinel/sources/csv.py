"""Source `csv`: a file, or a folder of CSV, Parquet and NDJSON files, followed as they grow and are rotated.

Which files there are is found in `rotation.py`, the rows are read in `following.py`; both are imported at the first
fetch: `sentinel check` does not wait for polars.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING

from sentinel.config import CsvSource
from sentinel.domain.clock import Clock
from sentinel.domain.errors import DataError
from sentinel.domain.filenames import without_compression
from sentinel.domain.labels import add_labels, read_key
from sentinel.domain.spans import print_duration
from sentinel.sources.base import PullSource, SourceError

if TYPE_CHECKING:
    from sentinel.domain.observation import Cursor, Frame
    from sentinel.sources.following import Follower


ENDINGS = (".csv", ".parquet", ".ndjson", ".nc")
"""Endings of the tables of a folder, before that of a compression."""
FILE = "{file}"
"""Stands for the name of the file, without its ending, in a label."""
LOOKED_AT = 20
"""Tables of a folder of which the first rows are read before the start."""


class Files(PullSource):
    """Follows the file or the folder that the settings name."""

    def __init__(self, settings: CsvSource, clock: Clock) -> None:
        super().__init__(settings.name, settings.every, settings.id)
        self._settings = settings
        self._clock = clock
        self._follower: Follower | None = None

    def fetch(self, cursor: Cursor | None) -> Frame:
        """Read what has been added since `cursor`; see `PullSource.fetch`."""
        if self._follower is None:
            from sentinel.sources.following import Follower

            self._follower = Follower(self._settings, self._clock)
        return self._follower.fetch(cursor)

    def close(self) -> None:
        """Let go of files that are kept inflated."""
        if self._follower is not None:
            self._follower.close()

    def describe(self) -> str:
        """Say which file or folder is read, and how often."""
        settings = self._settings
        every = print_duration(settings.every)
        return f"{settings.path}, read every {every}, times without an offset are {settings.time_zone}"

    def remarks(self) -> tuple[str, ...]:
        """Say it where there is nothing to read yet."""
        path = Path(self._settings.path).absolute()
        try:
            if not find_tables(path):
                return (f"no *.csv, *.parquet, *.ndjson or *.nc is in {path} now; they are read as they come",)
        except (FileNotFoundError, NotADirectoryError):
            return (f"{path} is not there now; it is read as soon as it is",)
        except OSError as error:
            return (f"{path} cannot be read now: {error.strerror}; it is read as soon as it can be",)
        except SourceError:  # a pipe; the first fetch says so
            pass
        return ()

    def known_series(self) -> frozenset[str] | None:
        """Columns of wide CSV tables, from their headers; columns of text are among them.

        None for long tables, `by`, Parquet and NDJSON, whose names are in the rows or cost reading them.
        """
        settings = self._settings
        if settings.layout == "long" or settings.by:
            return None
        try:
            tables = list(find_tables(Path(settings.path)).values())
            columns = [settings.columns or self._read_header(path) for path in tables]
        except (OSError, DataError, SourceError):
            return None
        if not columns or not all(columns):
            return None
        return self._keys(zip(tables, columns, strict=True), settings.prefix)

    def former_series(self) -> frozenset[str] | None:
        """Columns of wide tables, with the prefix and without: before it had one, they were its series."""
        known = self.known_series()
        if known is None:
            return None
        plain = {read_key(key).name for key in known}  # likewise before it had labels
        return known | {name.removeprefix(self._settings.prefix) for name in known | plain} | plain

    def present_series(self) -> frozenset[str]:
        """Series of the first rows of its tables, of a folder with many the first and the last ones."""
        tables = list(find_tables(Path(self._settings.path)).values())
        if not tables:
            return frozenset()
        from sentinel.sources.pieces import first_series  # here: it waits for polars
        from sentinel.tables.options import options_of

        half = LOOKED_AT // 2
        looked_at = tables if len(tables) <= LOOKED_AT else [*tables[:half], *tables[-half:]]
        found: list[tuple[Path, Iterable[str]]] = []
        for path in looked_at:
            with suppress(OSError, DataError):
                found.append((path, first_series(path, options_of(self._settings))))
        return self._keys(found, self._settings.prefix)

    def _keys(self, tables: Iterable[tuple[Path, Iterable[str]]], prefix: str) -> frozenset[str]:
        """Give the keys of the series of these tables."""
        return frozenset(
            add_labels(prefix + name, file_labels(self._settings, path.name))
            for path, names in tables
            for name in names
        )

    def _read_header(self, path: Path) -> list[str]:
        """Columns of a wide CSV table that may be series; none where its first line does not tell them."""
        from sentinel.tables import file_format
        from sentinel.tables.cells import UNNAMED, matches
        from sentinel.tables.columns import patterns_of
        from sentinel.tables.options import options_of
        from sentinel.tables.reading import open_file, read_head
        from sentinel.tables.recognising import recognise_text

        settings, options = self._settings, options_of(self._settings)
        if file_format(path, options) != "csv":
            return []
        with open_file(path) as file:
            found = recognise_text(file, str(path), "csv", options, whole=False)
            if found is None:
                return []
            options = found.options
            head = read_head(file, str(path), "csv", options, whole=False)
        columns = head.columns if head is not None else ()
        if options.layout == "months" or (
            settings.layout == "auto" and {settings.series_column, settings.value_column} <= set(columns)
        ):
            return []
        left_out = (*options.time_columns, *options.by)
        names = [name for name in columns if name not in left_out and not name.startswith(UNNAMED)]
        patterns = (*options.exclude, *patterns_of(options.flags))
        return [name for name in names if not any(matches(name, one) for one in patterns)]


def file_labels(settings: CsvSource, name: str) -> dict[str, str]:
    """Give the labels of the series of a file of that name."""
    stem = Path(without_compression(name)).stem
    return {label: text.replace(FILE, stem) for label, text in settings.labels.items()}


def find_tables(path: Path) -> dict[str, Path]:
    """Find the tables of a folder, or the file itself, by name and in order of name.

    OSError if it cannot be looked at, SourceError if it is neither a file nor a folder.
    """
    if not path.is_dir():
        if not S_ISREG(path.stat().st_mode):
            raise SourceError(f"{path}: a pipe or a device; a file or a folder is needed")
        return {path.name: path}
    # A writer renames its finished file into place: names with a dot in front or .tmp behind are not finished.
    found = sorted(one for one in path.iterdir() if without_compression(one.name).lower().endswith(ENDINGS))
    return {one.name: one for one in found if not one.name.startswith(".") and one.is_file()}
