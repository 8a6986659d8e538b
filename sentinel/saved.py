"""The pipeline's state as named arrays and a JSON header, and back: what a checkpoint holds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentinel.cohort import CohortState
from sentinel.pipeline import Pipeline, PipelineState
from sentinel.plan import Plan, PlanRule

FORMAT = 1
_AHEAD = ("grid/next_tick", "grid/newest_us", "grid/pending")
Arrays = dict[str, NDArray[Any]]


def to_arrays(state: PipelineState) -> tuple[Arrays, dict[str, Any]]:
    """Everything of the state: arrays by name, and the rest as JSON-ready data."""
    arrays: Arrays = {name: getattr(state, name) for name in ("source_of", "cohort_of", "row_of")}
    for i, members in enumerate(state.cohorts):
        arrays |= {f"cohort/{i}/{name}": array for name, array in _flat(members).items()}
    for i, (times, values) in state.waiting.items():
        arrays[f"waiting/{i}/time"], arrays[f"waiting/{i}/value"] = times, values
    plans = [asdict(plan) for plan, _ in state.keys]
    header = {
        "format": FORMAT, "names": list(state.names), "sources": list(state.sources),
        "keys": [[plan, number] for plan, (_, number) in zip(plans, state.keys, strict=True)],
        "waiting": list(state.waiting),
    }  # fmt: skip
    return arrays, header


def from_arrays(pipeline: Pipeline, arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any]) -> PipelineState:
    """The state that `to_arrays` took apart, bitwise, on the plans it had then."""
    keys = tuple((_plan(plan), int(number)) for plan, number in header["keys"])
    cohorts = []
    for i, (plan, _) in enumerate(keys):
        pattern = pipeline.cohort(plan).init(np.empty(0, np.int64))
        prefix = f"cohort/{i}/"
        cohorts.append(_shaped(pattern, {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}))
    waiting = {int(i): (arrays[f"waiting/{i}/time"], arrays[f"waiting/{i}/value"]) for i in header["waiting"]}
    return PipelineState(
        names=tuple(header["names"]), sources=tuple(header["sources"]), source_of=arrays["source_of"],
        cohort_of=arrays["cohort_of"], row_of=arrays["row_of"], keys=keys, cohorts=tuple(cohorts), waiting=waiting,
    )  # fmt: skip


def digest(members: CohortState, row: int) -> str:
    """Fingerprint of everything that one series has become by its last stepped tick; 16 hex digits.

    How far the grid has read ahead of that tick depends on how the observations came in batches, so it is left out.
    """
    hashed = hashlib.blake2b(digest_size=8)
    for name, array in _flat(members).items():
        if not name.startswith(("series", "last/", *_AHEAD)):
            hashed.update(np.ascontiguousarray(array[row]).tobytes())
    return hashed.hexdigest()


def _plan(fields: Mapping[str, Any]) -> Plan:
    rules = tuple(PlanRule(**rule) for rule in fields["rules"])
    return Plan(**{**fields, "rules": rules, "seasons": tuple(fields["seasons"])})


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
