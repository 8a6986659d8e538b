"""The part of docs/skill.md on the default alarm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from tests.studies.skill.development import ANYWHERE, WHOLE
from tests.studies.skill.early import FASTER, FASTER_RUNS, RECORD, RECORD_BUDGET, RECORD_RUNS, TIERS, Early, Warned

BARS = {
    (WHOLE, 1e-4): (0.90, 0.25), (ANYWHERE, 1e-4): (0.75, 0.15),
    (WHOLE, 1e-3): (0.98, 0.45), (ANYWHERE, 1e-3): (0.92, 0.38),
}  # fmt: skip
"""Runs warned and way left, of the mean over the systems."""
RECORD_BAR = 0.8
"""Halvings seen in a record."""
RECORD_HEAD = """
What counts is how many recovery times a record lasts. Part of the records with an alarm, {runs} records each of
{record} recovery times, AR(1) that begins at a lag 1 of .5 and is sampled as often as said, at a budget of {budget}
false alarms per record ({asked:.1f} was asked):
"""
FASTER_BAR = 0.9
"""Runs warned where a system is sampled faster, as a part of those at the original rate."""
DRIFT_BAR = 0.24
"""Nulls that drift with an alarm at the smallest alpha, of each system: what the prototype had of the fold."""

HEAD = """\
*Slower than it was* ([what it is](slower.md)), by the pipeline, at hourly cadence. *Warned / way left*: part of the
runs with an alarm before the tip, and the median part of the way that was left at the first one, where a run without
one counts 0. *Nulls*: alarms in parts of the budget, and 95 % intervals, on runs whose parameter is held. *Drifting*:
part of the nulls that drift with an alarm at 1e-4.
"""
FRESH = """
The seed of these pages is a lucky one. On six further development seeds (31001 to 31006) the mean is .898 / .283 the
whole way and .724 / .203 from anywhere at 1e-4, .988 / .441 and .927 / .400 at 1e-3. So .90 / .25 and .75 / .15, .98 /
.45 and .92 / .38, which were asked, are narrowly missed in *warned* at 1e-4 and in *way left* at 1e-3 the whole way. On
fresh seeds (20261130), run once with these defaults: .906 / .300 and .724 / .212, .994 / .440 and .922 / .382. Before
the claim *modulus* was cut as it is now, also once (910412): .90 / .28 and .77 / .22, .99 / .42 and .92 / .40.
With 400 runs in the place of 50, measured once, before that, too: of the runs that are warned at the original rate this
part is warned at 8 and 32 times the rate: fold .88 and .91 (standard error .045), transcritical .97 and .99, pitchfork
.90 and .89 (.02), Hopf 1.00 and 1.01.
"""
HELD = """
On twelve seeds (1,200 runs) the null of Hopf spends .91 of its budget at 1e-4, and 1.83 times it where the parameter is
held anywhere on the way; at 1e-3 .60 and .87. [Why, and what was tried](statistics.md#an-oscillation-at-rest).
"""
FASTER_HEAD = """
A system in continuous time may be read more often. At 1e-4 per *original* tick, the whole way, {runs} runs each,
warned / way left:
"""


def text(early: Mapping[str, Early], in_records: Mapping[int, tuple[float, float]]) -> str:
    """Give the section."""
    parts = [HEAD, *_by_system(early), _verdict(early) + FRESH + HELD, *_faster(early), *_in_records(in_records), ""]
    return "\n".join(parts)


def overall(early: Mapping[str, Early], design: str, alpha: float) -> Warned:
    """Give the mean over the systems."""
    return Warned(*np.mean([one.by[design, alpha] for one in early.values()], axis=0).tolist())


def missed(early: Mapping[str, Early]) -> list[str]:
    """Name the bars that are not met."""
    found = []
    for (design, alpha), bar in BARS.items():
        got = overall(early, design, alpha)
        if got.warned < bar[0] or got.left < bar[1]:
            found.append(f"{design} at {alpha:g}: {_shown(got)}, {bar[0]:.2f} / {bar[1]:.2f} was asked")
    for system, one in early.items():
        for factor in FASTER[1:] if one.faster else ():
            share = one.faster[factor].warned / one.faster[1].warned
            if share < FASTER_BAR:
                found.append(
                    f"{_title(system)} sampled {factor} times as often: {share:.2f} of the original, 0.90 was asked"
                )
        found += [
            f"{_title(system)}, nulls that drift, {design}: {part:.2f}, at most {DRIFT_BAR} was asked"
            for design, part in one.drifting.items()
            if part > DRIFT_BAR
        ]
    return found


def _verdict(early: Mapping[str, Early]) -> str:
    names = missed(early)
    return f"\nNot met: {'; '.join(names)}.\n" if names else "\nAll that was asked is met.\n"


def _by_system(early: Mapping[str, Early]) -> Iterator[str]:
    columns = [(design, alpha) for design in (WHOLE, ANYWHERE) for alpha in TIERS.values()]
    titles = [f"{design}, {alpha:g}" for design, alpha in columns]
    titles += [f"nulls, {alpha:g}" for alpha in TIERS.values()]
    yield f"| system | {' | '.join(titles)} | drifting, whole way | drifting, from anywhere |"
    yield "| --- " * (len(titles) + 3) + "|"
    for system, one in early.items():
        cells = [_shown(one.by[column]) for column in columns]
        nulls = [one.null[alpha] for alpha in TIERS.values()]
        cells += [f"{null.value:.2f} ({null.low:.2f} to {null.high:.2f})" for null in nulls]
        cells += [f"{one.drifting[design]:.2f}" for design in (WHOLE, ANYWHERE)]
        yield f"| {_title(system)} | {' | '.join(cells)} |"
    means = [_shown(overall(early, *column)) for column in columns]
    rest = [np.mean([one.null[alpha].value for one in early.values()]) for alpha in TIERS.values()]
    rest += [np.mean([one.drifting[design] for one in early.values()]) for design in (WHOLE, ANYWHERE)]
    yield f"| mean of five | {' | '.join([*means, *(f'{number:.2f}' for number in rest)])} |"


def _faster(early: Mapping[str, Early]) -> Iterator[str]:
    yield FASTER_HEAD.format(runs=FASTER_RUNS)
    yield f"| system | {' | '.join(f'{factor}x' for factor in FASTER)} |"
    yield "| --- " * (1 + len(FASTER)) + "|"
    for system, one in early.items():
        if one.faster:
            yield f"| {_title(system)} | {' | '.join(_shown(one.faster[factor]) for factor in FASTER)} |"


def _in_records(found: Mapping[int, tuple[float, float]]) -> Iterator[str]:
    yield RECORD_HEAD.format(record=f"{RECORD:,}", runs=RECORD_RUNS, budget=RECORD_BUDGET, asked=RECORD_BAR)
    yield f"| sampled | {' | '.join(f'{factor}x' for factor in found)} |"
    yield "| --- " * (1 + len(found)) + "|"
    yield f"| return rate halved in the middle | {' | '.join(f'{slowed:.2f}' for slowed, _ in found.values())} |"
    yield f"| return rate as it was | {' | '.join(f'{steady:.2f}' for _, steady in found.values())} |"


def _shown(warned: Warned) -> str:
    return f"{warned.warned:.2f} / {warned.left:.2f}"


def _title(system: str) -> str:
    return {"hopf": "Hopf"}.get(system, system.replace("_", " "))
