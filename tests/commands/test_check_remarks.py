"""What `sentinel check` remarks on: what cannot work with the files as they are now."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from sentinel.commands.check import remarks
from sentinel.commands.main import entry_point
from sentinel.config import Settings
from sentinel.sources import make_sources
from tests.fixtures import ManualClock

WIDE = "# of a buoy\n\ntime,ph,oxygen,note\n2024-01-01,7,9,calm\n"
DRILL = {"kind": "simulate", "name": "drill", "system": "lake"}


@pytest.fixture
def wide(tmp_path: Path) -> dict[str, Any]:
    """A source with the series ph and oxygen; note may be one."""
    (tmp_path / "lake.csv").write_text(WIDE)
    return {"kind": "csv", "name": "lake", "path": str(tmp_path / "lake.csv")}


def remarked(*sources: dict[str, Any], **more: Any) -> list[str]:
    settings = Settings.model_validate({"sources": sources, **more})
    return list(remarks(settings, make_sources(settings.sources, ManualClock(0))))


def test_a_file_that_is_not_there_is_a_remark_not_a_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "lake.yaml"
    file.write_text(f"sources: [{{kind: csv, name: lake, path: {tmp_path}/none.csv}}]\n")
    assert entry_point(["check", str(file)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"remark: source lake: {tmp_path}/none.csv is not there now; it is read as soon as it is"


@pytest.mark.parametrize("probe", [[], ["--probe"]])
@pytest.mark.parametrize("behind", ["", "?k=s3cret"])
def test_no_address_is_printed_with_the_keys_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], probe: list[str], behind: str
) -> None:
    """Bug: `check` printed addresses as they were written, a fault in one and `--probe` did as well."""
    file, at = tmp_path / "lake.yaml", "http://s3cret@127.0.0.1:1/x;key=s3cret"
    file.write_text(
        f"sources:\n- {{kind: http, name: a, url: '{at}{behind}'}}\n"
        f"- {{kind: prometheus, name: b, url: '{at}', queries: [up]}}\n"
        f"notify:\n- {{kind: alertmanager, url: 'http://127.0.0.1:1/x;key=s3cret?k=s3cret'}}\n"
    )
    code = entry_point(["check", *probe, str(file)])
    said = capsys.readouterr()
    assert code == (78 if behind else 75 if probe else 0)
    assert "127.0.0.1:1/x;key=***" in said.out + said.err
    assert "s3cret" not in said.out + said.err


def test_a_file_that_cannot_be_looked_at_is_a_remark_too(tmp_path: Path) -> None:
    # As one in a folder that this user may not enter; it was a traceback.
    path = tmp_path / ("a" * 300)
    (line,) = remarked({"kind": "csv", "name": "lake", "path": str(path)}, series=[{"match": "ph"}])
    assert line == f"source lake: {path} cannot be read now: File name too long; it is read as soon as it can be"


def test_a_folder_without_a_table_is_remarked_on(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    (line,) = remarked({"kind": "csv", "name": "lake", "path": str(tmp_path)})
    assert (
        line == f"source lake: no *.csv, *.parquet, *.ndjson or *.nc is in {tmp_path} now; they are read as they come"
    )


def test_what_matches_no_column_and_no_system_is_remarked_on(wide: dict[str, Any]) -> None:
    lines = remarked(
        wide, DRILL,
        series=[{"match": "salt*"}, {"match": "ph", "reference": "oxygen"}],
        alarms=[{"match": m, "threshold": 0.8, "alpha": 1e-4} for m in ("temperature", "oxy*", "ph - oxygen", "drill")],
        sites=[{"name": "a", "match": "ph*", "k": 2}, {"name": "b", "match": "[po]*", "k": 2}],
    )  # fmt: skip
    assert lines == [
        "series salt*: matches none of the series that the sources have now (drill, note, oxygen, ph)",
        "rule temperature: matches none of the series that the sources have now (drill, note, oxygen, ph)",
        "site a: 1 series matches 'ph*', 2 are needed; it can never alarm",
    ]


def test_nothing_is_remarked_on_where_the_names_are_in_the_rows(wide: dict[str, Any], tmp_path: Path) -> None:
    rule = {"alarms": [{"match": "nothing", "threshold": 0.8, "alpha": 1e-4}]}
    assert remarked(wide, **rule)
    assert remarked(wide | {"columns": ["ph"]}, **rule)
    assert not remarked(wide | {"by": ["note"]}, **rule)
    assert not remarked(wide | {"layout": "long"}, **rule)
    assert not remarked(wide | {"format": "ndjson"}, **rule)
    (tmp_path / "long.csv").write_text("time,series,value\n2024-01-01,nothing,1\n")
    assert not remarked(wide | {"path": str(tmp_path / "long.csv")}, **rule)
    assert not remarked(wide | {"path": str(tmp_path)}, **rule), "one of the two files is long"


@pytest.mark.parametrize("layout", ["wide", "long"])
def test_bug_nobody_said_which_pattern_would_fit_series_with_labels(tmp_path: Path, layout: str) -> None:
    long = "time,series,value\n2024-01-01,s0,7\n2024-01-01,s1,8\n"
    (tmp_path / "lake.csv").write_text("time,s0,s1\n2024-01-01,7,8\n" if layout == "wide" else long)
    source = {"kind": "csv", "name": "lake", "path": str(tmp_path / "lake.csv"), "layout": layout}

    def said(match: Any, labels: dict[str, str]) -> list[str]:
        rule = {"match": match, "threshold": 0.8, "alpha": 1e-4}
        return remarked(source | {"labels": labels}, alarms=[rule])

    (line,) = said("s[01]", {"site": "north"})
    assert line.startswith("rule s[01]: matches none of the series that the sources have now (s0{site=")
    assert line.endswith("match: 's[01]{}' or {__name__: 's[01]', site: 'north'} would fit")
    for match in ("s[01]{}", {"__name__": "s[01]", "site": "north"}):
        assert said(match, {"site": "north"}) == []
    assert said("s[01]", {}) == []


@pytest.mark.parametrize("raw", [b"", b"\n", b"\xff\xfe\x00t", b'"time,ph\n'], ids=repr)
def test_a_header_that_cannot_be_read_is_left_to_the_source(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "odd.csv").write_bytes(raw)
    remarked({"kind": "csv", "name": "odd", "path": str(tmp_path / "odd.csv")})


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    assert not remarked({"kind": "csv", "name": "pipe", "path": str(tmp_path / "pipe.csv")})


def test_a_site_of_one_name_cannot_have_two_series_whatever_comes() -> None:
    (line,) = remarked(sites=[{"name": "a", "match": "ph", "k": 2}, {"name": "b", "match": "ph*", "k": 2}])
    assert line == "site a: 1 series matches 'ph', 2 are needed; it can never alarm"


def test_the_false_alarms_to_expect_are_those_of_the_plans(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    # Bug: a rule of kind rise counted with .1 per tick, where its plan, and so the page, counts with .013.
    (tmp_path / "lake.csv").write_text("time,a,b\n2024-01-01,7,9\n")
    source = {"kind": "csv", "name": "lake", "path": str(tmp_path / "lake.csv")}
    series = [{"match": "a", "counterpart": "b", "cadence": "1d", "bank": "lake"}, {"match": "b", "cadence": "1d"}]
    file = tmp_path / "lake.yaml"
    banks, alarms = {"lake": {"preset": "lake"}}, [{"match": "a - b", "kind": "rise"}]
    file.write_text(json.dumps({"sources": [source], "series": series, "banks": banks, "alarms": alarms}))
    assert entry_point(["check", str(file)]) == 0
    assert "false alarms to expect, at most: 0.013 warning a day of the 2 series" in capsys.readouterr().out


def test_two_sources_with_equal_columns_are_said_before_the_start(wide: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "pond.csv").write_text("time,ph\n2024-01-01,7\n")
    pond = {"kind": "csv", "name": "pond", "path": str(tmp_path / "pond.csv")}
    (line,) = remarked(wide, pond)
    assert line.startswith("sources lake and pond both have ph; each series has one source, so pond is refused")
    assert line.endswith('give one of them a prefix, such as prefix: "pond/"')
    assert remarked(wide, pond | {"prefix": "pond/"}) == []


def test_secrets_and_programs_that_a_receiver_lacks_are_named(tmp_path: Path) -> None:
    """Nothing was said until the first alarm could not be sent."""
    secret, program = tmp_path / "secret", tmp_path / "program"
    receivers = [
        {"kind": "webhook", "name": "hook", "url": "http://h/", "secret_file": str(secret)},
        {"kind": "webhook", "name": "chat", "url_file": str(secret)},
        {"kind": "exec", "name": "run", "command": [str(program)]},
    ]
    lines = remarked(DRILL, notify=receivers)
    assert [line.split(": ")[:2] for line in lines] == [
        ["notify hook", "secret_file"], ["notify chat", "url_file"], ["notify run", "command"],
    ]  # fmt: skip
    secret.write_text("s3cret\n")
    program.touch(0o755)
    assert remarked(DRILL, notify=receivers) == []


def test_a_page_that_everybody_can_read_is_remarked_on_and_so_is_a_web_file_that_cannot_be_used(tmp_path: Path) -> None:
    (line,) = remarked(web={"listen": "0.0.0.0:9814"})
    assert "0.0.0.0:9814" in line
    assert "config_file" in line
    assert remarked(web={"listen": "127.0.0.1:9814"}) == []
    path = tmp_path / "web.yaml"
    path.write_text("tls_server_config: {cert_file: none.crt, key_file: none.key}\n")
    (line,) = remarked(web={"listen": "0.0.0.0:9814", "config_file": str(path)})
    assert line.startswith(f"web: {path}: tls_server_config.cert_file and key_file: {tmp_path}/none.crt: No such file")


def test_checks_that_cannot_act_on_a_cadence_that_may_be_learnt_are_named(tmp_path: Path, capsys) -> None:
    file = tmp_path / "lake.yaml"
    file.write_text(
        "sources: [{kind: simulate, name: lake, system: lake}]\n"
        "series: [{match: '*', checks: {flat_line: {fail: 30m}, gap: {fail: 12w}}}]\n"
    )
    assert entry_point(["check", str(file)]) == 0
    said = [line.strip() for line in capsys.readouterr().out.splitlines() if "cannot act" in line]
    assert any(line.startswith("check flat_line fail") and "30m is shorter than a tick" in line for line in said)
    assert not any("gap" in line for line in said)
