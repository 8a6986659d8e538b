"""Keys of series: name and labels in one text, written and read without loss."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sentinel.domain.labels import add_labels, exposed, fits, pattern_of, read_key, write_key

# Letters that the form itself is made of: what tries to look like labels and is not.
TEXTS = st.text(st.sampled_from('ab{}",=\\n\n _é1/'), max_size=12)
LABELS = st.dictionaries(TEXTS.filter(bool), TEXTS.filter(bool), min_size=1, max_size=3)


@given(TEXTS, LABELS)
@example('x{a="1"}', {"b": "2"})
@example('x{a="', {"b": ",c=", "d": "}"})
@example("", {"a b": '"'})
def test_what_is_written_is_read_again(name, labels):
    assert read_key(write_key(name, labels)) == (name, labels)


@given(st.one_of(TEXTS, st.lists(TEXTS, max_size=4).map("".join)))
@example('x{b="1",a="2"}')  # labels not in order: a name
@example('x{a="1",a="2"}')
@example('x{"a"="1"}')  # quoted without need
@example('x{a=""}')
def test_every_text_is_one_series_and_the_same_again_when_written(key):
    assert write_key(*read_key(key)) == key


@given(TEXTS, LABELS, TEXTS, LABELS)
def test_two_series_never_have_one_key(name, labels, other_name, other_labels):
    assert (write_key(name, labels) == write_key(other_name, other_labels)) == (
        (name, labels) == (other_name, other_labels)
    )


def test_a_series_without_labels_is_its_name():
    assert write_key("peter/ph", {}) == "peter/ph"
    assert write_key("ph", {"lake": ""}) == "ph"
    assert read_key("humidity {%}") == ("humidity {%}", {})


def test_a_label_that_a_series_brings_is_not_replaced_by_one_that_is_added():
    assert add_labels('cpu{host="a"}', {"host": "b", "site": "north"}) == 'cpu{host="a",site="north"}'


@pytest.mark.parametrize(
    ("pattern", "fitting"),
    [
        ("*", 4),
        ("ph*", 3),
        ("ph", 0),
        ("ph{}", 3),
        ({"__name__": "t*"}, 1),
        ('{lake="peter"}', 2),
        ('{depth="*"}', 1),
        ('{lake="p*",depth="?"}', 1),
        ('ph{lake="p*"}', 3),
        ('ph{lake="[!p]*"}', 0),
        ('{missing="*"}', 0),
    ],
)
def test_a_pattern_with_labels_asks_for_these_and_for_no_others(pattern, fitting):
    keys = ['ph{lake="peter"}', 'ph{lake="paul"}', 'ph{depth="2",lake="peter"}', "temp"]
    assert sum(fits(key, pattern_of(pattern)) for key in keys) == fitting


@pytest.mark.parametrize(
    "pattern", [{"lake": ""}, 'x{lake=""}', 'x{lake="a",lake="b"}', 'x{__name__="ph"}', {"__name__": "x", "a": ""}]
)
def test_a_pattern_that_could_only_be_a_mistake_is_refused(pattern):
    with pytest.raises(ValueError, match="label"):
        pattern_of(pattern)


@given(LABELS, TEXTS)
def test_a_pattern_is_one_text_however_it_was_written(labels, name):
    written = pattern_of({**labels, "__name__": name})
    assert pattern_of(written) == written == pattern_of(write_key(name, labels))


def test_labels_are_exposed_under_names_that_nothing_else_has():
    key = 'ph{job="x","sensor-id"="7",site="north"}'
    assert exposed(key, ["site", "sensor-id", "job", "host"]) == {
        "label_site": "north", "label_sensor_id": "7", "label_job": "x", "label_host": "",
    }  # fmt: skip
