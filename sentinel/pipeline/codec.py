"""The state as named arrays and a JSON header, and back: what a checkpoint holds.

The header says the format. A state of the format before is read too. Arrays and fields of a plan may have been added or
removed since a state was written: a new array starts as in a new series, a new field of a plan is read off the
settings, and what is no longer known is left out. Where that is not enough, `UnreadableState` asks for a replay.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentinel.domain.errors import StateError
from sentinel.domain.gates import GateEvent
from sentinel.domain.spans import Cadence
from sentinel.pipeline import sites
from sentinel.pipeline.arrays import Arrays, Floats, Ints, flatten, unflatten
from sentinel.pipeline.cohort import READ_ONLY, Cohort, CohortState, take_series
from sentinel.pipeline.grid import NEVER
from sentinel.pipeline.join import NO_INTS, Comparisons
from sentinel.pipeline.limits import Limits
from sentinel.pipeline.pipeline import Pipeline, PipelineState
from sentinel.pipeline.plan import Plan, PlanChannel, PlanRule, SeriesPlans
from sentinel.pipeline.state import NO_FLOATS
from sentinel.pipeline.waiting import Waiting, missing_ticks

FORMAT = 5
READABLE = (FORMAT - 1, FORMAT)
"""Formats of states that can be continued."""
_AHEAD = ("grid/next_tick", "grid/newest_us", "grid/pending", "grid/due")
_STARTS = ("conditioner/far", "conditioner/start", "conditioner/jump", "spread/held")
"""They were not in version 0.1.0; what they do is seen in level, scale and spread, and in whether a series is blind."""
_AT_START = ("evidence/waits", "evidence/early", "evidence/held")
_KEPT = ("conditioner/kept", "spread/seasons", "grid/skipped")
"""All 0 where nothing is kept across gaps and no hold was; digests are then those of versions that knew neither."""
_SERIES = ("source_of", "watermarks_us", "ids")
_COMPARISONS = ("own", "target", "counterpart")

_FORMAT_4 = (
    (r"^told_us$", "watermarks_us"),
    (r"^pairing/reference$", "comparisons/counterpart"),
    (r"^pairing/references/", "comparisons/counterparts/"),
    (r"^pairing/", "comparisons/"),
    (r"^(comparisons/(?:targets|counterparts))/pair$", r"\1/comparison"),
    (r"^(comparisons/(?:targets|counterparts))/(?!(?:comparison|tick|kind|value)$)", r"\1/side/"),
    (r"/evidence/reference$", "/evidence/baseline"),
    (r"/last/(lag1|modulus|period|spread|criticality)$", r"/estimates/\1"),
    (r"/last/(low|high)$", r"/estimates/lag1_\1"),
)
"""Changes of the names of arrays since format 4."""
_PLAN_4 = {"reference": "baseline_pairs", "paired": "is_comparison"}


class UnreadableState(StateError):  # noqa: N818 - says what the state is
    """Another version of this program wrote the state, and it cannot be continued from there."""


def to_arrays(state: PipelineState) -> tuple[Arrays, dict[str, Any]]:
    """Take a state apart: arrays by name, and the rest as JSON-ready data."""
    arrays: Arrays = {name: getattr(state, name) for name in _SERIES}
    for i, members in enumerate(state.cohorts):
        arrays |= flatten(members, f"cohort/{i}/")
    arrays |= _waiting_arrays(state.waiting)
    arrays |= {f"comparisons/{name}": getattr(state.comparisons, name) for name in _COMPARISONS}
    for part in ("targets", "counterparts", *(["early"] if state.comparisons.early.tick.size else [])):
        arrays |= flatten(getattr(state.comparisons, part), f"comparisons/{part}/")
    header = {
        "format": FORMAT, "names": list(state.names), "sources": list(state.sources),
        "keys": [[asdict(plan), number] for plan, number in state.keys],
        "waiting": list(state.waiting), "counterparts": list(state.comparisons.counterpart_names),
        "sites": sites.to_record(state.sites), "retired": [list(each) for each in state.retired],
        "forgotten": [list(each) for each in state.forgotten], "renamed": [list(names) for names in state.renamed],
        "events": [event._asdict() for event in state.events],
    }  # fmt: skip
    return arrays, header


def from_arrays(pipeline: Pipeline, arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any]) -> PipelineState:
    """Build the state that `to_arrays` took apart, bitwise, on the plans it had then.

    `pipeline` has the settings that the state was under. Raises UnreadableState if another version of this program
    wrote it, and arrays or plans have become others since; StateError if a newer version did.
    """
    arrays, header = upgrade(arrays, header)
    try:
        return _build(pipeline, arrays, header)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableState(f"checkpoint: its state does not fit ({type(error).__name__}: {error})") from error


def upgrade(
    arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any]
) -> tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]]:
    """Give arrays and header of an older format the names of this one; errors as of `from_arrays`."""
    came = header.get("format")
    if type(came) is not int or came > FORMAT:
        raise StateError(
            f"checkpoint: state format {came}; this sentinel knows formats up to {FORMAT}; "
            "start the sentinel that wrote the checkpoint, or set another daemon.state_dir"
        )
    if came == FORMAT:
        return arrays, header
    if came not in READABLE:
        raise UnreadableState(f"checkpoint: state format {came}; formats from {FORMAT - 1} on are read")
    renamed = {}
    for name, array in arrays.items():
        for before, now in _FORMAT_4:
            name = re.sub(before, now, name)
        renamed[name] = array
    plans = [[{_PLAN_4.get(key, key): value for key, value in plan.items()}, at] for plan, at in header["keys"]]
    new = {"keys": plans, "counterparts": header["references"], "watermarks": header.get("clocks", {})}
    return renamed, {**header, **new, "format": FORMAT}


def digest(members: CohortState, row: int) -> str:
    """Fingerprint what one series has become by its last stepped tick; 16 hex digits. What the grid has read ahead
    depends on how the observations came in batches, so it is left out."""
    hashed = hashlib.blake2b(digest_size=8)
    # Without a rule of kind slower nothing is gathered for one; digests are then those of versions that had none.
    left_out = READ_ONLY if members.slower.open.shape[1] else (*READ_ONLY, "slower")
    for name, array in flatten(members).items():
        if name in (*_AT_START, *_KEPT) and not array[row].any():  # likewise: rules raise alarms, nothing is kept
            continue
        if not name.startswith(("series", *(f"{part}/" for part in left_out), *_AHEAD, *_STARTS)):
            hashed.update(np.ascontiguousarray(array[row]).tobytes())
    return hashed.hexdigest()


def _build(pipeline: Pipeline, arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any]) -> PipelineState:
    entries = missing_ticks(0)
    own, target, counterpart = (arrays[f"comparisons/{name}"] for name in _COMPARISONS)
    parts = ("targets", "counterparts", *(["early"] if "comparisons/early/tick" in arrays else []))
    waits = [_read_waiting(entries, arrays, f"comparisons/{part}/") for part in parts]
    comparisons = Comparisons(own, target, counterpart, tuple(header["counterparts"]), *waits)
    names = tuple(header["names"])
    plans = SeriesPlans(pipeline.plans, names, comparisons.target_of(len(names)))
    keys, cohorts = [], []
    for i, (stored, number) in enumerate(header["keys"]):
        prefix = f"cohort/{i}/"
        mine = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
        for plan, rows in _read_plans(plans, stored, mine["series"]):
            keys.append((plan, int(number)))
            cohorts.append(take_series(_fit(pipeline.cohort(plan), mine), rows))
    return PipelineState(
        names=names, sources=tuple(header["sources"]), waiting=_waiting(arrays, header["waiting"]),
        comparisons=comparisons, sites=sites.from_record(header["sites"]), source_of=arrays["source_of"],
        watermarks_us=arrays["watermarks_us"], ids=arrays["ids"],
        retired=read_gone(header, "retired"), forgotten=read_gone(header, "forgotten"),
        renamed=tuple(tuple(names) for names in header.get("renamed", ())),
        events=tuple(map(GateEvent.from_record, header.get("events", ()))),
    ).with_cohorts(keys, cohorts)  # fmt: skip


def _read_waiting(pattern: Waiting, arrays: Mapping[str, NDArray[Any]], prefix: str) -> Waiting:
    """Read the ticks that wait; those of a state that did not know when they came, came in time."""
    came = {f"{prefix}due_us": np.full(arrays[f"{prefix}tick"].size, NEVER), **arrays}
    return unflatten(pattern, came, prefix)


def read_gone(header: Mapping[str, Any], key: str) -> tuple[tuple[int, str, str], ...]:
    """Read which series were retired, or forgotten."""
    return tuple((int(number), name, source) for number, name, source in header.get(key, ()))


def _read_plans(plans: SeriesPlans, stored: Mapping[str, Any], series: Ints) -> Iterator[tuple[Plan, Ints]]:
    """Read the plan of a cohort; fields that it does not have yet may be different for some of its series."""
    known = {field.name for field in fields(Plan)}
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in stored.items()}
    values["rules"] = _read_rules(stored["rules"])
    if stored.get("checks"):
        values["checks"] = Limits(*stored["checks"])
    kept = {name: value for name, value in values.items() if name in known and value is not None}
    if kept.keys() == known:
        yield Plan(**kept), np.arange(series.size)
        return
    cadence = Cadence(stored["cadence_us"], stored["months"])
    for plan, rows in plans.divide(series, cadence, conditioning=stored["conditioning"]):
        yield replace(plan, **kept), rows


def _read_rules(stored: Sequence[Mapping[str, Any]]) -> tuple[PlanRule, ...] | None:
    """Read the rules of a plan; None if they have other fields now."""
    try:
        return tuple(
            PlanRule(**{**rule, "channels": tuple(PlanChannel(**part) for part in rule["channels"]),
                        "bets": tuple(rule["bets"])})
            for rule in stored
        )  # fmt: skip
    except (KeyError, TypeError):
        return None


def _fit(cohort: Cohort, arrays: Mapping[str, NDArray[Any]]) -> CohortState:
    """Build a cohort; a new array is as in new series. ValueError if shapes differ, or one may have been renamed."""
    fresh = cohort.init(arrays["series"])
    found = flatten(fresh)
    if "spread/points" in arrays and "spread/held" not in arrays:  # its baseline was full as soon as it was given
        arrays = {**arrays, "spread/held": np.minimum(arrays["spread/points"], cohort.scoring.spread.given_from)}
    added, removed = found.keys() - arrays.keys(), arrays.keys() - found.keys()
    if added and removed:
        raise ValueError(f"{', '.join(sorted(removed))} came, {', '.join(sorted(added))} is needed")
    for name, pattern in found.items():
        if name in arrays:
            array = _fit_array(name, arrays[name], pattern)
            rows = slice(1 if name.startswith("grid/pending") else 0, None)
            if (array.dtype, array.shape[rows]) != (pattern.dtype, pattern.shape[rows]):
                raise ValueError(f"{name} of {array.dtype} {array.shape}; {pattern.dtype} {pattern.shape} is needed")
            found[name] = array
    return unflatten(fresh, found)


def _fit_array(name: str, array: NDArray[Any], pattern: NDArray[Any]) -> NDArray[Any]:
    """Give the far values of a state that had fewer columns those that have come since; where no rule is of kind
    slower leave out what was kept for one."""
    if name.startswith("slower/") and not pattern.size:
        return pattern
    if name != "conditioner/far" or not array.shape[1] < pattern.shape[1]:
        return array
    return np.concatenate([array, pattern[:, array.shape[1] :]], axis=1)


def _waiting_arrays(waiting: Mapping[int, tuple[Ints, Floats]]) -> Arrays:
    """Put all that waits in three columns: two arrays per series would be as many pieces of a checkpoint, all tiny."""
    lengths = [times.size for times, _ in waiting.values()]
    return {
        "waiting/series": np.repeat(np.array(list(waiting), np.int64), lengths),
        "waiting/time": np.concatenate([NO_INTS, *(times for times, _ in waiting.values())]),
        "waiting/value": np.concatenate([NO_FLOATS, *(values for _, values in waiting.values())]),
    }


def _waiting(arrays: Mapping[str, NDArray[Any]], ids: Sequence[int]) -> dict[int, tuple[Ints, Floats]]:
    """Divide the columns by series again, in the order of `ids`; a series without observations has no rows there."""
    if not ids:
        return {}
    found, counts = np.unique(arrays["waiting/series"], return_counts=True)
    lengths = dict(zip(found.tolist(), counts.tolist(), strict=True))
    ends = np.cumsum([lengths.get(i, 0) for i in ids])[:-1]
    times, values = np.split(arrays["waiting/time"], ends), np.split(arrays["waiting/value"], ends)
    return dict(zip(ids, zip(times, values, strict=True), strict=True))
