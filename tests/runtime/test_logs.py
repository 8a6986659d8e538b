"""The log: lines that machines read, whatever is logged."""

from __future__ import annotations

import io
import json
import logging
import re
import warnings
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.client import exchange
from sentinel.domain.metrics import Metrics
from sentinel.runtime.logs import set_up
from tests.fixtures import value
from tests.sources.answering import answering, send

LINE = re.compile(r'(?:^|\s)([a-z_]+)=("(?:[^"\\]|\\.)*"|[^\s"]+)')


@pytest.fixture(autouse=True)
def _root_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def logged(form: str, level: str = "info") -> tuple[io.StringIO, Metrics]:
    stream, metrics = io.StringIO(), Metrics()
    set_up(level, form, metrics, stream)
    return stream, metrics


def fields(line: str) -> dict[str, str]:
    return {key: json.loads(text) if text.startswith('"') else text for key, text in LINE.findall(line)}


def test_a_logfmt_line_has_time_level_message_component_then_extras() -> None:
    stream, _ = logged("logfmt")
    logging.getLogger("sentinel.sources.csv").info("source read", extra={"source": "lake", "late": True, "tick": None})
    line = stream.getvalue()
    assert re.fullmatch(
        r'ts=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=info msg="source read" component=sources\.csv '
        r"source=lake late=true tick=null\n",
        line,
    )


def test_a_json_line_is_one_object_with_the_same_keys() -> None:
    stream, _ = logged("json")
    logging.getLogger("sentinel.runtime.engine").warning(
        "slow %s", "turn", extra={"seconds": 1.5, "lag1": float("nan")}
    )
    line = json.loads(stream.getvalue())
    assert list(line) == ["ts", "level", "msg", "component", "seconds", "lag1"]
    assert (line["level"], line["msg"], line["component"]) == ("warning", "slow turn", "engine")
    assert (line["seconds"], line["lag1"]) == (1.5, "nan")


@given(st.text(), st.text())
def test_no_value_breaks_out_of_its_line_or_its_key(message: str, value: str) -> None:
    stream, _ = logged("logfmt")
    logging.getLogger("sentinel").info("%s", message, extra={"series": value})
    text = stream.getvalue()
    assert text.splitlines() == [text.removesuffix("\n")]
    assert fields(text)["msg"] == message
    assert fields(text)["series"] == value


def test_an_exception_stays_on_one_line() -> None:
    stream, _ = logged("logfmt")

    def fail() -> None:
        raise ValueError("12 is not\na cadence")

    try:
        fail()
    except ValueError:
        logging.getLogger("sentinel.runtime.engine").exception("stopped")
    [line] = stream.getvalue().splitlines()
    assert fields(line)["error"] == "ValueError: 12 is not\na cadence"
    assert "Traceback (most recent call last)" in fields(line)["traceback"]


def test_warnings_and_errors_are_counted_even_where_they_are_not_written() -> None:
    stream, metrics = logged("logfmt", "error")
    logger = logging.getLogger("sentinel.runtime.engine")
    logger.info("one")
    logger.warning("two")
    logger.error("three")
    logger.critical("four")
    assert [fields(line)["msg"] for line in stream.getvalue().splitlines()] == ["three", "four"]
    assert value(metrics, "sentinel_log_warnings_total") == 1
    assert value(metrics, "sentinel_log_errors_total") == 2


def test_setting_up_again_replaces_the_first() -> None:
    first, _ = logged("logfmt")
    second, _ = logged("json", "debug")
    logging.getLogger("sentinel").debug("hello")
    assert first.getvalue() == ""
    assert json.loads(second.getvalue())["msg"] == "hello"


def test_pythons_own_warnings_become_records() -> None:
    stream, metrics = logged("logfmt")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)  # catch_warnings has put the plain way of showing back
        warnings.warn("old", FutureWarning, stacklevel=1)
    assert "FutureWarning: old" in fields(stream.getvalue())["msg"]
    assert value(metrics, "sentinel_log_warnings_total") == 1


def test_level_debug_does_not_let_the_compiler_of_the_kernels_tell_all_that_it_does() -> None:
    stream, _ = logged("json", "debug")
    logging.getLogger("numba.core.ssa").debug("on stmt: %s", "$x = y")
    logging.getLogger("sentinel.runtime.engine").debug("ours")
    assert [json.loads(line)["msg"] for line in stream.getvalue().splitlines()] == ["ours"]


def test_addresses_that_are_asked_are_not_told_for_some_are_secret() -> None:
    # The HTTP client told each at level info: that of a webhook holds its secret.
    stream, _ = logged("logfmt", "debug")
    with answering() as server:
        server.answer = lambda handler, _: send(handler, 200, b"")
        exchange("POST", f"{server.url}/T0P/S3CRET", 10.0, headers={"authorization": "S3CRET"}, content=b"{}")
    assert stream.getvalue() == ""


def test_of_one_kind_twenty_lines_a_minute_are_written_all_are_counted_and_what_is_left_out_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A peer that sent rubbish wrote the disk full with one line for each connection.
    now = [0.0]
    monkeypatch.setattr("sentinel.runtime.logs.monotonic", lambda: now[0])
    stream, metrics = logged("logfmt")
    log = logging.getLogger("uvicorn.error")
    for _ in range(500):
        log.warning("Invalid HTTP request received.")
    log.warning("another kind")
    for source in ("lake", "pond"):
        for _ in range(15):
            log.error("source cannot be read", extra={"source": source})
    lines = stream.getvalue().splitlines()
    assert len(lines) == 20 + 1 + 30
    assert fields(lines[19])["note"] == "further lines of this kind are left out for a minute"
    assert not any("note" in fields(line) for line in [*lines[:19], *lines[20:]])
    now[0] = 60.0
    for _ in range(2):
        log.warning("Invalid HTTP request received.")
    after = stream.getvalue().splitlines()[len(lines) :]
    assert [fields(line).get("left_out") for line in after] == ["480", None]
    assert value(metrics, "sentinel_log_warnings_total") == 503
    assert value(metrics, "sentinel_log_errors_total") == 30
