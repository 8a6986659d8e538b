"""Faults in plain words, also those that pydantic finds: which key, what came, what is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sentinel.config.secrets import hide_queries, may_be_secret
from sentinel.config.values import ConflictError, Fault, KeyPath, Part, or_else, path_text
from sentinel.domain.errors import ConfigError
from sentinel.domain.printing import visible

_ALLOWED = {
    "string_type": "text is allowed; put it in quotes",
    "path_type": "a path is allowed",
    "int_type": "a whole number is allowed",
    "int_from_float": "a whole number is allowed",
    "float_type": "a number is allowed",
    "finite_number": "a finite number is allowed",
    "tuple_type": "a list is allowed",
    "dict_type": "a mapping is allowed",
    "model_type": "a mapping of keys is allowed",
    "string_too_short": "a length of at least {min_length} is needed",
    "string_too_long": "a length of at most {max_length} is allowed",
    "string_pattern_mismatch": "letters, digits, '_', '.' and '-' are allowed, a letter or digit first",
    "too_short": "at least {min_length} entry is needed",
    "too_long": "at most {max_length} entries are allowed",
    "greater_than": "a number greater than {gt} is allowed",
    "greater_than_equal": "a number of at least {ge} is allowed",
    "less_than": "a number less than {lt} is allowed",
    "less_than_equal": "a number of at most {le} is allowed",
}

_PASSWORD = re.compile(r"(://[^/\s:@]*:)\S+(?=@)|(?<=[?&]password=)[^\s'&]+")
"""A password in an address. Faults are printed and logged, so none repeats a secret."""
_MISTYPED = re.compile(r"^'(?!https?://)([^']*@)?([^'?#;]*)([?#;][^']*)?'", re.IGNORECASE)
"""A value at the beginning of a message, in the place of an address, that nothing can take apart, as in htps://."""


class Faults:
    """Collects faults, and prints them in reading order."""

    def __init__(self, files: list[Path]) -> None:
        self._order = {str(file): order for order, file in enumerate(files)}
        self._found: set[tuple[int, int, str]] = set()

    def add(self, file: str, line: int, path: KeyPath, message: str) -> None:
        """Enter one fault of one of the files."""
        self._found.add((self._order[file], line, fault_line(file, line, path, message)))

    def refuse(self) -> None:
        """Raise ConfigError if there is a fault."""
        if self._found:
            raise ConfigError("\n".join(text for _, _, text in sorted(self._found)))


def fault_line(file: str, line: int, path: KeyPath, message: str) -> str:
    """Write one line about a key. Keys and values come from the file: nothing in them may break the line."""
    if path and str(path[-1]).endswith("url"):
        message = _MISTYPED.sub(_cut_address, message)
    text = f"{file}:{line}: {path_text(path)}: {message}" if path else f"{file}:{line}: {message}"
    text = _PASSWORD.sub(lambda found: f"{found[1] or ''}***", text)
    return visible(hide_queries(text))


def _cut_address(found: re.Match[str]) -> str:
    login, shown, behind = found.groups(default="")
    return f"'{'***@' if login else ''}{shown}{f'{behind[0]}***' if behind else ''}'"


def faults_of(error: ValidationError, model: type[Part], came: Callable[[KeyPath], str]) -> Iterator[Fault]:
    """Put all errors that pydantic found into words; `came` tells what stands at a key path."""
    details = error.errors(include_url=False)

    def shown(path: KeyPath) -> str:
        text = came(path)
        return "***" if may_be_secret(path) and text not in ("a mapping", "a list", "nothing") else text

    for detail in details:
        place = detail["loc"]
        # A list whose entries are refused is empty to pydantic; only their own faults are true.
        inside = (other["loc"] for other in details if len(other["loc"]) > len(place))
        if detail["type"] != "too_short" or all(other[: len(place)] != place for other in inside):
            yield from _faults(detail, model, shown)


def _faults(detail: ErrorDetails, model: type[Part], came: Callable[[KeyPath], str]) -> Iterator[Fault]:
    path, tag = _without_tag(detail["loc"])
    context: dict[str, Any] = {
        key: f"{value:g}" if isinstance(value, float) else value for key, value in detail.get("ctx", {}).items()
    }
    problem = context.get("error")
    if isinstance(problem, ConflictError):
        yield from (Fault(path + fault.path, fault.message) for fault in problem.faults)
        return
    if path and path[-1] == "[key]":
        allowed = _ALLOWED[detail["type"]].format(**context) if detail["type"] in _ALLOWED else problem or detail["msg"]
        yield Fault(path[:-1], f"'{path[-2]}'; {allowed}")
        return
    match detail["type"]:
        case "extra_forbidden":
            yield Fault(path, _why_unknown(str(path[-1]), _model_at(model, path[:-1], tag), came(path)))
        case "missing" if isinstance(path[-1], int):
            yield Fault(path[:-1], f"a list of {path[-1]}; more entries are needed")
        case "missing":
            yield Fault(path, "nothing came; this key is required")
        case "union_tag_not_found":
            kinds = ", ".join(sorted(_kinds(model, str(path[0]))))
            yield Fault((*path, "kind"), f"nothing came; this key is required; allowed kinds are {kinds}")
        case "union_tag_invalid":
            allowed = or_else(context["tag"], _kinds(model, str(path[0])), "kinds")
            yield Fault((*path, "kind"), f"'{context['tag']}'; {allowed}")
        case "literal_error":
            yield Fault(path, f"{came(path)}; {context['expected']} is allowed")
        case "value_error":
            yield Fault(path, f"{came(path)}; {problem}")
        case kind:
            allowed = _ALLOWED[kind].format(**context) if kind in _ALLOWED else detail["msg"]
            yield Fault(path, f"{came(path)}; {allowed}")


def _why_unknown(key: str, model: type[Part], came: str) -> str:
    """Say why a key is not read: it has gone, it has a new name that is given as well, or it never was one."""
    if key in model.retired:
        why = "since at other values the budgets of false alarms do not hold; leave the key out"
        return f"{came}; it is always {model.retired[key]:g} now, {why}"
    if key in model.renamed:
        new = model.renamed[key]
        return f"it is called {new} now, and {new} is given as well; leave out {key}"
    return f"unknown key; {or_else(key, model.model_fields, 'keys')}"


def _without_tag(location: tuple[int | str, ...]) -> tuple[KeyPath, str | None]:
    """Split off the kind of a source or notifier, which pydantic puts into the path behind its position."""
    if location[:1] in {("sources",), ("notify",)} and len(location) > 2:
        return location[:2] + location[3:], str(location[2])
    return location, None


def _models(annotation: Any) -> Iterator[type[Part]]:
    if isinstance(annotation, type) and issubclass(annotation, Part):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _kinds(model: type[BaseModel], key: str) -> dict[str, type[Part]]:
    models = _models(model.model_fields[key].annotation)
    return {get_args(part.model_fields["kind"].annotation)[0]: part for part in models}


def _model_at(model: type[Part], path: KeyPath, tag: str | None) -> type[Part]:
    """Find the model that owns the keys at that path."""
    if tag is not None:
        return _kinds(model, str(path[0]))[tag]
    for key in path:
        field = model.model_fields.get(str(key))
        model = next(_models(field.annotation), model) if field is not None else model
    return model
