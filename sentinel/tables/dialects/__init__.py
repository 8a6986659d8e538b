"""Kinds of files that are known by their first lines, one module each; every one gives options and nothing else."""

from collections.abc import Sequence

from sentinel.tables.dialects.archives import ERDDAP, FLUXNET, GLEON, ODV, ODV_FLAGS, PALEO, PANGAEA, SWMP
from sentinel.tables.dialects.base import Dialect, Patch, UnfinishedError
from sentinel.tables.dialects.loggers import CNV, DIVER, HOBO, IBUTTON, TOA5
from sentinel.tables.dialects.offices import BODC, DWD, ISDLITE, METOFFICE, NDBC, PSL, RDB
from sentinel.tables.dialects.plain import PLAIN, find_separator

__all__ = ["DIALECTS", "PLAIN", "Dialect", "Patch", "UnfinishedError", "find_dialect", "find_separator"]

DIALECTS = (
    TOA5, HOBO, RDB, NDBC, SWMP, FLUXNET, PANGAEA, PALEO, ERDDAP, GLEON, PSL, DWD, CNV, DIVER, ODV, ODV_FLAGS, IBUTTON,
    METOFFICE, ISDLITE, BODC, PLAIN,
)  # fmt: skip
"""In the order in which they are tried; the last one takes what is left."""


def find_dialect(lines: Sequence[str], name: str = "auto") -> tuple[Dialect, Patch] | None:
    """Find the kind of a file, or see if it is that of a name; UnfinishedError: by lines that are not there yet."""
    if not lines:
        return None
    for dialect in DIALECTS if lines[0].strip() else (PLAIN,):
        if name in ("auto", dialect.name) and (patch := dialect.recognise(lines)) is not None:
            return dialect, patch
    return None
