"""The report: its sentences claim no more than is known, its page stands alone."""

from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import sentinel
from sentinel.analysis.intake import Intake, SortedObservations
from sentinel.analysis.pictures import HEADINGS, PagePicture
from sentinel.analysis.record import SeriesRecord, describe, list_choices, rank
from sentinel.analysis.report import Report, rank_fleet, write_report
from sentinel.config import Settings
from sentinel.domain.channels import UNKNOWN, Estimates
from sentinel.domain.events import AlarmEvent
from sentinel.domain.observation import CalendarAxis, NumberAxis
from sentinel.domain.spans import Cadence
from sentinel.domain.states import Reason, State
from sentinel.pipeline.plan import plan_for

DAY = 86_400_000_000
JULY_1 = 1_561_939_200_000_000
PLAN = plan_for(Settings(), "x", Cadence.parse("1d"))
THRESHOLDS = (-0.95, 0.0, 0.99)
INTAKE = Intake(pl.LazyFrame(), numbered=False, left_out={}, complaints=[], left_columns=[])
PICTURE = PagePicture('<svg viewBox="0 0 2 1"></svg>', [["2019-07-02", "1.5", "0.86", "0.86", "1", "-1.0", "watching"]])
EVIL = '<script>alert("x")</script> & ü'


def raised(series: str, days: int, threshold: float = 0.8) -> AlarmEvent:
    return AlarmEvent(
        id=f"{series}{days}/raised", alarm_id=f"{series}{days}", what="raised", series=series, source="backtest",
        rule="lag1", label=f"{threshold:g}", kind="lag1", side="above", relative=False, threshold=threshold,
        remarks=(), alpha=1e-4, severity="warning", time_us=JULY_1 + days * DAY, evidence=0.02, cadence_us=DAY,
        estimates=UNKNOWN._replace(lag1=0.86, lag1_low=0.79, lag1_high=0.91, modulus=0.86, spread=0.1),
    )  # fmt: skip


def record(**more: object) -> SeriesRecord:
    known = SeriesRecord(
        "peter/ph", CalendarAxis(), id=0, plan=PLAN, thresholds=THRESHOLDS, observations=200, ticks=200,
        first_us=JULY_1, last_us=JULY_1 + 200 * DAY, end_us=JULY_1 + 201 * DAY, state=State.WATCHING,
        reason=Reason.NONE, estimates=UNKNOWN._replace(lag1=0.86, lag1_low=0.79, lag1_high=0.91), max_evidence=-1.0,
    )  # fmt: skip
    estimates = {name: more.pop(name) for name in Estimates._fields if name in more}
    return replace(known, estimates=known.estimates._replace(**estimates), **more)


def learning_a_season(season: str) -> SeriesRecord:
    settings = Settings.model_validate({"series": [{"season": [season]}]})
    return record(
        plan=plan_for(settings, "x", Cadence.parse("1d")), state=State.LEARNING, lag1=math.nan, reason=Reason.WARM_UP
    )


def also(kind: str, threshold: float, label: str, **more: object) -> AlarmEvent:
    """An alarm on another channel, or of another rule, five days later."""
    return raised("peter/ph", 5)._replace(rule=kind, kind=kind, threshold=threshold, label=label, **more)


