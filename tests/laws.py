"""The number of examples that a law is tried on: few in the fast suite, all of them in the slow one."""

from __future__ import annotations

import os

ALL = os.environ.get("SENTINEL_LAWS") == "all"


def examples(few: int, every: int) -> int:
    """Give `every` where SENTINEL_LAWS=all asks for all examples, else `few`."""
    return every if ALL else few
