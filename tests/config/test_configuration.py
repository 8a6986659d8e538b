"""Settings: files that load, files that are refused with an exact message, and what settings promise in Python."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from detectors import lattice
from detectors.evidence import MEAN_HALF_LIFE
from detectors.tables.lag1 import INPUT_WEIGHT, KAPPA
from sentinel.config import (
    AlarmSettings,
    BankSettings,
    CsvSource,
    DaemonSettings,
    LogNotify,
    LogSettings,
    SeriesSettings,
    Settings,
    SimulateSource,
    SiteSettings,
    WebSettings,
    fingerprint,
    from_record,
    load,
    schema_text,
    to_record,
)
from sentinel.config.faults import Faults
from sentinel.config.tree import Node, Reader
from sentinel.domain.errors import ConfigError, StateError
from sentinel.domain.spans import DAY, HOUR, MINUTE, SECOND, YEAR, Budget, Cadence, HalfLife
from sentinel.pipeline.conditioning import WINSOR, season_bins

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "config"
BROKEN = sorted(CASES.glob("invalid-*.yaml"))
GOOD = sorted(CASES.glob("good-*"))
SHIPPED = [ROOT / "config" / "sentinel.yaml", ROOT / "config" / "sentinel.full.yaml"]
SCHEMA = ROOT / "config" / "sentinel.schema.json"
PARTS: list[type[BaseModel]] = [
    Settings,
    DaemonSettings,
    LogSettings,
    WebSettings,
    CsvSource,
    SimulateSource,
    SeriesSettings,
    BankSettings,
    AlarmSettings,
    SiteSettings,
    LogNotify,
]


def header(file: Path, key: str) -> list[str]:
    lines = file.read_bytes().decode("latin-1").splitlines()
    return [line.removeprefix(f"# {key}: ") for line in lines if line.startswith(f"# {key}: ")]


def tree(file: Path) -> Node:
    root = Reader(file.read_text("utf-8"), str(file), Faults([file])).root()
    assert root is not None
    return root


def schema_accepts(document: object) -> bool:
    return bool(jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).is_valid(document))


@pytest.mark.parametrize("file", BROKEN, ids=lambda file: file.stem)
def test_a_broken_file_is_refused_with_exactly_its_message(file: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load(file)
    assert str(refused.value).replace(str(file), "{file}").splitlines() == header(file, "expect")
    assert refused.value.exit_code == 78


def test_there_are_at_least_28_broken_files() -> None:
    assert len(BROKEN) >= 28


@pytest.mark.parametrize("file", [*GOOD, *SHIPPED], ids=lambda file: file.stem)
def test_a_good_file_loads_and_survives_the_journal(file: Path) -> None:
    settings = load(file)
    again = Settings.model_validate_json(settings.model_dump_json())
    assert again == settings
    assert fingerprint(again) == fingerprint(settings)


@pytest.mark.parametrize("file", [file for file in [*GOOD, *SHIPPED] if file.is_file()], ids=lambda file: file.stem)
def test_the_schema_accepts_good_files(file: Path) -> None:
    assert schema_accepts(tree(file).plain())


@pytest.mark.parametrize("file", BROKEN, ids=lambda file: file.stem)
def test_the_schema_refuses_what_structure_alone_decides(file: Path) -> None:
    [verdict] = header(file, "schema")
    assert verdict in {"refuses", "accepts", "cannot tell"}
    if verdict != "cannot tell":
        assert schema_accepts(tree(file).plain()) == (verdict == "accepts")


def test_the_published_schema_is_fresh() -> None:
    assert SCHEMA.read_text("utf-8") == schema_text(), "run: sentinel schema > config/sentinel.schema.json"


def test_the_schema_writes_the_defaults_of_durations_as_a_file_does() -> None:
    models = json.loads(schema_text())["$defs"]
    keys = [("DaemonSettings", "checkpoint_every"), ("CsvSource", "every"), ("SeriesSettings", "lateness")]
    assert [models[model]["properties"][key]["default"] for model, key in keys] == ["5m", "30s", "0s"]


def test_every_key_is_described_in_the_schema() -> None:
    schema = json.loads(schema_text())
    for part in [schema, *schema["$defs"].values()]:
        for key, field in part.get("properties", {}).items():
            assert field.get("description"), key


def test_numbers_and_words_are_those_of_yaml_1_2() -> None:
    settings = load(CASES / "good-scalars.yaml")
    assert settings.web.max_series == 16
    assert settings.web.history_series == 15
    assert [series.match for series in settings.series] == ["no", "1:30"]
    assert settings.series[0].range == (-100.0, 0.5)
    assert settings.series[0].lateness == 90 * MINUTE
    assert settings.alarms[0].alpha == 1e-4


def test_a_folder_is_merged_in_the_order_of_names() -> None:
    settings = load(CASES / "good-folder")
    assert [source.name for source in settings.sources] == ["lake", "river"]
    assert settings.web == WebSettings(listen="127.0.0.1:0", max_series=10)
    assert set(settings.banks) == {"default", "slow"}


def test_a_key_in_two_files_of_a_folder_is_refused_with_both_places(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("web:\n  max_series: 1\n")
    (tmp_path / "b.yaml").write_text("log: {}\nweb:\n  max_series: 2\n")
    with pytest.raises(ConfigError) as refused:
        load(tmp_path)
    a, b = tmp_path / "a.yaml", tmp_path / "b.yaml"
    assert str(refused.value) == f"{b}:3: web.max_series: the key is in {a}:2 already; once is allowed"


def test_faults_of_several_files_are_listed_in_order_with_each_files_own_positions(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("sources:\n  - {kind: csv, name: a, path: a.csv}\n  - {kind: csv, name: b}\n")
    (tmp_path / "b.yaml").write_text("sources:\n  - {kind: csv, name: a, every: 5}\n")
    with pytest.raises(ConfigError) as refused:
        load(tmp_path)
    places = [line.removeprefix(f"{tmp_path}/").split(": ")[:2] for line in str(refused.value).splitlines()]
    assert places == [
        ["a.yaml:3", "sources[1].path"],
        ["b.yaml:2", "sources[0].every"],
        ["b.yaml:2", "sources[0].path"],
    ]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "a folder without *.yaml files; at least one is needed"),
        (["a.yml"], "a folder is read by *.yaml; rename it to .yaml"),
    ],
)
def test_a_folder_must_hold_yaml_files(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        (tmp_path / name).write_text("web: {}\n")
    with pytest.raises(ConfigError, match=re.escape(message)):
        load(tmp_path)


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file or directory"):
        load(tmp_path / "none.yaml")


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60) | st.text(alphabet="{}[]:-,&*!|>'\"%@`# \n\tax10"))
def test_any_text_is_settings_or_one_line_per_fault(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(text.encode())
    try:
        said = load(file).model_dump_json()
    except ConfigError as error:
        said = str(error)
    assert said.startswith("{") or all(line.startswith(f"{file}:") for line in said.split("\n"))


def test_a_fault_stays_one_printable_line_whatever_the_key(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text('"we\\nb\\e[31m": 1\nlog: {level: "a\\u2028b"}\n')
    with pytest.raises(ConfigError) as refused:
        load(tmp_path / "a.yaml")
    first, second = str(refused.value).splitlines()
    assert r"we\nb\x1b[31m: unknown key" in first
    assert r"'a\u2028b'; 'debug'" in second


def test_in_python_a_duration_is_microseconds_and_may_be_written() -> None:
    assert SeriesSettings(lateness=5 * SECOND) == SeriesSettings.model_validate({"lateness": "5s"})
    assert CsvSource(kind="csv", name="a", path="a.csv").every == 30 * SECOND


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Settings().log = LogSettings(level="debug")  # type: ignore[misc]


def test_without_any_alarms_there_are_the_default_rules() -> None:
    found = [(rule.kind, rule.match, str(rule.false_alarms), rule.severity) for rule in Settings().alarms]
    assert found == [("slower", "*", "1 per 1y", "warning"), ("slower", "*", "1 per 10y", "critical")]
    assert [rule.without_calendar().alpha for rule in Settings().alarms] == [1e-3, 1e-4]
    assert Settings(alarms=()).rules_for("x") == ()


def test_a_budget_of_the_fleet_is_divided_by_the_series_that_the_rule_is_for() -> None:
    settings = Settings.model_validate({"alarms": [
        {"match": "a*", "kind": "slower", "alpha": 1e-3, "shared_by": "fleet"},
        {"kind": "slower", "alpha": 1e-2, "shared_by": "fleet"},
        {"kind": "slower", "alpha": 1e-3, "severity": "critical"},
    ]})  # fmt: skip
    assert settings.shares_with_fleet
    divided = settings.divide(["a1", "a2", "a2", *(f"b{i}" for i in range(5))])
    assert [rule.shared_by for rule in divided.alarms] == [2, 8, 1]
    assert divided.rules_for("a1")[0].uncut_alpha(Cadence.fixed(DAY)) == 1e-3 / 2
    assert not divided.shares_with_fleet
    assert divided.divide(["a1"]) is divided
    assert [rule.shared_by for rule in settings.divide([]).alarms] == [1, 1, 1]


def test_a_budget_that_was_divided_for_the_fleet_and_recorded_locks_no_state_out() -> None:
    """Bug: of 16 series the warning's part was smaller than the critical rule's budget, and a restart refused that."""
    for kind in ({"kind": "slower"}, {"threshold": 0.8}):
        warning, critical = kind | {"false_alarms": "1 per 1y", "shared_by": "fleet"}, kind | {"severity": "critical"}
        lower = {"threshold": 0.7} if "threshold" in kind else {}
        settings = Settings.model_validate({"alarms": [warning, critical | {"false_alarms": "1 per 10y"} | lower]})
        divided = settings.divide([f"s{i}" for i in range(16)])
        assert from_record(json.loads(json.dumps(to_record(divided)))) == divided


def test_the_first_series_entry_that_matches_wins_and_names_its_bank() -> None:
    settings = load(CASES / "good-lakes.yaml")
    assert settings.series_for("peter/ph").cadence == Cadence.fixed(DAY)
    assert settings.bank_for("peter/ph").half_life == HalfLife.parse("30d")
    assert settings.series_for("paul/do_sat").cadence == Cadence.calendar(1)
    assert settings.bank_for("paul/do_sat").half_life == HalfLife.parse("70 ticks")
    assert settings.series_for("other") == SeriesSettings()
    assert [rule.threshold for rule in settings.rules_for("paul/ph")] == [0.8, 0.9, -0.5]


def test_of_two_rules_at_one_threshold_that_match_a_series_the_first_applies() -> None:
    settings = Settings(
        alarms=(
            AlarmSettings(match="peter/*", threshold=0.8, alpha=1e-5),
            AlarmSettings(threshold=0.8, alpha=1e-4),
        )
    )
    assert [rule.alpha for rule in settings.rules_for("peter/ph")] == [1e-5]
    assert [rule.alpha for rule in settings.rules_for("paul/ph")] == [1e-4]


def test_a_budget_is_never_overdrawn_by_a_slow_cadence() -> None:
    rule = AlarmSettings(threshold=0.8, false_alarms=Budget.parse("1 per 1mo"))
    assert rule.alpha_per_tick(Cadence.parse("1h")) == pytest.approx(HOUR / (YEAR / 12))
    assert rule.alpha_per_tick(Cadence.parse("1y")) == 0.1


def test_the_listening_address_is_split() -> None:
    assert WebSettings(listen="[::1]:0").address == ("::1", 0)


def test_a_fingerprint_is_stable_and_tells_settings_apart() -> None:
    assert fingerprint(BankSettings()) == fingerprint(BankSettings())
    assert fingerprint(BankSettings()) != fingerprint(BankSettings(thresholds=17))
    assert re.fullmatch("[0-9a-f]{16}", fingerprint(Settings()))


def test_keys_of_0_1_0_that_have_another_name_or_have_gone_are_read_with_a_notice_each() -> None:
    file = CASES / "good-keys-of-0.1.0.yaml"
    notices: list[str] = []
    settings = load(file, notices.append)
    assert settings.counterpart_for("peter/ph") == "paul/ph"
    assert settings.banks["default"] == BankSettings(baseline_ticks=500)
    assert settings.notify == (LogNotify(name="a"),)
    gone = {"second_thresholds": 9, "input_weight": 1.5, "kappa": 1.5, "winsor": 3, "season_bins": 24}
    assert notices == [
        f"{file}:4: series[0].reference: is called counterpart now; the old name is still read",
        *(
            f"{file}:{line}: banks.default.{key}: has gone, since it is always {value} now; leave the key out"
            for line, (key, value) in enumerate(gone.items(), start=7)
        ),
        f"{file}:12: banks.default.reference_ticks: is called baseline_ticks now; the old name is still read",
        f"{file}:13: banks.default.mean_half_life: has gone, since it is always 100 now; leave the key out",
    ]


def record_of_0_1_0(**bank: Any) -> dict[str, Any]:
    """Settings as 0.1.0 recorded them in journals and checkpoints."""
    record = to_record(Settings(series=(SeriesSettings(match="a", counterpart="b"),), banks={"slow": BankSettings()}))
    record["series"][0]["reference"] = record["series"][0].pop("counterpart")
    record["banks"]["slow"]["reference_ticks"] = record["banks"]["slow"].pop("baseline_ticks")
    record["banks"]["slow"] |= BankSettings.retired | bank
    return record


def test_coarse_share_has_gone_whatever_it_was(tmp_path: Path) -> None:
    lines: list[str] = []
    path = tmp_path / "sentinel.yaml"
    path.write_text("series:\n  - coarse_share: 0.5\n", encoding="utf-8")
    assert load(path, lines.append) == Settings.model_validate({"series": [{}]})
    assert len(lines) == 1
    assert ":2: series[0].coarse_share: has gone, since nothing depends on it now; leave the key out" in lines[0]
    record = to_record(load(path))
    record["series"][0]["coarse_share"] = 0.5
    assert from_record(record) == load(path)


def test_settings_that_0_1_0_recorded_are_read() -> None:
    settings = from_record(json.loads(json.dumps(record_of_0_1_0())))
    assert settings.counterpart_for("a") == "b"
    assert settings.banks["slow"] == BankSettings()


def test_rules_recorded_before_there_was_an_at_start_raise_alarms_as_they_did_and_new_ones_do_not() -> None:
    absolute = AlarmSettings(threshold=0.8, alpha=1e-4)
    rules = (absolute, AlarmSettings(threshold="relative", alpha=1e-4), AlarmSettings(kind="slower", alpha=1e-4))
    record = to_record(Settings(alarms=rules))
    assert from_record(record) == Settings(alarms=rules)
    assert [rule.waits for rule in rules] == [True, False, False]
    for rule in record["alarms"]:
        del rule["at_start"]
    assert from_record(record).alarms == (absolute.model_copy(update={"at_start": "alarm"}), *rules[1:])
    assert not from_record(record).alarms[0].waits


def test_recorded_settings_that_change_what_is_constant_now_are_read_without_it_and_a_line_says_so() -> None:
    notices: list[str] = []
    assert from_record(record_of_0_1_0(kappa=2.0, winsor=4), notices.append).banks["slow"] == BankSettings()
    changed = "banks.slow.kappa: 2.0; it is always 1.5 now, banks.slow.winsor: 4; it is always 3 now"
    assert notices == [f"recorded settings, {changed}; ignored"]
    from_record(record_of_0_1_0(), notices.append)
    assert len(notices) == 1


def test_recorded_settings_of_a_later_version_are_refused_with_the_reason() -> None:
    with pytest.raises(StateError, match=r"banks\.slow\.later: unknown key"):
        from_record(record_of_0_1_0(later=2))


def test_the_keys_that_have_gone_held_the_values_of_the_instrument() -> None:
    assert BankSettings.retired == {
        "input_weight": INPUT_WEIGHT, "kappa": KAPPA, "winsor": WINSOR, "second_thresholds": lattice.COUNT,
        "season_bins": season_bins(1e9), "mean_half_life": MEAN_HALF_LIFE,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["a/x", "b/x", "c", "", "a/x\n", "[p]", "p", "bc"])
def test_a_name_matches_what_its_patterns_match_one_by_one(name: str) -> None:
    patterns = ["a/?", "*/x", "[a-c]", "[[]p]", "[!p]*c"]
    settings = Settings(
        series=tuple(SeriesSettings(match=match, stuck_after_ticks=5 + n) for n, match in enumerate(patterns)),
        alarms=tuple(AlarmSettings(match=match, threshold=0.1 * n, alpha=1e-4) for n, match in enumerate(patterns)),
    )
    fits = [n for n, match in enumerate(patterns) if fnmatchcase(name, match)]
    assert settings.entry_key(name) == (fits[0] if fits else -1, tuple(fits))
    assert settings.series_for(name) == (settings.series[fits[0]] if fits else SeriesSettings())
    assert settings.rules_for(name) == tuple(settings.alarms[n] for n in fits)


def test_names_that_match_the_same_share_their_rules_and_a_copy_with_other_settings_finds_its_own() -> None:
    settings = Settings(
        alarms=(AlarmSettings(threshold=0.8, alpha=1e-4), AlarmSettings(match="b*", kind="spread", alpha=1e-4))
    )
    assert settings.rules_for("b1") is settings.rules_for("b2")
    assert settings.entry_key("b1") == settings.entry_key("b2") != settings.entry_key("c")
    assert settings.model_copy(update={"alarms": ()}).rules_for("b1") == ()
    assert settings == Settings(alarms=settings.alarms), "what was found before does not count"