SLOW = record(state=State.WARNING, alarms=[(raised("peter/ph", 1), None)], max_evidence=0.3)
CASES = {
    "open": SLOW,
    "open, now blind": replace(SLOW, state=State.BLIND, reason=Reason.STUCK),
    "cleared": record(alarms=[(raised("x", 1), JULY_1 + 20 * DAY)], lag1=0.5, lag1_low=0.4, lag1_high=0.6),
    "cleared twice": record(alarms=[(raised("x", 1), JULY_1 + 2 * DAY), (raised("x", 5), JULY_1 + 9 * DAY)]),
    "two open": record(alarms=[(raised("x", 1), None), (also("spread", 1.5, "1.5x"), None)], spread=0.833),
    "oscillating": record(
        alarms=[(also("modulus", 0.9, "0.9"), None)],
        lag1=0.5, lag1_low=0.4, lag1_high=0.6, modulus=0.93, period=6.0,
    ),
    "alternating": record(
        alarms=[(also("lag1", -0.8, "below -0.8", side="below"), JULY_1 + 20 * DAY)],
        lag1=-0.9, lag1_low=-0.95, lag1_high=-0.8, modulus=0.9, period=2.0,
    ),
    "relative": record(alarms=[(also("lag1", 0.6249, "relative", relative=True), None)]),
    "open band": record(lag1=0.99, lag1_low=0.95, lag1_high=1.0),
    "negative": record(lag1=-0.3, lag1_low=-0.5, lag1_high=-0.1),
    "not ready": record(state=State.LEARNING, reason=Reason.WARM_UP, ticks=45, missing=5, lag1=math.nan),
    "a season longer than the record": learning_a_season("99y"),
    "a season seen once": learning_a_season("150d"),
    "a season seen twice": learning_a_season("95d"),
    "not ready again": record(state=State.LEARNING, reason=Reason.WARM_UP, gaps=1, lag1=math.nan),
    "no cadence": SeriesRecord("x", CalendarAxis(), observations=1),
    "numbers": replace(
        SLOW, axis=NumberAxis(1950.0, 0.25), plan=plan_for(Settings(), "x", Cadence.parse("1s")),
        alarms=[(raised("x", 0)._replace(time_us=40_500_000), None)],
    ),
}  # fmt: skip


def report_of(*records: SeriesRecord, **more: object) -> Report:
    known = Report(
        title="lakes.csv", inputs=["lakes.csv"], records=records, pictures={}, intake=INTAKE,
        observations=SortedObservations(rows=200), complaints=(), conditioning=True, sections=(), remarks={},
    )  # fmt: skip
    return replace(known, **more)


