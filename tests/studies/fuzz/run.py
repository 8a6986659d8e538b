"""Look for bytes that a reader neither takes, counts nor refuses: `python -m tests.studies.fuzz.run --seconds 600`.

What is found is shrunk by hypothesis, written to `corpus/` and said; the exit code is 1 then. With `--write` the counts
of the readers that were searched go to docs/endurance.md.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.studies.fuzz.readers import READERS, Outcome
from tests.studies.page import ENDURANCE, lines_of, when_and_on_what, write_section

HEADING = "Sent anything"
TEXT = """\
Written by `python -m tests.studies.fuzz.run --seconds 600 --write`: good examples that hypothesis cuts, doubles and
puts odd pieces into. An input is *taken* if an observation came of it (of `inspect`: if it was described), *left out*
if it was counted under a reason and no more, *refused* if the sender or the operator is told so, *empty* if there is
nothing in it. A crash is any other end, or a reading that an independent one contradicts: of remote write that of
Google's protobuf, of JSON the objects in it, of MQTT the number of the payload, of line protocol the same lines between
two others. What was found so is repaired, and is read by the fast tests: `tests/studies/fuzz/corpus/`.
"""
HEAD = """\
| reader | inputs | taken | left out | refused | empty | crashes | how long | when, where |
|---|---|---|---|---|---|---|---|---|"""
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


def search(name: str, seconds: float, first: int) -> tuple[Counter[Outcome], bytes | None]:
    """Try until the time is over; what became of all inputs, and what was found."""
    read, seeds = READERS[name]
    until, became, last = time.monotonic() + seconds, Counter[Outcome](), b""

    def check(data: bytes) -> None:
        nonlocal last
        last = data
        became[read(data)] += 1

    for number in count(first):
        if time.monotonic() >= until:
            return became, None
        run: Callable[[], None] = seed(number)(
            settings(max_examples=AT_ONCE, deadline=None, database=None, suppress_health_check=list(HealthCheck))(
                given(mutated(seeds))(check)
            )
        )
        try:
            run()
        except Exception:  # noqa: BLE001 - whatever it is, it was found
            traceback.print_exc(limit=-4)
            return became, last  # the shrunk one is run last
    raise AssertionError


def main() -> int:
    """Search for each reader."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=600.0)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--write", action="store_true")
    arguments.add_argument("names", nargs="*", default=list(READERS))
    asked = arguments.parse_args()
    failed = False
    for name in asked.names:
        became, found = search(name, asked.seconds, asked.seed)
        cells = [name, *(f"{n:,}" for n in (became.total(), *(became[one] for one in reversed(Outcome))))]
        cells += ["1" if found is not None else "0", f"{asked.seconds:g} s, seed {asked.seed}", when_and_on_what()]
        row = f"| {' | '.join(cells)} |"
        print(row, flush=True)
        if asked.write:
            lines = lines_of(ENDURANCE, HEADING) | {name: row}
            write_section(ENDURANCE, HEADING, f"{TEXT}\n{HEAD}\n" + "\n".join(lines.values()))
        if found is not None:
            failed = True
            folder = Path(__file__).parent / "corpus" / name
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / hashlib.sha256(found).hexdigest()[:12]
            path.write_bytes(found)
            print(f"found {ascii(found)[:200]}; written to {path}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
