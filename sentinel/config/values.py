"""The material of settings: parts and their checks, texts, names, durations, sizes, cadences, half-lives, budgets.

In a file a duration must carry its unit (`FROM_FILE`). Settings are dumped as text that parses back to an equal value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar, NamedTuple, Self, TypeAlias

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
    model_validator,
)

from sentinel.domain import labels, spans
from sentinel.domain.spans import Budget, Cadence, HalfLife

FROM_FILE = {"from_file": True}
"""Validation context of settings that a person wrote: bare numbers are refused where a unit belongs."""
RECORDED = {"recorded": True}
"""Validation context of settings that were in force. What has changed in them since, such as a budget that was divided
for the fleet, is no fault of a person."""

KeyPath: TypeAlias = tuple[str | int, ...]
_DEPRECATED = {"deprecated": True}


class Fault(NamedTuple):
    """One thing that is wrong."""

    path: KeyPath
    """Keys and positions, from where the check stands."""
    message: str
    """One line: what came; what is allowed; what to do."""


class ConflictError(ValueError):
    """Settings that are each fine but cannot stand together."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(" | ".join(f"{path_text(fault.path)}: {fault.message}" for fault in self.faults))


def path_text(path: KeyPath) -> str:
    """Write a key path as ``sources[2].every``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _complete_schema(schema: dict[str, Any], model: type[Any]) -> None:
    """Write defaults as a file would, and add the old keys, so that editors accept them and mark them as old."""
    properties = schema["properties"]
    defaults = model.model_construct().model_dump(mode="json", warnings=False)
    for key, described in properties.items():
        if isinstance(described.get("default"), int) and isinstance(defaults[key], str):
            described["default"] = defaults[key]
    for old, new in model.renamed.items():
        properties[old] = {**properties[new], **_DEPRECATED, "description": f"Old name of {new}."}
    for key, value in model.retired.items():
        now = {"description": "Has gone."} if value is None else {
            "const": value, "description": f"Has gone: it is always {value:g}."
        }  # fmt: skip
        properties[key] = {**now, **_DEPRECATED}


class Part(BaseModel):
    """A part of the settings: frozen, unknown keys and infinities refused, described by the text under each field."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True,
        json_schema_extra=_complete_schema,
    )  # fmt: skip

    renamed: ClassVar[Mapping[str, str]] = {}
    """Old names of keys, each with the present one; its field has both as aliases."""
    retired: ClassVar[Mapping[str, float | None]] = {}
    """Keys that have gone, each with the value that always holds now; None = nothing depends on it any more."""

    @model_validator(mode="after")
    def _check_conflicts(self) -> Self:
        _refuse(self._conflicts())
        return self

    def _conflicts(self) -> Iterable[Fault]:
        """Find keys that are each fine but do not fit together."""
        return ()


def _refuse(faults: Iterable[Fault]) -> None:
    found = tuple(faults)
    if found:
        raise ConflictError(found)


def without(*checks: Callable[[Any], Iterable[Fault]]) -> AfterValidator:
    """Refuse a list with the faults of the first check that finds any; a recorded one has been checked before."""

    def check_all(parts: Any, info: ValidationInfo) -> Any:
        for check in checks if info.context != RECORDED else ():
            _refuse(check(parts))
        return parts

    return AfterValidator(check_all)


def require(holds: Callable[[Any], object], form: str) -> Callable[[Any], Any]:
    """Make a check: a value is given back if `holds` is true of it; if not, or if it raises, ValueError says `form`."""

    def check(value: Any) -> Any:
        try:
            fine = holds(value)
        except (ValueError, LookupError, OSError):
            fine = False
        if not fine:
            raise ValueError(form)
        return value

    return check


def or_else(word: str, allowed: Iterable[str], what: str) -> str:
    """Suggest the word that was probably meant, ``did you mean 'path'?``; else list all `allowed` ones."""
    words = list(allowed)
    close = get_close_matches(word, words, n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"allowed {what} are {', '.join(words)}" if words else f"no {what} are defined"


def repeated_names(parts: Iterable[Any]) -> Iterator[Fault]:
    """Find names that stand twice: metrics and cursors tell parts apart by their names."""
    seen: set[str] = set()
    for position, part in enumerate(parts):
        if part.name in seen:
            yield Fault((position, "name"), f"'{part.name}' is taken by an earlier entry; names are unique")
        seen.add(part.name)


Name: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
Text: TypeAlias = Annotated[str, Field(min_length=1)]
_LABEL = r"^[a-zA-Z_][a-zA-Z0-9_]*$"
LabelName: TypeAlias = Annotated[
    str,
    AfterValidator(require(lambda text: re.match(_LABEL, text), "letters, digits and '_' are allowed, no digit first")),
    WithJsonSchema({"type": "string", "pattern": _LABEL}),
]
SourceLabels: TypeAlias = dict[
    Annotated[LabelName, AfterValidator(require(lambda name: name != labels.NAME, "the name is no label; set prefix"))],
    Text,
]
"""Labels that a source gives its series."""


def _write_pattern(value: object) -> str:
    if isinstance(value, str) and value:
        return labels.pattern_of(value)
    if isinstance(value, Mapping) and all(isinstance(part, str) for each in value.items() for part in each):
        return labels.pattern_of(value)
    raise ValueError("a pattern such as lake/*, or labels with texts, such as {site: '3'}, is needed")


Pattern: TypeAlias = Annotated[
    str,
    PlainValidator(_write_pattern),
    WithJsonSchema({"anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string", "minLength": 1}},
    ]}),
]  # fmt: skip
"""Series by their names, or by labels; held as the text that `labels.fits` takes."""


def _written(
    kind: type[Any],
    form: str,
    pattern: str,
    parse: Callable[[str], Any] | None = None,
    write: Callable[[Any], str] = str,
) -> tuple[Any, ...]:
    def check(value: object, info: ValidationInfo) -> Any:
        if isinstance(value, str):
            return (parse or kind.parse)(value)
        bare = kind is int and (isinstance(value, bool) or info.context == FROM_FILE)
        if isinstance(value, kind) and not bare:
            return value
        raise ValueError(form)

    validator = BeforeValidator(check) if kind is int else PlainValidator(check)
    return validator, PlainSerializer(write, return_type=str), WithJsonSchema({"type": "string", "pattern": pattern})


Duration: TypeAlias = Annotated[
    int, *_written(int, spans.DURATION_FORM, spans.DURATION_PATTERN, spans.parse_duration, spans.print_duration)
]
"""Whole microseconds, written ``30s 5m 12h 7d 4w``."""
Season: TypeAlias = Annotated[
    int, *_written(int, spans.PERIOD_FORM, spans.PERIOD_PATTERN, spans.parse_season, spans.print_season)
]
"""Whole microseconds, written like a duration or ``1mo`` (30.4375 d) or ``1y`` (365.25 d)."""

_POSITIVE = AfterValidator(require(lambda us: us > 0, "a duration longer than 0s is needed"))
PositiveDuration: TypeAlias = Annotated[Duration, _POSITIVE]
PositiveSeason: TypeAlias = Annotated[Season, _POSITIVE]
WrittenCadence: TypeAlias = Annotated[Cadence, *_written(Cadence, spans.CADENCE_FORM, spans.CADENCE_PATTERN)]
WrittenHalfLife: TypeAlias = Annotated[HalfLife, *_written(HalfLife, spans.HALF_LIFE_FORM, spans.HALF_LIFE_PATTERN)]
WrittenBudget: TypeAlias = Annotated[Budget, *_written(Budget, spans.BUDGET_FORM, spans.BUDGET_PATTERN)]

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
