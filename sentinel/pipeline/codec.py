"""The pipeline's state as named arrays and a JSON header, and back: what a checkpoint holds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentinel.config import BankSettings
from sentinel.domain.errors import StateError
from sentinel.pipeline import sites
from sentinel.pipeline.cohort import READ_ONLY, CohortState
from sentinel.pipeline.conditioning import Half
from sentinel.pipeline.pairing import PairingState, Waiting
from sentinel.pipeline.pipeline import Pipeline, PipelineState
from sentinel.pipeline.plan import Plan, PlanChannel, PlanRule

FORMAT = 4
_AHEAD = ("grid/next_tick", "grid/newest_us", "grid/pending")
_SERIES = {
    "source_of": "source_of", "told_us": "watermarks_us", "cohort_of": "cohort_of", "row_of": "row_of", "ids": "ids",
}  # fmt: skip
"""Arrays of the state by name, each with its field."""
_PAIRS = {"own": "own", "target": "target", "reference": "counterpart"}
Arrays = dict[str, NDArray[Any]]


def to_arrays(state: PipelineState) -> tuple[Arrays, dict[str, Any]]:
    """Everything of the state: arrays by name, and the rest as JSON-ready data."""
    arrays: Arrays = {name: getattr(state, field) for name, field in _SERIES.items()}
    for i, members in enumerate(state.cohorts):
        arrays |= {f"cohort/{i}/{name}": array for name, array in _flat(members).items()}
    arrays |= _waiting_arrays(state.waiting) | _pairing_arrays(state.pairing)
    plans = [asdict(plan) for plan, _ in state.keys]
    header = {
        "format": FORMAT, "names": list(state.names), "sources": list(state.sources),
        "keys": [[plan, number] for plan, (_, number) in zip(plans, state.keys, strict=True)],
        "waiting": list(state.waiting), "references": list(state.pairing.counterpart_names),
        "sites": sites.to_record(state.sites),
    }  # fmt: skip
    return arrays, header


def from_arrays(pipeline: Pipeline, arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any]) -> PipelineState:
    """The state that `to_arrays` took apart, bitwise, on the plans it had then.

    Raises
    ------
    StateError
        Another program wrote it: its format, its plans or the names of its arrays are not those known here.
    """
    if header.get("format") != FORMAT:
        raise _foreign(f"state format {header.get('format')}")
    try:
        return _put_together(pipeline, arrays, header)
    except (KeyError, TypeError) as error:
        raise _foreign(f"state that does not fit ({type(error).__name__}: {error})") from error


def _foreign(came: str) -> StateError:
    return StateError(
        f"checkpoint: {came}; this sentinel knows format {FORMAT}, with its own plans and arrays; "
        "start the sentinel that wrote the checkpoint, or set another daemon.state_dir"
    )


def _put_together(pipeline: Pipeline, arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any]) -> PipelineState:
    keys = tuple((_plan(plan), int(number)) for plan, number in header["keys"])
    cohorts = []
    for i, (plan, _) in enumerate(keys):
        pattern = pipeline.cohort(plan).init(np.empty(0, np.int64))
        prefix = f"cohort/{i}/"
        cohorts.append(_shaped(pattern, {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}))
    return PipelineState(
        names=tuple(header["names"]), sources=tuple(header["sources"]), keys=keys, cohorts=tuple(cohorts),
        waiting=_waiting(arrays, header["waiting"]), pairing=_pairing(arrays, header["references"]),
        sites=sites.from_record(header["sites"]), **{field: arrays[name] for name, field in _SERIES.items()},
    )  # fmt: skip


def digest(members: CohortState, row: int) -> str:
    """Fingerprint of everything that one series has become by its last stepped tick; 16 hex digits.

    How far the grid has read ahead of that tick depends on how the observations came in batches, so it is left out.
    """
    hashed = hashlib.blake2b(digest_size=8)
    for name, array in _flat(members).items():
        if not name.startswith(("series", *(f"{part}/" for part in READ_ONLY), *_AHEAD)):
            hashed.update(np.ascontiguousarray(array[row]).tobytes())
    return hashed.hexdigest()


def _waiting_arrays(waiting: Mapping[int, tuple[NDArray[np.int64], NDArray[np.float64]]]) -> Arrays:
    """All that waits in three columns: two arrays per series would be as many pieces of a checkpoint, all tiny."""
    lengths = [times.size for times, _ in waiting.values()]
    return {
        "waiting/series": np.repeat(np.array(list(waiting), np.int64), lengths),
        "waiting/time": np.concatenate([np.empty(0, np.int64), *(times for times, _ in waiting.values())]),
        "waiting/value": np.concatenate([np.empty(0), *(values for _, values in waiting.values())]),
    }


def _waiting(
    arrays: Mapping[str, NDArray[Any]], ids: Sequence[int]
) -> dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """The columns by series again, in the order of `ids`; a series without observations has none of their rows."""
    if not ids:
        return {}
    found, counts = np.unique(arrays["waiting/series"], return_counts=True)
    lengths = dict(zip(found.tolist(), counts.tolist(), strict=True))
    ends = np.cumsum([lengths.get(i, 0) for i in ids])[:-1]
    times, values = np.split(arrays["waiting/time"], ends), np.split(arrays["waiting/value"], ends)
    return dict(zip(ids, zip(times, values, strict=True), strict=True))


def _pairing_arrays(pairs: PairingState) -> Arrays:
    arrays: Arrays = {f"pairing/{name}": getattr(pairs, field) for name, field in _PAIRS.items()}
    for part, entries in (("targets", pairs.targets), ("references", pairs.counterparts)):
        columns = {**entries._asdict(), **entries.half._asdict()}
        arrays |= {f"pairing/{part}/{name}": array for name, array in columns.items() if name != "half"}
    return arrays


def _pairing(arrays: Mapping[str, NDArray[Any]], names: Sequence[str]) -> PairingState:
    targets, counterparts = (
        Waiting(
            half=Half(*(arrays[f"pairing/{part}/{name}"] for name in Half._fields)),
            **{name: arrays[f"pairing/{part}/{name}"] for name in Waiting._fields if name != "half"},
        )
        for part in ("targets", "references")
    )
    own, target, counterpart = (arrays[f"pairing/{name}"] for name in _PAIRS)
    return PairingState(own, target, counterpart, tuple(names), targets, counterparts)


def _plan(fields: Mapping[str, Any]) -> Plan:
    rules = tuple(
        PlanRule(**{**rule, "channels": tuple(PlanChannel(**part) for part in rule["channels"]),
                    "bets": tuple(rule["bets"])})
        for rule in fields["rules"]
    )  # fmt: skip
    seasons = {name: tuple(fields[name]) for name in ("seasons", "season_half_lives", "seasons_left_out")}
    kept = {name: value for name, value in fields.items() if name not in BankSettings.retired}  # 0.1.0 wrote these too
    return Plan(**{**kept, **seasons, "rules": rules})


def _flat(members: CohortState) -> Arrays:
    arrays: Arrays = {"series": members.series}
    for part in CohortState._fields[1:]:
        arrays |= {f"{part}/{name}": array for name, array in getattr(members, part)._asdict().items()}
    return arrays


def _shaped(pattern: CohortState, arrays: Mapping[str, NDArray[Any]]) -> CohortState:
    parts = {
        part: type(getattr(pattern, part))(
            **{name: arrays[f"{part}/{name}"] for name in getattr(pattern, part)._fields}
        )
        for part in CohortState._fields[1:]
    }
    return CohortState(series=arrays["series"], **parts)
