"""Sparkplug B: births, aliases, missed messages, deaths; and a real broker with an edge node."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.domain.observation import Frame
from sentinel.sources.rows import Rows
from sentinel.sources.sparkplug import Nodes
from tests.e2e.running import PATIENCE, wait_for
from tests.sources.broker import Broker
from tests.sources.edge_node import BOOLEAN, DOUBLE, FLOAT, INT32, INT64, STRING, EdgeNode, metric, payload
from tests.sources.following import through_json
from tests.sources.test_mqtt_source import NOW_US, Listening, messages, told

NOW_MS = NOW_US // 1_000
BIRTH = payload(NOW_MS, 0, metric(INT64, 4, name="bdSeq"), metric(DOUBLE, 1.5, name="oxygen", alias=1))
DEVICE = payload(NOW_MS, 1, metric(FLOAT, 0.5, name="air/ph", alias=2), metric(INT32, -7, name="t", alias=3),
                 metric(STRING, "x", name="note", alias=4), metric(BOOLEAN, True, name="on", alias=5))  # fmt: skip


def read(
    *sent: tuple[str, bytes], nodes: Nodes | None = None, wanted: tuple[str, ...] = (), template: str | None = None
) -> tuple[Frame, Nodes]:
    rows, nodes = Rows(NOW_US, "message"), nodes or Nodes(template, wanted, {})
    for topic, body in sent:
        nodes.read(f"spBv1.0/{topic}", body, rows)
    return rows.frame("buoys", {}, NOW_US), nodes


def names(frame: Frame) -> list[tuple[str, float]]:
    return [(name, value) for name, _, value in told(frame)]


def test_a_birth_names_what_later_messages_say_by_number_and_type() -> None:
    data = payload(NOW_MS + 1, 2, metric(None, 8.25, alias=2, timestamp=NOW_MS - 5_000), metric(INT32, None, alias=3))
    raw = payload(NOW_MS + 1, 3, metric(INT32, -9, alias=3))
    frame, nodes = read(("g/NBIRTH/e", BIRTH), ("g/DBIRTH/e/d", DEVICE), ("g/DDATA/e/d", data), ("g/DDATA/e/d", raw))
    assert told(frame) == [
        ("g/e/d/air/ph", NOW_MS / 1e3 - 5, 8.25), ("g/e/oxygen", NOW_MS / 1e3, 1.5),
        ("g/e/d/air/ph", NOW_MS / 1e3, 0.5),
        ("g/e/d/t", NOW_MS / 1e3, -7.0), ("g/e/d/t", NOW_MS / 1e3 + 0.001, -9.0),
    ]  # fmt: skip
    assert frame.rejected == {"missing": 1}
    assert list(nodes.requests()) == []


def test_wanted_metrics_and_a_template_and_one_that_is_no_number_is_counted() -> None:
    sent = (("g/NBIRTH/e", BIRTH), ("g/DBIRTH/e/d", DEVICE))
    frame, _ = read(*sent, wanted=("t", "note"), template="{node}/{metric}")
    assert (names(frame), frame.rejected) == ([("e/t", -7.0)], {"not_a_number": 1})
    other = payload(NOW_MS, 2, metric(INT32, 1, name="t"))
    again, _ = read(*sent, ("g/DBIRTH/e/other", other), wanted=("t",), template="{node}/{metric}")
    assert again.rejected == {"foreign_series": 1}
    same, _ = read(("g/NBIRTH/e", payload(NOW_MS, 0, metric(INT32, 1, name="d/t"))), ("g/DBIRTH/e/d", DEVICE))
    assert same.rejected == {"foreign_series": 1}  # a node's metric d/t is not that of the device d


def test_after_a_missed_message_no_alias_is_trusted_until_the_node_is_born_again() -> None:
    late = payload(NOW_MS + 2, 3, metric(None, 9.0, alias=1), metric(DOUBLE, 3.0, name="named"))
    frame, nodes = read(("g/NBIRTH/e", BIRTH), ("g/NDATA/e", late))
    assert names(frame) == [("g/e/oxygen", 1.5), ("g/e/named", 3.0)]
    assert frame.rejected == {"no_series": 1}
    assert "something was missed before message 3" in frame.complaints[0]
    [(topic, body)] = nodes.requests()
    assert topic == "spBv1.0/g/NCMD/e"
    assert b"Node Control/Rebirth" in body
    again, _ = read(("g/NDATA/e", late), nodes=nodes)
    assert list(nodes.requests()) == []  # it was asked already
    assert not any("something was missed" in line for line in again.complaints)  # nor is it said all the time
    frame, _ = read(("g/NBIRTH/e", BIRTH), ("g/NDATA/e", payload(NOW_MS, 1, metric(None, 9.0, alias=1))), nodes=nodes)
    assert names(frame) == [("g/e/oxygen", 1.5), ("g/e/oxygen", 9.0)]


def test_numbers_of_messages_go_round_and_one_that_comes_again_is_no_gap() -> None:
    sent = [("g/NBIRTH/e", BIRTH)]
    sent += [("g/NDATA/e", payload(NOW_MS + n, n % 256, metric(None, float(n), alias=1))) for n in range(1, 600)]
    frame, nodes = read(*sent, sent[-1])
    assert len(frame.observations) == 601
    assert frame.complaints == ()
    rows = Rows(NOW_US, "message")
    nodes.read("spBv1.0/g/NDATA/e", sent[-3][1], rows, again=True)
    assert (len(rows), list(nodes.requests())) == (1, [])


def test_a_death_makes_missing_not_zero_and_one_told_late_changes_nothing() -> None:
    data = ("g/NDATA/e", payload(NOW_MS, 1, metric(None, 9.0, alias=1)))
    for number, taken in ((4, {"no_series": 1}), (3, {})):
        death = ("g/NDEATH/e", payload(NOW_MS, None, metric(INT64, number, name="bdSeq")))
        frame, _ = read(("g/NBIRTH/e", BIRTH), death, data)
        assert frame.rejected == taken
        assert 0.0 not in [value for _, value in names(frame)]
    gone = ("g/DDEATH/e/d", payload(NOW_MS, 2))
    after = ("g/DDATA/e/d", payload(NOW_MS, 3, metric(None, 9.0, alias=2)))
    frame, nodes = read(("g/NBIRTH/e", BIRTH), ("g/DBIRTH/e/d", DEVICE), gone, after)
    assert frame.rejected == {"no_series": 1}
    assert len(list(nodes.requests())) == 1


def test_a_whole_number_without_its_type_is_not_guessed() -> None:
    frame, nodes = read(("g/NDATA/e", payload(NOW_MS, 5, metric(None, None, name="t"), _int_without_type())))
    assert frame.rejected == {"no_series": 1}
    assert len(list(nodes.requests())) == 1


def _int_without_type() -> Any:
    found = metric(INT32, -1, name="t")
    found.ClearField("datatype")
    return found


def test_after_a_restart_aliases_are_known_from_the_cursor() -> None:
    _, nodes = read(("g/NBIRTH/e", BIRTH), ("g/DBIRTH/e/d", DEVICE))
    again = Nodes(None, (), through_json(nodes.to_json()))
    frame, _ = read(("g/DDATA/e/d", payload(NOW_MS, 2, metric(None, 9.0, alias=2))), nodes=again)
    assert names(frame) == [("g/e/d/air/ph", 9.0)]
    many = payload(NOW_MS, 0, *(metric(DOUBLE, 1.0, name=f"m{n}", alias=n) for n in range(2_000)))
    _, large = read(("g/NBIRTH/e", many))
    assert large.to_json() == {}  # it is asked again: a cursor is written with every frame


@given(
    st.binary(max_size=60) | st.builds(lambda cut: BIRTH[:cut], st.integers(0, len(BIRTH))),
    st.sampled_from(["g/NBIRTH/e", "g/DDATA/e/d", "g/NDEATH/e", "STATE/h", "g/XDATA/e", "g/DDATA/e", "g/NDATA/e/d/x"]),
)
def test_any_payload_is_an_observation_or_counted_or_no_data(body: bytes, topic: str) -> None:
    frame, nodes = read(("g/NBIRTH/e", BIRTH), (topic, body), ("g/NBIRTH/e", BIRTH))
    assert names(frame).count(("g/e/oxygen", 1.5)) >= 2
    through_json(nodes.to_json())


@pytest.mark.slow
def test_a_node_at_a_real_broker_is_asked_to_be_born_again(tool: Callable[[str], str], tmp_path: Path) -> None:
    broker = Broker(tool("mosquitto"), tmp_path)
    node = EdgeNode(broker.port, NOW_MS)
    keys = {"url": broker.url, "topics": ["spBv1.0/plant/#"], "payload": "sparkplug"}
    try:
        node.birth()  # nobody is there yet
        heard = Listening(**keys)
        node.data(1.0)
        wait_for(lambda: node.births == 2, PATIENCE, "the rebirth that the first alias asks for")
        wait_for(lambda: ("plant/pump/probe/t", -3.0) in _names(heard), PATIENCE, "the birth")
        node.data(2.0)
        wait_for(lambda: ("plant/pump/probe/ph", 2.0) in _names(heard), PATIENCE, "data by alias")
        assert ("plant/pump/probe/ph", 1.0) not in _names(heard)
        heard.source.acknowledge(heard.frames[-1].cursor)
        heard.source.close()
        node.data(3.0)  # the broker keeps it, since it was published with QoS 1
        again = Listening(heard.frames[-1].cursor, **keys)
        wait_for(lambda: ("plant/pump/probe/ph", 3.0) in _names(again), PATIENCE, "what came while nobody was there")
        again.source.close()
        assert node.births == 2
        assert messages(**keys).listen(0.2).observations.is_empty()
    finally:
        node.close()
        broker.stop()


def _names(heard: Listening) -> list[tuple[str, float]]:
    return [(name, value) for frame in list(heard.frames) for name, _, value in told(frame)]
