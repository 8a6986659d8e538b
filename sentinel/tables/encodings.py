"""The encoding of a text that is not UTF-8: Western European and Japanese are told, of others the reader is asked."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from sentinel.domain.errors import DataError
from sentinel.tables.cells import TableOptions

_RUN = re.compile(rb"[\x80-\xff]+")
_WESTERN_RUN = 2
"""Letters with marks that stand in a row in the words of Western Europe, as in `größer`."""
_MOST_IN_RUNS = 0.2
_NOT_WINDOWS = b"\x81\x8d\x8f\x90\x9d"
"""Bytes that cp1252 has no letter for."""
_JAPANESE = re.compile(r"[\u3000-\u30ff\uff01-\uff9f\u2010-\u22ff\u2460-\u2473\u3300-\u33dd×÷±°´¨§¶\u0370-\u03ff]")
_OTHERS: Mapping[str, re.Pattern[str]] = {
    "gb18030": re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff01-\uff5e\u2010-\u22ff×÷±°§·]"),
    "big5": re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff01-\uff5e\u2010-\u22ff×÷±°§·]"),
    "cp949": re.compile(r"[\u3000-\u303f\uac00-\ud7a3\uff01-\uff5e\u2010-\u22ff×÷±°§·]"),
    "euc_jp": re.compile(r"[\u3000-\u30ff\u4e00-\u9fff\uff01-\uff9f\u2010-\u22ff×÷±°´¨§¶]"),
    "cp1251": re.compile(r"[\u0400-\u045f№°±µ·«»–—’“”…\xa0]"),
    "koi8_r": re.compile(r"[\u0410-\u0451°²·]"),
    "cp866": re.compile(r"[\u0410-\u0451№°·]"),
    "cp1253": re.compile(r"[\u0384-\u03ce°±µ²³·«»–—’“”…\xa0]"),
}
"""Encodings that may be meant, with the letters that a text in them consists of, besides those of ASCII."""
_MIXED = re.compile(r"[A-Za-z][\u0370-\u045f]|[\u0370-\u045f][A-Za-z]")
"""A Latin letter beside a Greek or Cyrillic one: no word has both."""
_CENTRAL = re.compile(r"[čČďĎěĚľĽňŇřŘťŤůŮąĄćĆęĘłŁńŃśŚźŹżŻőŐűŰđĐ]")
"""Letters of Czech, Slovak, Polish, Hungarian and Croatian for which cp1252 has others in the same place."""
_SHOWN = 40
_NAMED = 3
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def find_codec(first: bytes, where: str, options: TableOptions) -> tuple[str, int]:
    """Tell the encoding with its byte order, and the length of the byte order mark."""
    try:
        wanted = codecs.lookup(options.encoding).name
    except LookupError as error:
        raise DataError(f"{where}: encoding {options.encoding!r} is not known; utf-8, latin-1, cp1252 are") from error
    for bom, codec in _BOMS:
        if first.startswith(bom):
            if codec.startswith(wanted) or wanted.startswith(codec):
                return codec, len(bom)
            if codec != "utf-8":
                raise DataError(f"{where}: the file is {codec[:6]}, not {options.encoding}; set encoding: {codec[:6]}")
    if wanted in ("utf-16", "utf-32"):
        return f"{wanted}-le", 0
    return ("utf-8", 0) if wanted in ("utf-8-sig", "ascii") else (wanted, 0)


def tell_encoding(data: bytes, where: str) -> str:
    """Tell the encoding of lines that are not UTF-8; DataError where the names read differently in several."""
    runs = set(_RUN.findall(data))  # signs of each row, such as those of its date, count once
    in_runs = sum(len(run) for run in runs if len(run) > _WESTERN_RUN)
    if in_runs <= _MOST_IN_RUNS * sum(map(len, runs)):
        return _western(data)
    if _is_shift_jis(data):
        return "cp932"
    first = next(line for line in data.split(b"\n") if _RUN.search(line)).strip()
    readings = {
        name: text[:_SHOWN]
        for name, letters in _OTHERS.items()
        if (text := _decode(data, name)) and _consists_of(text, letters) and (text := _decode(first, name))
    }
    if not readings:
        return _western(data)
    shown = ", or ".join(f"{text!r} in {name}" for name, text in islice(readings.items(), 4))
    raise DataError(
        f"{where}: its text is not UTF-8 and may be {shown}; set encoding to the one that reads right "
        f"(--encoding {next(iter(readings))})"
    )


def note_central(columns: Iterable[str], options: TableOptions) -> Iterator[str]:
    """Say it where names that are read as Western European are others in Central European."""
    if options.encoding != "cp1252":
        return
    read = {name: _decode(name.encode("cp1252", errors="replace"), "cp1250") for name in columns}
    if names := [name for name, other in read.items() if other != name and _CENTRAL.search(other)]:
        others = ", ".join(read[name] for name in names[:_NAMED])
        yield f"names such as {', '.join(names[:_NAMED])} are {others} in Central European: --encoding cp1250"


def _western(data: bytes) -> str:
    # Western European text that is not UTF-8 is nearly always that of Windows.
    return "latin-1" if any(byte in data for byte in _NOT_WINDOWS) else "cp1252"


def _is_shift_jis(data: bytes) -> bool:
    """Tell if it reads as Japanese of everyday signs, some of which begin with bytes that no other encoding uses so."""
    text = _decode(data, "cp932")
    if not text:
        return False
    signs = {sign for sign in text if sign >= "\x80" and not _JAPANESE.match(sign)}
    # Kanji of the first level, which are half of those there are and nearly all of those in use.
    return all(b"\x88\x9f" <= sign.encode("cp932") <= b"\x98\x72" for sign in signs) and any(
        b"\x81" <= sign.encode("cp932")[:1] <= b"\x9f" for sign in set(text) if sign >= "\x80"
    )


def _decode(data: bytes, name: str) -> str:
    """Decode bytes; empty if they are not in this encoding."""
    try:
        return data.decode(name)
    except UnicodeDecodeError:
        return ""


def _consists_of(text: str, letters: re.Pattern[str]) -> bool:
    return not _MIXED.search(text) and all(sign < "\x80" or letters.match(sign) for sign in set(text))
