"""The pages of alarms, over a real server."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from math import nan
from pathlib import Path
from threading import Event, Thread

import httpx
import pytest

from sentinel.commands.explain import known_alarms
from sentinel.domain.errors import StateError
from tests.runtime.rig import CHOSEN, Rig, Sink, frame

SITES = CHOSEN | {"sites": [{"name": "lake", "match": "s*", "k": 2}]}


@pytest.mark.slow
def test_every_alarm_is_listed_open_ones_first_and_has_a_page_with_its_receipt(client, daemon, tmp_path: Path) -> None:
    rig = Rig(tmp_path, SITES, out=Sink())
    rig.feed(frame(0, 230))
    daemon.events, daemon.snapshot = rig.engine.events, rig.engine.snapshot
    raised = [event for event in daemon.events if event["what"] == "raised"]
    cleared = {event["alarm_id"] for event in daemon.events if event["what"] == "cleared"}
    assert cleared
    assert len(cleared) < len(raised)
    page = client.get("/alarms").text
    assert all(f"/alarms/{event['alarm_id']}" in page for event in raised)
    assert page.index("<td>open</td>") < page.index("<td>ended ")
    assert page.rindex("<td>open</td>") < page.index("<td>ended ")
    for event in raised:
        text = client.get(f"/alarms/{event['alarm_id']}").text
        assert ("ended" not in text) == (event["alarm_id"] not in cleared)
        assert f"sentinel replay {event['alarm_id']} --state /var/lib/sentinel" in text
        assert event["settings"] in text
        if event["series"] != "lake":
            assert "calibrated" in text
            assert f'href="/series/{event["series"]}"' in text


def test_after_a_jump_an_alarm_says_no_recovery_time(client, daemon, tmp_path: Path) -> None:
    rig = Rig(tmp_path, out=Sink())
    rig.feed(frame(0, 230))
    raised = next(event for event in rig.engine.events if event["what"] == "raised")
    raised |= {"recovery_seconds": 9e6, "recovery_low_seconds": 9e6, "recovery_high_seconds": None, "text": ""}
    for remarks, is_unknown in (([], False), (["noise"], False), (["one_sided"], True)):
        daemon.events = [event := raised | {"remarks": remarks}]
        text = client.get(f"/alarms/{event['alarm_id']}").text
        assert ("unknown: it may have shifted" in text) == is_unknown
        assert re.search(r"(?:; or|the state:) <code>sentinel explain", text), "with a space between"


@pytest.mark.slow
def test_alarms_lead_to_their_series_under_its_present_name_and_to_none_that_is_retired(
    client, daemon, tmp_path: Path
) -> None:
    # Bug: once it was renamed, the alarm led to a page that is none, and the page of the series had no events.
    rig = Rig(tmp_path, out=Sink())
    rig.feed(frame(0, 230))
    rig.engine.ask({"action": "renamed", "series": "s0", "to": "north"})
    rig.engine.ask({"action": "retired", "series": "s1"})
    rig.feed()
    daemon.events, daemon.snapshot = rig.engine.events, rig.engine.snapshot
    alarms = {event["series"]: event["alarm_id"] for event in daemon.events if event["what"] == "raised"}
    page = client.get(f"/alarms/{alarms['s0']}").text
    assert 'href="/series/north"' in page
    assert "raised as s0" in page
    assert "How it came" in page
    assert "<h1>north" in client.get("/series/s0").text, "links in messages that were sent hold"
    assert client.get("/download/s0").status_code == 200
    assert "<h1>north" in client.get(f"/alarms/{alarms['s0']}/explanation").text
    assert f"/alarms/{alarms['s0']}" in client.get("/series/north").text
    assert client.get("/api/v1/spectrogram/north").json()["events"]
    assert ">north</a>" in client.get("/alarms").text
    assert "/series/" not in client.get(f"/alarms/{alarms['s1']}").text.partition("<main")[2]


def test_bug_a_site_that_is_called_as_a_series_was_had_its_alarms_under_the_new_name_of_that(
    client, daemon, tmp_path: Path
) -> None:
    rig = Rig(tmp_path, CHOSEN | {"sites": [{"name": "s0", "match": "s*", "k": 2}]}, out=Sink())
    rig.feed(frame(0, 130))
    (site,) = (event["alarm_id"] for event in rig.engine.events if "members" in event)
    rig.engine.ask({"action": "renamed", "series": "s0", "to": "pond"})
    rig.engine.ask({"action": "acknowledged", "alarm_id": site})
    rig.feed()
    daemon.events, daemon.snapshot = rig.engine.events, rig.engine.snapshot
    page = client.get(f"/alarms/{site}").text
    assert "<h1>s0</h1>" in page
    assert "<figure" not in page
    assert f'href="/alarms/{site}">s0</a>' in client.get("/alarms").text
    assert f"/alarms/{site}" not in client.get("/series/pond").text
    marks = client.get("/api/v1/spectrogram/pond").json()["events"]
    assert marks
    assert site not in {mark["alarm_id"] for mark in marks}
    assert [one.renamed for one in known_alarms(rig.journal) if one.raised["alarm_id"] == site] == [()]


def test_a_restart_keeps_the_list(tmp_path: Path) -> None:
    first = Rig(tmp_path)
    first.feed(frame(0, 230))
    shown = first.engine.events
    first.journal.close()
    assert shown
    assert [event["id"] for event in Rig(tmp_path).engine.events] == [event["id"] for event in shown]


@pytest.mark.slow
def test_a_receipt_is_downloaded_with_the_event_that_raised_the_alarm(client, daemon, tmp_path: Path) -> None:
    rig = Rig(tmp_path, SITES, out=Sink())
    rig.feed(frame(0, 230))
    daemon.events = rig.engine.events
    for raised in (event for event in daemon.events if event["what"] == "raised"):
        page = client.get(f"/alarms/{raised['alarm_id']}").text
        address = re.search(r'href="(/api/v1/alarms/[^"]+)" download', page)[1]
        receipt = client.get(address).json()
        assert receipt["events"]["raised"] == json.loads(json.dumps(raised))
        assert receipt["receipt"]["null hypothesis"]
    assert client.get("/api/v1/alarms/nothing").status_code == 404


def test_an_alarm_of_a_series_that_learns_its_cadence_again_has_a_page_without_a_picture(client, daemon) -> None:
    name = "lake/loaded"
    rule = {"rule": "lag1", "label": "0.8", "kind": "lag1", "side": "above", "relative": False, "threshold": 0.8}
    event = rule | {
        "what": "raised", "alarm_id": "x", "series": name, "time_us": daemon.snapshot.taken_us, "severity": "warning",
        "text": "It is so.", "alpha": 1e-4, "evidence": 0.1, "settings": "abc", "cadence_seconds": 3600.0,
    }  # fmt: skip
    daemon.events = [event]
    assert "<figure" in client.get("/alarms/x").text
    fresh = replace(daemon.snapshot.view("lake/fresh"), name=name, half_life_ticks=nan)
    daemon.snapshot = replace(daemon.snapshot, series={name: fresh})
    answer = client.get("/alarms/x")
    assert (answer.status_code, "<figure" in answer.text) == (200, False)


def test_without_alarms_the_list_says_so_and_an_unknown_alarm_is_404(client) -> None:
    assert "No alarm has been raised." in client.get("/alarms").text
    answer = client.get("/alarms/nothing")
    assert answer.status_code == 404
    assert "sentinel explain" in answer.text


def test_an_alarm_is_explained_on_a_page_one_at_a_time(client, daemon, tmp_path: Path) -> None:
    rig = Rig(tmp_path, out=Sink())
    rig.feed(frame(0, 230))
    daemon.events = rig.engine.events
    alarm = daemon.events[0]["alarm_id"]
    assert f'href="/alarms/{alarm}/explanation"' in client.get(f"/alarms/{alarm}").text
    assert f"&lt;b&gt;why&lt;/b&gt; {alarm}" in client.get(f"/alarms/{alarm}/explanation").text
    assert client.get("/alarms/nope/explanation").status_code == 404
    begun, end = Event(), Event()

    def explain(_: str) -> str:
        begun.set()
        end.wait(10)
        raise StateError("the journal is damaged")

    daemon.explain = explain
    answers: list[httpx.Response] = []
    path = f"{client.base_url}/alarms/{alarm}/explanation"
    other = Thread(target=lambda: answers.append(httpx.get(path, verify=False)))
    other.start()
    assert begun.wait(10)
    assert client.get(f"/alarms/{alarm}/explanation").status_code == 503
    end.set()
    other.join(10)
    assert answers[0].status_code == 503
    assert "the journal is damaged" in answers[0].text
    daemon.explain = str
    assert client.get(f"/alarms/{alarm}/explanation").status_code == 200, "the next one may be explained"
