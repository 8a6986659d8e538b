"""The values that stand in a configuration: texts, names, durations, seasons, sizes, cadences, half-lives, budgets.

In Python a duration may be given as whole microseconds; in a file it must carry its unit (`FROM_FILE`). Settings are
dumped as text, so a dump can be read by a person and parses back to an equal value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)

from sentinel.domain import spans, spelling
from sentinel.domain.spans import Budget, Cadence, HalfLife

FROM_FILE = {"from_file": True}
"""Validation context of settings that a person wrote: bare numbers are refused where a unit belongs."""

_DEPRECATED = {"deprecated": True}


def _describe_old_keys(schema: dict[str, Any], model: type[Any]) -> None:
    """Add the old keys to the JSON Schema, so that editors accept them and mark them as old."""
    properties = schema["properties"]
    for old, new in model.renamed.items():
        properties[old] = {**properties[new], **_DEPRECATED, "description": f"Old name of {new}."}
    for key, value in model.retired.items():
        properties[key] = {"const": value, **_DEPRECATED, "description": f"Has gone: it is always {value:g}."}


class Part(BaseModel):
    """A part of the settings: frozen, unknown keys and infinities refused, described by the text under each field."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True,
        json_schema_extra=_describe_old_keys,
    )  # fmt: skip

    renamed: ClassVar[Mapping[str, str]] = {}
    """Old names of keys, each with the present one; its field has both as aliases."""
    retired: ClassVar[Mapping[str, float]] = {}
    """Keys that have gone, each with the value that always holds now."""

    @classmethod
    def has_gone(cls, key: str, value: object) -> bool:
        """Whether a key has gone and has the value that holds without it."""
        return key in cls.retired and value == cls.retired[key]


Name: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
Text: TypeAlias = Annotated[str, Field(min_length=1)]


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
    _microseconds(spans.parse_duration, spans.DURATION_FORM),
    PlainSerializer(spelling.print_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": spans.DURATION_PATTERN}),
]
"""Whole microseconds, written ``30s 5m 12h 7d 4w``."""

Season: TypeAlias = Annotated[
    int,
    _microseconds(spans.parse_season, spans.PERIOD_FORM),
    PlainSerializer(spelling.print_season, return_type=str),
    WithJsonSchema({"type": "string", "pattern": spans.PERIOD_PATTERN}),
]
"""Whole microseconds, written like a duration or ``1mo`` (30.4375 d) or ``1y`` (365.25 d)."""


def _positive(microseconds: int) -> int:
    if microseconds <= 0:
        raise ValueError("a duration longer than 0s is needed")
    return microseconds


PositiveDuration: TypeAlias = Annotated[Duration, AfterValidator(_positive)]
PositiveSeason: TypeAlias = Annotated[Season, AfterValidator(_positive)]

WrittenCadence: TypeAlias = Annotated[Cadence, *_value(Cadence, spans.CADENCE_FORM, spans.CADENCE_PATTERN)]
WrittenHalfLife: TypeAlias = Annotated[HalfLife, *_value(HalfLife, spans.HALF_LIFE_FORM, spans.HALF_LIFE_PATTERN)]
WrittenBudget: TypeAlias = Annotated[Budget, *_value(Budget, spans.BUDGET_FORM, spans.BUDGET_PATTERN)]

GIB = 1024**3
_SIZES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": GIB, "TiB": 1024**4}


def parse_size(value: object) -> int:
    """Read ``500MiB`` or a whole number as bytes; ValueError says how sizes are written."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = re.fullmatch(r"([0-9]+)([A-Za-z]+)", value) if isinstance(value, str) else None
    if match is None or match[2] not in _SIZES:
        raise ValueError("a size is a whole number of bytes or a number and a unit: KiB, MiB, GiB or TiB")
    return int(match[1]) * _SIZES[match[2]]


Size: TypeAlias = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"anyOf": [
        {"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^[0-9]+(B|KiB|MiB|GiB|TiB)$"},
    ]}),
]  # fmt: skip
"""Bytes, written ``500MiB``, ``2GiB`` or a whole number."""
