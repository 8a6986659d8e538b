"""Series chosen by name or by label: entries, rules, sites and counterparts."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hypothesis import given
from hypothesis import strategies as st

from sentinel.config import Settings, from_record, to_record
from sentinel.domain.labels import compared_names, comparison_name, fits, pattern_of, write_key

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


@given(st.lists(PATTERNS, max_size=4), KEYS)
def test_the_first_entry_that_fits_wins_whether_it_has_labels_or_not(patterns, key) -> None:
    chosen = list(dict.fromkeys(map(pattern_of, patterns)))
    if "*" in chosen:  # nothing behind it is ever reached, and so refused
        del chosen[chosen.index("*") + 1 :]
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


def test_a_comparison_has_the_labels_of_its_target() -> None:
    both = comparison_name('ph{lake="peter"}', 'ph{lake="paul"}')
    assert compared_names(both) == ('ph{lake="peter"}', 'ph{lake="paul"}')
    assert fits(both, '{lake="peter"}')
    assert not fits(both, '{lake="paul"}')
    assert comparison_name("peter/ph", "paul/ph") == "peter/ph - paul/ph"
