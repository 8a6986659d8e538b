"""Series chosen by name or by label: entries, rules, sites and counterparts."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sentinel.config import SeriesSettings, Settings, from_record, to_record
from sentinel.config.series import hidden_series
from sentinel.domain.labels import compared_names, comparison_name, fits, pattern_of, write_key
from tests.laws import examples

KEYS = st.builds(
    write_key, st.sampled_from(["ph", "temp"]),
    st.dictionaries(st.sampled_from(["lake", "site"]), st.sampled_from(["peter", "paul"])),
)  # fmt: skip
PATTERNS = st.one_of(
    st.sampled_from(["*", "ph*", "temp", "t?mp", 'ph{lake="p*"}', "ph{}"]),
    st.dictionaries(
        st.sampled_from(["lake", "site", "__name__"]), st.sampled_from(["*", "peter", "p*", "ph"]), min_size=1
    ),
)

PLAIN = st.text("ab*?/", min_size=1, max_size=5)


@pytest.mark.slow
@given(st.lists(PATTERNS, max_size=4), KEYS)
def test_the_first_entry_that_fits_wins_whether_it_has_labels_or_not(patterns, key) -> None:
    chosen = list(dict.fromkeys(map(pattern_of, patterns)))
    for at in reversed(range(len(chosen))):  # what is never reached is refused
        if list(hidden_series(SeriesSettings(match=one) for one in chosen[: at + 1])):
            del chosen[at]
    settings = Settings(series=[{"match": p, "unit": str(i)} for i, p in enumerate(chosen)])
    first = next((entry.unit for entry in settings.series if fits(key, entry.match)), "")
    assert settings.series_for(key).unit == first
    assert from_record(to_record(settings)).series_for(key).unit == first


def test_patterns_without_labels_mean_what_they_always_did() -> None:
    names = ["peter/ph", "a[1]", "x{y}", "ph - paul", 'say "hi"}']
    for pattern in ["*", "peter/*", "a[[]1]", "x{*}", "* - paul"]:
        assert [fits(name, pattern) for name in names] == [fnmatchcase(name, pattern) for name in names]


def test_a_counterpart_may_be_named_by_the_labels_in_which_it_differs() -> None:
    settings = Settings(series=[{"match": {"lake": "peter"}, "counterpart": {"lake": "paul"}}])
    assert settings.counterpart_for('ph{depth="2",lake="peter"}') == 'ph{depth="2",lake="paul"}'
    assert settings.counterpart_for('ph{lake="paul"}') is None


@given(
    st.sampled_from([("peter/*", "paul/*"), ("p*", "q*r"), ("p*", "control"), ({"site": "n*"}, {"site": "south"})]),
    st.sampled_from(["peter/ph", "p", "pr", 'ph{lake="a",site="north"}', 'ph{site="south"}', "x"]),
)  # fmt: skip
def test_a_counterpart_is_known_as_one_before_its_target_comes(both, name) -> None:
    match, counterpart = both
    settings = Settings(series=[{"match": match, "counterpart": counterpart}])
    entry, other = settings.series[0], settings.counterpart_for(name)
    if other is not None:
        assert entry.may_have_counterpart(other)
    assert not entry.may_have_counterpart("another")


def test_a_comparison_has_the_labels_of_its_target() -> None:
    both = comparison_name('ph{lake="peter"}', 'ph{lake="paul"}')
    assert compared_names(both) == ('ph{lake="peter"}', 'ph{lake="paul"}')
    assert fits(both, '{lake="peter"}')
    assert not fits(both, '{lake="paul"}')
    assert comparison_name("peter/ph", "paul/ph") == "peter/ph - paul/ph"


@pytest.mark.slow
@given(PLAIN, PLAIN, st.text("ab/c", max_size=6))
@settings(max_examples=examples(300, 1000))
@example("*/oxygen", "east/oxygen", "east/oxygen")
def test_an_entry_that_is_said_to_be_hidden_by_another_is_never_used(one: str, other: str, name: str) -> None:
    """Bug: behind `*/oxygen` an entry for `east/oxygen` was taken, and its counterpart never compared."""
    entries = [SeriesSettings(match=one), SeriesSettings(match=other)]
    assert fits(name, one) or not fits(name, other) or not list(hidden_series(entries))


def test_an_entry_behind_a_pattern_that_fits_all_of_it_is_hidden() -> None:
    for match, hidden in {
        "east/oxygen": True,
        "e*/oxygen": True,
        "east/*": False,
        "oxygen": False,
        "[ab]": False,
    }.items():
        found = hidden_series([SeriesSettings(match="*/oxygen"), SeriesSettings(match=match)])
        assert bool(list(found)) == hidden, match


def test_a_set_of_letters_hides_no_pattern_behind_it() -> None:
    """Bug: `*_temp` was called hidden behind `[!t]*`, though `t_temp` reaches it."""
    assert not list(hidden_series([SeriesSettings(match="[!t]*"), SeriesSettings(match="*_temp")]))
