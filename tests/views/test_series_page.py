"""The page of a series: its history with events, its counterpart, and its observations as a file."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import polars as pl

from sentinel.domain.observation import OBSERVATIONS, Frame
from sentinel.journal import Journal
from tests.views.reading import words_of


def test_the_history_of_a_series_has_its_values_its_last_ticks_and_its_events(client, daemon, snapshot) -> None:
    raised = {
        "id": "a/raised",
        "what": "raised",
        "series": "lake/loaded",
        "time_us": 7,
        "alarm_id": "a",
        "text": "It is so.",
    }
    daemon.events = [raised, {**raised, "series": "elnino"}]
    data = client.get("/api/v1/spectrogram/lake/loaded").json()
    whole, *recent = snapshot.pictures("lake/loaded")
    assert len(data["value_low"]) == len(data["state"]) == len(whole.time_us)
    assert [part["time_us"] for part in data["recent"]] == [picture.time_us.tolist() for picture in recent]
    assert None in data["value_low"], "a gap has no value"
    np.testing.assert_allclose(
        [v for v in data["value_high"] if v], whole.value_high[~np.isnan(whole.value_high)], 1e-7
    )
    assert data["counterpart"] == "lake/control"
    assert [event["alarm_id"] for event in data["events"]] == ["a"]
    page = client.get("/series/lake/loaded").text
    assert "It is so." in words_of(page)
    assert 'href="/series/lake/control">Its counterpart' in page


def test_the_observations_of_a_series_are_downloaded_as_the_journal_has_them(client, daemon, tmp_path: Path) -> None:
    series = "lake/loaded"
    table = pl.DataFrame([(series, 0, 1.5), ("elnino", 1, 3.0), (series, 2, -2.25)], schema=OBSERVATIONS, orient="row")
    with Journal.open(tmp_path) as journal:
        journal.commit(Frame("buoy", table, {}), 5_000_000)
        daemon.observations = lambda name: nullcontext(journal.observations(name))
        answer = client.get(f"/download/{series}")
        assert answer.headers["content-disposition"] == 'attachment; filename="lake-loaded.csv"'
        assert answer.text.splitlines() == [
            "time,series,value,source,arrived,batch",
            "1970-01-01T00:00:00Z,lake/loaded,1.5,buoy,1970-01-01T00:00:05Z,1",
            "1970-01-01T00:00:00.000002Z,lake/loaded,-2.25,buoy,1970-01-01T00:00:05Z,1",
        ]
        parquet = pl.read_parquet(client.get(f"/download/{series}?format=parquet").content)
        assert parquet["value"].to_list() == [1.5, -2.25]
        assert client.get(f"/download/{series}?format=xls").status_code == 400
        assert client.get("/download/nobody").status_code == 404
        assert client.get("/download/lake/control").text.count("\n") == 1, "no observation: the names of the columns"
