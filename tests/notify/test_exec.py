"""Programs that are run for events."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import monotonic

import pytest

from sentinel.config import ExecNotify
from sentinel.notify import Delivery, Notifier, make_notifier
from tests.notify.test_notify import CLEARED, EVENT, soon


def running(program: str, *arguments: str, timeout: int = 5_000_000) -> Notifier:
    return make_notifier(ExecNotify(kind="exec", command=(sys.executable, "-c", program, *arguments), timeout=timeout))


def test_the_program_gets_the_event_and_its_key_and_little_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_PASSWORD", "x")
    program = (
        "import json, os, sys; file = open(sys.argv[1], 'a');"
        "print(json.dumps([json.load(sys.stdin), dict(os.environ)]), file=file)"
    )
    out = tmp_path / "out"
    assert running(program, str(out)).send([EVENT, CLEARED], soon()) == Delivery("delivered", 2)
    (first, environment), (second, _) = map(json.loads, out.read_text().splitlines())
    assert first == EVENT | {"lag1_high": None}
    assert second["what"] == "cleared"
    assert environment["SENTINEL_KEY"] == "a1b2/raised"
    assert "SOME_PASSWORD" not in environment


@pytest.mark.parametrize(("code", "outcome"), [(65, "refused"), (1, "retry"), (75, "retry")])
def test_the_exit_code_says_what_became_of_the_event(code: int, outcome: str) -> None:
    program = f"import sys; sys.stderr.write('why not\\n'); sys.exit({code})"
    found = running(program).send([EVENT], soon())
    assert (found.outcome, found.sent) == (outcome, 0)
    assert f"exit code {code} (why not)" in found.reason


def test_one_that_takes_too_long_is_killed_with_all_that_it_started() -> None:
    began = monotonic()
    program = "import subprocess; subprocess.run(['sleep', '60'])"
    found = running(program, timeout=300_000).send([EVENT], soon())
    assert (found.outcome, found.sent) == ("retry", 0)
    assert "killed" in found.reason
    assert monotonic() - began < 5.0


def test_a_program_that_is_not_there_is_named() -> None:
    found = make_notifier(ExecNotify(kind="exec", command=("/no/such/program",))).send([EVENT], soon())
    assert found.outcome == "retry"
    assert "/no/such/program: No such file" in found.reason
