"""Kinds of files that are known by their first lines, one module each; every one gives options and nothing else."""

from collections.abc import Sequence

from sentinel.tables.dialects.base import Dialect, Patch, UnfinishedError
from sentinel.tables.dialects.bodc import BODC
from sentinel.tables.dialects.cnv import CNV
from sentinel.tables.dialects.davis import DAVIS
from sentinel.tables.dialects.decagon import DECAGON
from sentinel.tables.dialects.diver import DIVER
from sentinel.tables.dialects.dwd import DWD
from sentinel.tables.dialects.erddap import ERDDAP
from sentinel.tables.dialects.fluxnet import FLUXNET
from sentinel.tables.dialects.gleon import GLEON
from sentinel.tables.dialects.hobo import HOBO
from sentinel.tables.dialects.ibutton import IBUTTON
from sentinel.tables.dialects.isdlite import ISDLITE
from sentinel.tables.dialects.lvm import LVM
from sentinel.tables.dialects.meteofrance import METEOFRANCE
from sentinel.tables.dialects.metoffice import METOFFICE
from sentinel.tables.dialects.ndbc import NDBC
from sentinel.tables.dialects.nrfa import NRFA
from sentinel.tables.dialects.odv import ODV, ODV_FLAGS
from sentinel.tables.dialects.paleo import PALEO
from sentinel.tables.dialects.pangaea import PANGAEA
from sentinel.tables.dialects.plain import PLAIN, find_separator
from sentinel.tables.dialects.psl import PSL
from sentinel.tables.dialects.rbr import RBR
from sentinel.tables.dialects.rdb import RDB
from sentinel.tables.dialects.swmp import SWMP
from sentinel.tables.dialects.toa5 import TOA5

__all__ = ["DIALECTS", "PLAIN", "Dialect", "Patch", "UnfinishedError", "find_dialect", "find_separator"]

DIALECTS = (
    TOA5,
    HOBO,
    RDB,
    NDBC,
    SWMP,
    FLUXNET,
    PANGAEA,
    PALEO,
    ERDDAP,
    GLEON,
    PSL,
    DWD,
    CNV,
    DIVER,
    ODV,
    ODV_FLAGS,
    IBUTTON,
    METOFFICE,
    ISDLITE,
    BODC,
    METEOFRANCE,
    NRFA,
    DAVIS,
    DECAGON,
    RBR,
    LVM,
    PLAIN,
)
"""In the order in which they are tried; the last one takes what is left."""


def find_dialect(lines: Sequence[str], name: str = "auto") -> tuple[Dialect, Patch] | None:
    """Find the kind of a file by its first lines; with a name only that one is tried.

    Raises UnfinishedError: it is told by lines that are not there yet.
    """
    if not lines:
        return None
    for dialect in DIALECTS if lines[0].strip() else (PLAIN,):
        if name in ("auto", dialect.name) and (patch := dialect.recognise(lines)) is not None:
            return dialect, patch
    return None
