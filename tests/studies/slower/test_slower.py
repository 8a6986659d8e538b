"""The bars of the default alarm on a textbook record and on rivers; those on systems that tip are in docs/skill.md."""

from __future__ import annotations

import pytest

from tests.studies.slower.measured import RIVERS, rivers, textbook


@pytest.mark.slow
@pytest.mark.skipif(not RIVERS.is_dir(), reason="the rivers are not here: set SENTINEL_TEST_DATA")
def test_quiet_rivers_are_left_in_peace() -> None:
    found = rivers()
    print(found)
    assert found["warning"].alarms_a_year <= 1.0
    assert found["warning"].open <= 0.05
    assert found["critical"].open <= 0.01
    assert found["warning"].judged >= 0.80


@pytest.mark.slow
@pytest.mark.skipif(not RIVERS.is_dir(), reason="the rivers are not here: set SENTINEL_TEST_DATA")
def test_coarse_rivers_are_not_blind() -> None:
    """pH in steps of .01 was blind for 99 % of its values."""
    found = rivers(left_out=())["warning"]
    print(found)
    assert max(found.blind.values()) <= 0.05
    assert found.judged >= 0.80


@pytest.mark.slow
def test_a_textbook_record_is_warned_long_before_its_end() -> None:
    found = textbook()
    print(found)
    assert found["critical"]["found"] >= 38
    assert found["critical"]["median lead"] >= 150
    assert found["critical"]["controls alarmed"] <= 4
