"""The methods paragraph of an analysis, ready for a paper, and how to cite the program.

It says what was done and with which settings, and keeps apart what is proved and what is only calibrated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sentinel import __version__
from sentinel.analysis.record import Choice, SeriesRecord, cadence_in_words, seasons_in_words
from sentinel.analysis.surrogates import SEED
from sentinel.analysis.trend import SURROGATES
from sentinel.config import RISE, SLOWER
from sentinel.domain.printing import some_of
from sentinel.pipeline.plan import Plan
from sentinel.text.words import budget_in_words, first_verdict_after, gap_in_words, rule_and_severity

AUTHORS = "sentinel contributors"
TITLE = (
    "sentinel: watches time series and warns, with a stated false-alarm budget, that one of them is losing resilience"
)
LICENSE = "Apache-2.0"
REFERENCES = (
    "Dakos, V. et al. (2012) Methods for detecting early warnings of critical transitions in time series. "
    "PLoS ONE 7, doi:10.1371/journal.pone.0041010",
    "Scheffer, M. et al. (2009) Early-warning signals for critical transitions. Nature 461, doi:10.1038/nature08227",
    "Shin, J., Ramdas, A. & Rinaldo, A. (2023) E-detectors: a nonparametric framework for sequential change "
    "detection. New England Journal of Statistics in Data Science",
    "Ville, J. (1939) Étude critique de la notion de collectif. Gauthier-Villars, Paris",
)


def cite() -> str:
    """Write the citation as a line of text."""
    return f"{AUTHORS}. {TITLE}. Version {__version__}. {LICENSE}."


def cite_bibtex() -> str:
    """Write the citation as an entry of BibTeX."""
    fields = {
        "author": f"{{{AUTHORS}}}",
        "title": f"{{{TITLE}}}",
        "version": __version__,
        "note": f"License: {LICENSE}",
    }
    lines = [f"  {name:<7} = {{{text}}}," for name, text in fields.items()]
    return "\n".join(["@software{sentinel,", *lines, "}"])


def list_methods(records: Sequence[SeriesRecord], choices: Sequence[Choice]) -> list[str]:
    """Write a paragraph for each choice of settings that some of these series share."""
    of_name = {record.name: record for record in records}
    paragraphs = []
    for choice in choices:
        record = of_name[choice.series[0]]
        assert record.plan is not None
        whom = (
            "Series were" if len(choices) == 1 else f"{len(choice.series):,} series ({some_of(choice.series, 3)}) were"
        )
        paragraphs.append(" ".join(_say(record, record.plan, whom)))
    return paragraphs


def _say(record: SeriesRecord, plan: Plan, whom: str) -> Iterator[str]:
    yield (
        f"{whom} analysed with sentinel {__version__}, tick by tick as if they had come in live: no reading and no "
        f"alarm depends on a later value. One tick is {cadence_in_words(record)}; of several values in a tick "
        f"{'the mean' if plan.mean else 'the last'} counts."
    )
    if plan.conditioning:
        seasons = seasons_in_words(record, plan, plan.seasons)
        parts = [
            f"level and trend (half-life {plan.level_half_life:g} ticks)",
            *([f"the season of {seasons}"] if seasons else []),
            f"scale (half-life {plan.scale_half_life:g} ticks)",
        ]
        yield f"From the past alone {', '.join(parts[:-1])} and {parts[-1]} were estimated and taken out."
    else:
        yield "Values were taken as residuals: neither level, trend, season nor scale was taken out."
    low, high = (f"{one:g}".replace("-", "\N{MINUS SIGN}") for one in (plan.lowest_threshold, plan.highest_threshold))
    yield (
        f"Lag-1 autocorrelation and its 95 % band were read off a bank of {plan.thresholds} null detectors with "
        f"thresholds from {low} to {high}, whose memory fades with a half-life of {plan.half_life:g} ticks; variance "
        f"is its ratio to the first ticks (half-life {plan.spread_half_life:g} ticks). The first verdict needs "
        f"{first_verdict_after(plan):,} values; after a gap of more than {plan.max_gap:,} ticks a series "
        f"{gap_in_words(plan)}."
    )
    yield from _say_rules(plan)
    yield (
        "Kendall's tau, where it is given, looks back at the whole record in windows of half of it; its p-values are "
        f"against {SURROGATES} surrogates without a trend (seed {SEED}), and have no false-alarm budget over time."
    )


def _say_rules(plan: Plan) -> Iterator[str]:
    if not plan.rules:
        yield "No alarm rule was in force."
        return
    rules = [
        rule_and_severity(rule.kind, rule.label, rule.severity)
        + ("" if rule.kind == RISE else f", {budget_in_words(rule.alpha)}")
        for rule in plan.rules
    ]
    yield (
        f"Alarm rules were: {'; '.join(rules)}. An alarm is raised when the evidence of a rule, which bets on bounded "
        "increments (an e-detector; Shin, Ramdas & Rinaldo 2023), reaches 1/alpha."
    )
    kinds = {rule.kind for rule in plan.rules}
    if SLOWER in kinds:
        yield (
            "The rule 'slower than it was' holds a series against its own past; that its false alarms stay within the "
            "budget was calibrated by simulation and is not proved."
        )
    if kinds - {SLOWER, RISE}:
        estimated = (
            "with level, trend, season and scale estimated, as here, that was calibrated by simulation"
            if plan.conditioning
            else "here that holds as far as the residuals are such"
        )
        yield (
            "For rules with a threshold it is a theorem that at most alpha T false alarms are expected in T ticks, if "
            "each value given its past is centred at a known level plus rho times the last deviation, rho at or below "
            f"the threshold, with symmetric shocks; {estimated}."
        )
    if RISE in kinds:
        yield "A rule on the variance above a ratio holds a number against a line and has no budget."
