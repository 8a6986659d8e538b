"""How values that are written as text enter and leave the settings.

In Python a duration may be given as whole microseconds; in a file it must carry its unit (`FROM_FILE`). Text
is what the settings are dumped to, so a dump parses back to an equal value and can be read by a person.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)

from sentinel.config import sizes
from sentinel.domain import spans as durations
from sentinel.domain.spans import Budget, Cadence, HalfLife

FROM_FILE = {"from_file": True}
"""Validation context of settings that a person wrote: bare numbers are refused where a unit belongs."""


def _microseconds(parse: Callable[[str], int], form: str) -> BeforeValidator:
    def check(value: object, info: ValidationInfo) -> int:
        if isinstance(value, str):
            return parse(value)
        if isinstance(value, int) and not isinstance(value, bool) and info.context != FROM_FILE:
            return value
        raise ValueError(form)

    return BeforeValidator(check, json_schema_input_type=str)


def _value(kind: type[Any], form: str, pattern: str) -> tuple[Any, ...]:
    def check(value: object) -> Any:
        if isinstance(value, kind):
            return value
        if isinstance(value, str):
            return kind.parse(value)
        raise ValueError(form)

    schema = {"type": "string", "pattern": pattern}
    return (PlainValidator(check), PlainSerializer(str, return_type=str), WithJsonSchema(schema))


Duration: TypeAlias = Annotated[
    int,
    _microseconds(durations.parse_duration, durations.DURATION_FORM),
    PlainSerializer(durations.print_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": durations.DURATION_PATTERN}),
]
"""Whole microseconds, written ``30s 5m 12h 7d 4w``."""

Season: TypeAlias = Annotated[
    int,
    _microseconds(durations.parse_season, durations.PERIOD_FORM),
    PlainSerializer(durations.print_season, return_type=str),
    WithJsonSchema({"type": "string", "pattern": durations.PERIOD_PATTERN}),
]
"""Whole microseconds, written like a duration or ``1mo`` (30.4375 d) or ``1y`` (365.25 d)."""


def _positive(microseconds: int) -> int:
    if microseconds <= 0:
        raise ValueError("a duration longer than 0s is needed")
    return microseconds


PositiveDuration: TypeAlias = Annotated[Duration, AfterValidator(_positive)]
PositiveSeason: TypeAlias = Annotated[Season, AfterValidator(_positive)]

Size: TypeAlias = Annotated[
    int,
    BeforeValidator(sizes.parse_size),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": sizes.SIZE_PATTERN}]}),
]
"""Bytes, written ``500MiB``, ``2GiB`` or a whole number."""

WrittenCadence: TypeAlias = Annotated[Cadence, *_value(Cadence, durations.CADENCE_FORM, durations.CADENCE_PATTERN)]
WrittenHalfLife: TypeAlias = Annotated[
    HalfLife, *_value(HalfLife, durations.HALF_LIFE_FORM, durations.HALF_LIFE_PATTERN)
]
WrittenBudget: TypeAlias = Annotated[Budget, *_value(Budget, durations.BUDGET_FORM, durations.BUDGET_PATTERN)]
