"""Look for bytes that a reader neither takes, counts nor refuses: `python -m tests.studies.fuzz.run --seconds 600`.

What is found is shrunk by hypothesis, written to `corpus/` and said; the exit code is 1 then.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
import traceback
from collections.abc import Callable
from itertools import count
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.studies.fuzz.readers import READERS

AT_ONCE = 500
"""Examples between two looks at the clock."""
ODD = (
    b"", b"\0", b"\xff", b"\n", b"\r", b'"', b",", b";", b"=", b"\\", b"-", b"1e999", b"nan", b"9" * 400, b"[" * 2_000,
    b"{", b"}", b"null", b"\xed\xa0\x80", "٣".encode(), b"\\ud800", b"\x1b[2J", b"2026-02-30", b"0000-01-01", b"T",
    b"\t",
)  # fmt: skip


def mutated(seeds: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    """Bytes made of a good example by cutting, doubling and putting in."""
    edits = st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 40), st.sampled_from(ODD) | st.binary(max_size=6)), max_size=6
    )
    return st.builds(_edit, st.sampled_from(seeds), edits) | st.binary(max_size=60)


def _edit(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for at, length, piece in edits:
        at %= len(data) + 1
        data = data[:at] + (piece if length % 3 else piece + data[at : at + length]) + data[at + length :]
    return data


def search(name: str, seconds: float, first: int) -> tuple[int, bytes | None]:
    """Try until the time is over; how many were tried, and what was found."""
    read, seeds = READERS[name]
    until, tried, last = time.monotonic() + seconds, 0, b""

    def check(data: bytes) -> None:
        nonlocal tried, last
        tried, last = tried + 1, data
        read(data)

    for number in count(first):
        if time.monotonic() >= until:
            return tried, None
        run: Callable[[], None] = seed(number)(
            settings(max_examples=AT_ONCE, deadline=None, database=None, suppress_health_check=list(HealthCheck))(
                given(mutated(seeds))(check)
            )
        )
        try:
            run()
        except Exception:  # noqa: BLE001 - whatever it is, it was found
            traceback.print_exc(limit=-4)
            return tried, last  # the shrunk one is run last
    raise AssertionError


def main() -> int:
    """Search for each reader."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=600.0)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("names", nargs="*", default=list(READERS))
    given_ = arguments.parse_args()
    failed = False
    for name in given_.names:
        tried, found = search(name, given_.seconds, given_.seed)
        print(f"{name}: {tried:,} tried, {'found ' + ascii(found)[:200] if found is not None else 'nothing found'}")
        if found is not None:
            failed = True
            folder = Path(__file__).parent / "corpus" / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / hashlib.sha256(found).hexdigest()[:12]).write_bytes(found)
    return failed


if __name__ == "__main__":
    sys.exit(main())