def page_of(report: Report, folder: Path) -> str:
    write_report(report, folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


class Page(HTMLParser):
    """Gathers what a page refers to and whether its elements are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.ids: set[str] = set()
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.references += [named[key] or "" for key in ("src", "href", "srcset", "action") if key in named]
        self.ids.update(filter(None, [named.get("id")]))
        if tag not in ("meta", "img", "br", "link", "wbr"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


def test_what_is_said_of_a_series_is_in_the_golden_words(golden):
    lines = (line for case, found in CASES.items() for line in (f"# {case}", describe(found), ""))
    golden("report-sentences.txt", "\n".join(lines))


@pytest.mark.parametrize(
    ("case", "said", "not_said"),
    [
        ("open", ["from 2019-07-02 on", "lag-1 now 0.86 (0.79 to 0.91)", "6.63 days"], ["no alarm", "baseline"]),
        ("open, now blind", ["from 2019-07-02 on", "blind at the end"], ["lag-1 now", "recovery"]),
        ("cleared", ["from 2019-07-02 to 2019-07-21", "no alarm: lag-1 0.50"], [" on;"]),
        ("cleared twice", ["from 2019-07-06 to 2019-07-10", "1 alarm before"], ["2019-07-02"]),
        ("two open", ["from 2019-07-02 on", "from 2019-07-06 on", "variance 2.3 ×"], []),
        ("oscillating", ["modulus 0.93", "period about 6 days", "13.8 days"], ["recovery time"]),
        ("alternating", ["modulus 0.90", "9.49 days"], ["period", "recovery time"]),
        ("relative", ["lag-1 0.62"], ["0.8 "]),
        ("open band", ["(above 0.95)", "at least 19.5 days"], ["1.0"]),
        ("negative", ["-0.30 (-0.50 to -0.10)"], ["recovery time"]),
        ("not ready", ["40 values; the first one needs 190 ", "70 with a rule"], ["lag-1", "season", "nan"]),
        ("a season longer than the record", ["72,510", "shorter than one of 99y"], ["lag-1"]),
        ("a season seen once", ["490", "shorter than two of 150d"], []),
        ("a season seen twice", ["380"], ["season"]),
        ("not ready again", ["80 ticks"], ["valid ticks", "nan"]),
        ("no cadence", ["two time stamps"], ["lag-1"]),
        ("numbers", ["from 1960.125 on", "1.66 units of time"], ["days"]),
    ],
)
def test_each_number_is_said_where_it_is_known_and_no_other(case, said, not_said):
    sentence = describe(CASES[case])
    assert [words for words in said if words not in sentence] == []
    assert [words for words in not_said if words in sentence] == []


def test_no_sentence_and_no_page_foretells(tmp_path):
    text = page_of(report_of(*CASES.values()), tmp_path)
    said = re.sub(r"<[^>]+>", " ", text) + " ".join(map(describe, CASES.values()))
    for claim in (r"\bwill tip\b", r"\bwill collapse\b", r"\bpredict", r"\bguarantee", r"\bimminent", r"\bsoon\b"):
        assert not re.search(claim, said, re.IGNORECASE)
    assert "It does not say that a change follows, nor when." in said
    assert "Proved: if each value, given its past" in said
    assert "Calibrated in simulations, not proved" in said


def test_the_page_needs_no_other_file_and_its_links_lead_somewhere(tmp_path):
    page = Page(page_of(report_of(SLOW, record(name="b", id=1), pictures={"peter/ph": PICTURE}), tmp_path))
    assert page.references == ["#series-0"]
    assert "series-0" in page.ids
    assert "url(" not in (tmp_path / "report.html").read_text()


def test_a_picture_is_given_in_numbers_too(tmp_path):
    text = page_of(report_of(SLOW, pictures={"peter/ph": PICTURE}), tmp_path)
    assert all(f'<th scope="col">{heading}</th>' for heading in HEADINGS)
    assert '<th scope="row" class="when">2019-07-02</th><td>1.5</td>' in text


def test_names_and_complaints_from_the_data_are_shown_not_executed(tmp_path):
    evil = record(name=EVIL, alarms=[(raised(EVIL, 1), None)], state=State.WARNING)
    text = page_of(report_of(evil, title=EVIL, complaints=(EVIL,), pictures={EVIL: PICTURE}), tmp_path)
    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 6
    Page(text)


def test_what_was_left_out_is_said(tmp_path):
    report = report_of(
        record(), observations=SortedObservations(rows=1434, duplicates=1234),
        intake=INTAKE._replace(left_out={"missing": 44, "infinite": 2}, left_columns=["station"]),
        complaints=("lakes.csv, row 3, column 'ph': 'inf' is not a finite number",), conditioning=False,
    )  # fmt: skip
    text = page_of(report, tmp_path)
    assert "44 missing, 2 infinite" in text
    assert "1,234 of a series and time that was there already; the first was kept" in text
    assert "station: not taken as series" in text
    assert "row 3, column" in text
    assert "taken as residuals already" in text
    quiet = page_of(report_of(record()), tmp_path)
    assert "<dt>values left out</dt><dd>none</dd>" in quiet
    assert "No alarm was raised." in quiet


def test_a_long_name_is_broken_where_a_person_would(tmp_path):
    text = page_of(report_of(record(name="peter/oxygen_saturation")), tmp_path)
    assert '<th scope="row">peter/<wbr>oxygen_<wbr>saturation</th>' in text


def test_on_a_narrow_screen_sentences_and_pictures_keep_a_width_that_can_be_read(tmp_path):
    # Bug: at 400 pixels the sentence of a series was a column of one word per line, cut off at the edge.
    text = page_of(report_of(record(name="peter/ph"), pictures={"peter/ph": PICTURE}), tmp_path)
    assert '<td class="words">' in text
    assert re.search(r"\.words \{ min-width: 1\drem; \}", text)
    assert re.search(r'<div class="picture"><svg [^>]*></svg></div>', text)
    assert re.search(r"\.picture \{ overflow-x: auto; \}", text)


def test_the_alarms_name_rule_budget_and_what_else_they_may_be(tmp_path):
    shift = raised("x", 1)._replace(remarks=("one_sided",))
    relative = also("lag1", 0.6249, "relative", relative=True)
    text = page_of(report_of(record(alarms=[(shift, None), (relative, None)])), tmp_path)
    assert "lag-1 above 0.8, warning, alpha 0.0001 per tick, 1 false alarm in 10,000 ticks" in text
    assert "It is one-sided: a level shift looks like this too." in text
    assert "lag-1 above its own past (then 0.62), warning" in text
    assert '<td class="number">10,500 of 10,000</td>' in text


def test_a_fleet_is_ranked_by_e_values_with_its_windows_and_only_a_fleet(tmp_path):
    known = [
        record(name=name, e_value=e, window_us=JULY_1, windows=1 if name == "a" else 2)
        for name, e in (("a", 0.2), ("b", 300.0), ("c", 4.0))
    ]
    unready = record(name="unready")
    standings = rank_fleet([*known, unready])
    assert [(one.name, one.rank, one.discovered) for _, one in standings] == [
        ("b", 1, True), ("c", 2, False), ("a", 3, False),
    ]  # fmt: skip
    text = page_of(report_of(*known, unready), tmp_path)
    assert "1 of 3 series stands out at a false discovery rate of 0.1 (e-BH)" in text
    assert text.count("two windows of 1,000 ticks, from 2019-07-01 on") == 2
    assert text.count("the first window of 1,000 ticks, from 2019-07-01 on") == 1
    assert "Fleet ranking" not in page_of(report_of(known[0], unready), tmp_path)


def test_series_are_ranked_by_evidence_open_alarms_first():
    low = record(name="low", max_evidence=-4.0)
    high = record(name="high", max_evidence=-0.5)
    unready = record(name="unready", max_evidence=math.nan, state=State.LEARNING)
    cleared = record(name="cleared", max_evidence=3.0, alarms=[(raised("cleared", 1), JULY_1)])
    assert [r.name for r in rank([unready, low, high, cleared, SLOW])] == [
        "peter/ph", "cleared", "high", "low", "unready",
    ]  # fmt: skip


def test_choices_are_named_once_for_all_series_that_share_them():
    monthly = plan_for(Settings(), "m", Cadence.parse("1mo"))
    months = record(name="m", plan=monthly)
    found = list_choices([record(name="a"), record(name="b"), months, CASES["no cadence"]])
    assert [(choice.cadence, choice.series) for choice in found] == [("1 day", ("a", "b")), ("1 month", ("m",))]
    assert dict(found[0].lines) == {
        "half-life": "40 ticks",
        "half-life of the level": "30 ticks",
        "first reading": "after 70 valid ticks",
        "first verdict": "after 190 valid ticks",
        "longest gap": "80 ticks; after a longer one the series starts anew",
        "season taken out": "none",
        "detectors": "3, thresholds -0.95 to 0.99",
        "alarm rule": "slower than it was (critical); alpha 0.0001 per tick, 1 false alarm in 10,000 ticks",
    }


def test_the_tiers_of_one_claim_are_said_once():
    """The sentence repeated the claim for each tier of the default rule, without saying which was which."""
    warning = also("slower", 0.5, "warning")
    critical = warning._replace(label="critical", severity="critical", time_us=warning.time_us + 9 * DAY)
    told = describe(record(state=State.CRITICAL, alarms=[(warning, None), (critical, None)]))
    since = "from 2019-07-06 on (warning) and from 2019-07-15 on (critical)"
    assert told.startswith(f"returned more slowly than in its own past {since}; ")


@pytest.mark.slow
def test_of_a_hundred_series_five_are_drawn_and_the_page_has_what_it_draws_the_others_from(tmp_path):
    """The report of 100 series of 700 ticks cost 6.6 times their analysis; the study of benchmarks measures it."""
    values = np.random.default_rng(1).normal(size=(120, 100))
    table = pl.DataFrame({"time": np.arange(120), **{f"s{n}": values[:, n] for n in range(100)}})
    text = sentinel.analyse(table).report(tmp_path / "x.html").read_text(encoding="utf-8")
    assert text.count("<svg ") == 5
    assert text.count("<summary>The picture in numbers</summary>") == 100
    kept = [json.loads(one) for one in re.findall(r'<script type="application/json">(.*?)</script>', text)]
    assert len({one["name"] for one in kept}) == 95
    for one in kept:
        drawn = np.frombuffer(base64.b64decode(one["packed"]["value_low"][1]))
        np.testing.assert_array_equal(drawn, values[:, int(one["name"][1:])])
    assert text.count('<script type="module">') == 1
    Page(text)
