"""Labels at the doors: two hosts with the same names are two series, and what was named before keeps its name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.config import Settings
from sentinel.domain.labels import read_key
from sentinel.domain.observation import Frame
from sentinel.sources import PullSource, Source
from sentinel.sources.bodies import read_lines
from sentinel.sources.labels import Names
from sentinel.sources.rows import Rows
from tests.sources.following import csv_source, follow
from tests.sources.test_contract import prometheus, sqlite
from tests.sources.test_mqtt_source import Given, read, told

LAKES = 'lake,time,ph\npeter,2020-01-01,8\n"p""a,ul",2020-01-01,9\n'


def series(frames: Iterable[Frame]) -> set[str]:
    return {name for frame in frames for name in frame.names()}


def keys_of(source: Source) -> set[str]:
    assert isinstance(source, PullSource)
    return series(follow(source)[0])


def test_columns_that_split_a_table_are_labels_where_they_are_kept(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(LAKES)
    assert keys_of(csv_source(tmp_path, by=("lake",))) == {"peter/ph", 'p"a,ul/ph'}
    labelled = keys_of(csv_source(tmp_path, by=("lake",), keep_labels=True, labels={"site": "north"}))
    assert {read_key(key).labels["lake"] for key in labelled} == {"peter", 'p"a,ul'}
    assert 'ph{lake="peter",site="north"}' in labelled


def test_files_of_a_folder_are_told_apart_by_their_names(tmp_path: Path) -> None:
    for host in ("a", "b"):
        (tmp_path / f"{host}.csv").write_text("time,cpu\n2020-01-01T00:00Z,1\n2020-01-01T00:01Z,2\n")
    source = csv_source(tmp_path, labels={"host": "{file}", "site": "north"})
    keys = {'cpu{host="a",site="north"}', 'cpu{host="b",site="north"}'}
    assert source.known_series() == source.present_series() == keys == keys_of(source)


def test_a_rotated_file_has_the_label_of_the_one_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.csv.1").write_text("time,cpu\n2020-01-01T00:00Z,1\n")
    (tmp_path / "a.csv").write_text("time,cpu\n2020-01-01T00:01Z,2\n")
    assert keys_of(csv_source(tmp_path / "a.csv", labels={"host": "{file}"})) == {'cpu{host="a"}'}


def test_a_counter_with_labels_is_found_by_its_column(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("lake,time,rain\n" + "".join(f"p,2020-01-{day:02},{day}\n" for day in range(1, 9)))
    source = csv_source(tmp_path, by=("lake",), keep_labels=True, transform=("rain=difference",))
    frames, _ = follow(source)
    assert series(frames) == {'rain{lake="p"}'}
    assert {value for frame in frames for value in frame.observations["value"]} == {1.0}


def test_a_database_gives_labels(tmp_path: Path) -> None:
    source = sqlite(tmp_path / "a.db", by=["series"], columns=["value"], keep_labels=True, labels={"site": "north"},
                    time_format="seconds")  # fmt: skip
    assert 'value{series="s1",site="north"}' in keys_of(source)


def test_prometheus_gives_its_label_sets(tmp_path: Path) -> None:
    keys = keys_of(prometheus(keep_labels=True, labels={"site": "north", "lake": "not this"}))
    assert keys == {'ph{lake="l0",site="north"}', 'ph{lake="l1",site="north"}'}
    assert keys_of(prometheus()) == {"ph/lake=l0", "ph/lake=l1"}


def test_tags_of_line_protocol_are_labels() -> None:
    rows = Rows(0)
    read_lines("cpu,host=a,zo\\ ne=x load=1 0\ncpu,host=b load=1 0\n", rows, Names(None, keep=True), 0)
    assert series([rows.frame("x", {}, 0)]) == {'cpu/load{host="a","zo ne"="x"}', 'cpu/load{host="b"}'}


def test_levels_of_a_topic_are_labels() -> None:
    frame = read(
        Given(b'{"ph": 8, "air": {"t": 1}}', "lakes/peter/north"), Given(b'{"ph": 9}', "lakes/paul/north", mid=2),
        values=["*"], series_name="{3}", labels={"lake": "{2}", "owner": "usgs"},
    )  # fmt: skip
    assert {name for name, *_ in told(frame)} == {
        'north/ph{lake="peter",owner="usgs"}', 'north/air.t{lake="peter",owner="usgs"}',
        'north/ph{lake="paul",owner="usgs"}',
    }  # fmt: skip


SETS = st.dictionaries(st.sampled_from(["__name__", "a", "b", "a b"]), st.text('a"{}=\\/', max_size=3), max_size=4)


@given(st.lists(SETS, max_size=6), st.sampled_from([None, "{__name__}", "{a}"]))
def test_two_label_sets_never_become_one_series(sets: list[dict[str, str]], template: str | None) -> None:
    names, owners = Names(template, keep=True), dict[str, dict[str, str]]()
    for labels in sets:
        plain = {key: text for key, text in labels.items() if text}
        key = names.name(labels)
        if key is not None:
            assert owners.setdefault(key, plain) == plain


def test_simulated_systems_that_differ_by_a_label_are_two_series() -> None:
    one = {"kind": "simulate", "system": "ar1", "series": "ph"}
    Settings(sources=[one | {"name": "a", "labels": {"lake": "x"}}, one | {"name": "b", "labels": {"lake": "y"}}])
    with pytest.raises(ValueError, match="each series has one source"):
        Settings(sources=[one | {"name": "a", "labels": {"lake": "x"}}, one | {"name": "b", "labels": {"lake": "x"}}])


def test_a_label_set_is_read_once_by_the_way_it_is_written_and_one_that_was_refused_stays_so() -> None:
    names, read = Names("{__name__}"), []

    def key_of(site: str) -> str | None:
        read.append(site)
        return names.name({"__name__": "ph", "site": site})

    for _ in range(2):
        assert names.recall("first", lambda: key_of("a")) == "ph"
        assert names.recall("second", lambda: key_of("b")) is None
    assert read == ["a", "b"]
