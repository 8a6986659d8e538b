"""What labels of a series mean for each moment of its record."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.analysis.labels import Phase, make_timelines
from sentinel.domain.errors import DataError
from sentinel.domain.spans import DAY
from tests.analysis.labelling import LENGTH, label, record, ticks

Q, E, L, N, U = Phase.QUIET, Phase.EXPECTED, Phase.LATE, Phase.OPEN, Phase.UNKNOWN


def phases(*labels: tuple[str, float | None]) -> list[tuple[Phase, float]]:
    """Phase and length in days of each stretch."""
    line = make_timelines([label(kind, day) for kind, day in labels], [record()])["x"]
    return [(stretch.phase, round((stretch.end_us - stretch.begin_us) / DAY, 6)) for stretch in line.stretches]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([("control", None)], [(Q, 100)]),
        ([("control", 20)], [(U, 20.5), (Q, 79.5)]),
        ([("transition", 50)], [(E, 50.5), (L, 49.5)]),
        ([("start", 30), ("transition", 50)], [(Q, 30.5), (E, 20), (L, 49.5)]),
        ([("transition", 50), ("start", 30)], [(Q, 30.5), (E, 20), (L, 49.5)]),
        ([("start", 30), ("transition", 50), ("end", 60)], [(Q, 30.5), (E, 20), (L, 10), (Q, 39.5)]),
        ([("start", 30), ("end", 60)], [(Q, 30.5), (N, 30), (Q, 39.5)]),
        ([("start", 30)], [(Q, 30.5), (N, 69.5)]),
        # After an end the series is judged anew: what follows belongs to the next transition, if one comes.
        ([("transition", 20), ("end", 30), ("transition", 50)], [(E, 20.5), (L, 10), (E, 20), (L, 49.5)]),
        ([("transition", 20), ("end", 30), ("start", 40), ("transition", 50)],
         [(E, 20.5), (L, 10), (Q, 10), (E, 10), (L, 49.5)]),
        ([("transition", 20), ("start", 40), ("transition", 50)], [(E, 20.5), (L, 20), (E, 10), (L, 49.5)]),
        ([("start", 10), ("transition", 20), ("start", 40)], [(Q, 10.5), (E, 10), (L, 20), (N, 59.5)]),
        ([("transition", 20), ("end", 30), ("start", 40)], [(E, 20.5), (L, 10), (Q, 10), (N, 59.5)]),
        ([("end", 20), ("start", 40)], [(U, 20.5), (Q, 20), (N, 59.5)]),
        ([("transition", 20), ("control", 30), ("start", 40)], [(E, 20.5), (L, 10), (Q, 10), (N, 59.5)]),
        ([("transition", 20), ("end", 40), ("start", 40)], [(E, 20.5), (L, 20), (N, 59.5)]),
    ],
)  # fmt: skip
def test_a_record_is_cut_at_its_labels(labels, expected):
    assert phases(*labels) == expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([("transition", 20), ("transition", 30)], "an end or a start is needed between"),
        ([("start", 20), ("start", 30)], "an end or a transition is needed between"),
        ([("control", 20), ("transition", 30)], "a start between says when the quiet time was over"),
        ([("control", 20), ("end", 30)], "there is nothing between that could end"),
        ([("transition", 20), ("end", 30), ("end", 40)], "there is nothing between that could end"),
        ([("transition", 20), ("start", 40)], "a start is allowed before its transition, or after an end or a control"),
        ([("transition", 20), ("start", 40), ("end", 50)], "comes after its only transition of 20"),
        ([("control", None), ("start", 30)], "is a control in all of its record"),
        ([("transition", 100)], "outside of the data of 'x'; they span 1970-01-01 to 1970-04-10"),
        ([("start", -1)], "outside of the data of 'x'"),
    ],
)
def test_labels_that_contradict_each_other_or_the_data_are_refused(labels, expected):
    with pytest.raises(DataError, match=r"^events.csv, row 1: ") as refused:
        phases(*labels)
    assert expected in str(refused.value)


@given(st.lists(st.sampled_from(["start", "transition", "end", "control"]), min_size=1, max_size=6), st.data())
def test_every_moment_belongs_to_exactly_one_stretch(kinds, data):
    # Half days: the ends of ticks are among them.
    halves = st.integers(0, 2 * LENGTH - 2).map(lambda half: half / 2)
    days = data.draw(st.lists(halves, min_size=len(kinds), max_size=len(kinds), unique=True))
    try:
        line = make_timelines([label(kind, day) for kind, day in zip(kinds, days, strict=True)], [record()])["x"]
    except DataError:
        return
    moments = ticks().end_us
    held = sum(stretch.holds(moments).astype(int) for stretch in line.stretches)
    assert held.tolist() == [1] * LENGTH
    for moment in moments.tolist():
        assert line.at(moment).begin_us <= moment < line.at(moment).end_us
    assert sum(stretch.phase is Phase.EXPECTED for stretch in line.stretches) == kinds.count("transition")
