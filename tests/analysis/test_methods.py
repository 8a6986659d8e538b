"""The methods paragraph says what was done; theorem and calibration are kept apart; all citations are the same."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
import yaml

import sentinel
from sentinel.analysis.methods import AUTHORS, LICENSE, TITLE, cite, cite_bibtex, list_methods
from sentinel.analysis.record import list_choices
from sentinel.commands.cite import describe_methods
from sentinel.commands.main import entry_point
from sentinel.config import Settings
from tests.analysis.lakes import lakes


def paragraph(conditioning: bool = True, **written: object) -> str:
    settings = Settings.model_validate({"series": [{"cadence": "1d", "season": ["1y"]}]} | written)
    (found,) = describe_methods(settings, "ph", conditioning=conditioning)
    return found


def test_it_names_version_tick_season_half_lives_scale_and_budget():
    said = paragraph(banks={"default": {"half_life": "50 ticks", "level_half_life": "20 ticks"}})
    for words in (
        f"sentinel {sentinel.__version__}", "One tick is 1 day", "half-life 20 ticks", "the season of 1y",
        "scale (half-life 40 ticks)", "half-life of 50 ticks", "slower than it was (critical), alpha 0.0001 per tick",
        "a bank of 16 null detectors",
    ):  # fmt: skip
        assert words in said


def test_what_is_proved_and_what_is_calibrated_is_said_of_the_rules_in_force_and_of_no_other():
    slower = paragraph()
    assert "calibrated by simulation and is not proved" in slower
    assert "theorem" not in slower
    threshold = paragraph(alarms=[{"threshold": 0.8, "alpha": 1e-4}])
    assert "it is a theorem" in threshold
    assert "with level, trend, season and scale estimated, as here, that was calibrated by simulation" in threshold
    assert "not proved" not in threshold
    residuals = paragraph(conditioning=False, alarms=[{"threshold": 0.8, "alpha": 1e-4}])
    assert "Values were taken as residuals" in residuals
    assert "as here" not in residuals
    assert "No alarm rule was in force." in paragraph(alarms=[])
    assert "has no budget" in paragraph(alarms=[{"kind": "rise"}])


def test_series_with_other_settings_have_a_paragraph_of_their_own():
    table = lakes(300)
    found = sentinel.analyse(table, config={"series": [{"match": "control", "season": ["1d"]}]})
    records = list(found._records.values())
    both = list_methods(records, list_choices(records))
    assert len(both) == 2
    assert {text.split(" were analysed")[0] for text in both} == {"1 series (loaded)", "1 series (control)"}


def test_the_report_has_the_paragraph_and_the_citation(tmp_path):
    page = sentinel.analyse(lakes(300)).report(tmp_path / "x.html").read_text(encoding="utf-8")
    assert "<blockquote>Series were analysed with sentinel" in page
    assert "@software{sentinel," in page


def test_the_file_of_the_citation_says_the_same():
    cff = yaml.safe_load((Path(__file__).parents[2] / "CITATION.cff").read_text(encoding="utf-8"))
    assert (cff["version"], cff["title"], cff["license"]) == (sentinel.__version__, TITLE, LICENSE)
    assert [author["name"] for author in cff["authors"]] == [AUTHORS]
    assert cff["cff-version"] == "1.2.0"


def test_cite_prints_the_line_the_entry_and_the_paragraph(capsys):
    assert entry_point(["cite"]) == 0
    assert capsys.readouterr().out == cite() + "\n"
    assert entry_point(["cite", "--bibtex"]) == 0
    assert capsys.readouterr().out == cite_bibtex() + "\n"
    assert entry_point(["cite", "--methods", "--cadence", "1d", "--season", "1y"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Series were analysed with sentinel")
    assert "the season of 1y" in said
    assert "Shin, J., Ramdas, A. & Rinaldo, A. (2023)" in said
    assert entry_point(["cite", "--methods"]) == 2
    assert "--cadence is needed" in capsys.readouterr().err


@pytest.mark.parametrize(
    "ending", [pytest.param("pdf", marks=pytest.mark.slow), "svg", pytest.param("png", marks=pytest.mark.slow)]
)
def test_backtest_writes_pictures_and_readings_as_text_on_request(tmp_path, ending):
    table = lakes(220).rename({"loaded": "peter/ph", "control": "peter ph"})
    table.write_csv(tmp_path / "t.csv")
    more = ["--picture", ending, "--readings", "csv", "--size", "7x6", "--font-size", "7", "--label", "value=pH"]
    out = tmp_path / "out"
    assert entry_point(["backtest", str(tmp_path / "t.csv"), "--out", str(out), "--quiet", *more]) == 0
    assert sorted(path.name for path in (out / "pictures").iterdir()) == [f"peter_ph-1.{ending}", f"peter_ph.{ending}"]
    text = (out / "readings.csv").read_text(encoding="utf-8").splitlines()
    assert len(text) == 441
    assert text[0].split(",")[:3] == ["series", "time", "value"]
    if ending == "svg":
        assert ">pH<" in (out / "pictures" / "peter_ph.svg").read_text(encoding="utf-8")


def test_the_look_of_a_picture_is_refused_in_the_words_of_the_command_line(tmp_path, capsys):
    lakes(60).write_csv(tmp_path / "t.csv")
    for more, words in (
        (["--size", "7"], "'7'; width and height in inches are allowed, such as 7x5"),
        (["--label", "ph"], "'ph'; an axis and its name are allowed"),
        (["--label", "ph=pH"], "--label 'ph': no such axis; there are value, residual"),
        (["--size", "1x1"], "--size 1 x 1: too small for letters of 8.5 points"),
    ):
        with pytest.raises(SystemExit) if "such as" in words or "and its name" in words else nullcontext():
            assert entry_point(["plot", str(tmp_path / "t.csv"), "--out", str(tmp_path / "x.pdf"), *more]) == 2
        assert words in capsys.readouterr().err
