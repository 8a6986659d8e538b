"""What a plain scalar of YAML is, by the core schema of YAML 1.2, and which ones are refused.

``1e-4`` is a number and only ``true`` and ``false`` are booleans. What an older reader of YAML would take for another
value (``1:30``, ``010``) is refused rather than guessed.
"""

from __future__ import annotations

import re
from typing import TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

_NULL = ("", "~", "null", "Null", "NULL")
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_BASE_60 = re.compile(r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?")
_BASE_8 = re.compile(r"[-+]?0[0-9]+")


def doubt(text: str) -> str:
    """Why a plain scalar is refused; empty if it is not."""
    if _BASE_60.fullmatch(text):
        return "is a number to base 60 to some readers; write a duration such as 90m, or put text in quotes"
    if _BASE_8.fullmatch(text):
        return "is octal to some readers; write the number without leading zeros, or put text in quotes"
    if _INTEGER.fullmatch(text) and len(text) > 18:
        return "is too long; numbers of up to 18 digits are allowed"
    return ""


def plain_scalar(text: str) -> Scalar:
    """By the core schema of YAML 1.2."""
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OTHER_BASE.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text
