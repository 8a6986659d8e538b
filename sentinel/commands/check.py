"""`sentinel check` and `sentinel schema`: what a configuration means, in words, before anything runs."""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from glob import has_magic
from math import floor

from sentinel import config
from sentinel.domain.clock import Clock
from sentinel.domain.errors import ConfigError, DataError
from sentinel.domain.labels import NAME, chooses_by_label, comparison_name, fits, read_key, write_key
from sentinel.domain.spans import DAY, Cadence, print_duration, print_season, print_size
from sentinel.notify import make_receiver, say_what_lacks
from sentinel.pipeline.plan import STAMPS_FOR_CADENCE, Plan, Plans, defaults_for, list_names, plan_for, plan_of
from sentinel.pipeline.sites import without_enough
from sentinel.sources import Source, make_sources
from sentinel.sources.claims import look_at, shared_series
from sentinel.text import words
from sentinel.text.checks import limits_in_words
from sentinel.text.events import declared_in_words

_FLEET = 1_000
"""Series that are counted with where the sources do not know theirs."""
_LISTED_CADENCES = (Cadence.parse("1h"), Cadence.parse("1d"))


def main(arguments: argparse.Namespace) -> int:
    """Load the configuration, print what it means; ConfigError with all its faults if it cannot be used."""
    notices: list[str] = []
    settings = config.load(arguments.config, notices.append)
    try:
        sources = make_sources(settings.sources, Clock())
    except ConfigError as error:
        raise ConfigError("\n".join(f"{arguments.config}: {line}" for line in str(error).split("\n"))) from error
    print(f"{arguments.config}: valid")
    for line in summary(settings, sources):
        print(line)
    for line in notices:
        print(f"notice: {line}")
    for line in remarks(settings, sources):
        print(f"remark: {line}")
    if arguments.compile:
        # Imported here, since it takes longer than everything else that is checked.
        from sentinel.runtime.kernels import compile_kernels, needs_of

        compile_kernels(needs_of(settings))
        print("compiled: the first start with this configuration need not")
    return 0


def print_schema(_: argparse.Namespace) -> int:
    """Print the JSON Schema of configuration files."""
    print(config.schema_text(), end="")
    return 0


def summary(settings: config.Settings, sources: Sequence[Source] = ()) -> Iterator[str]:
    """Say what the configuration means, line by line."""
    daemon, web = settings.daemon, settings.web
    yield (
        f"daemon: state in the folder {daemon.state_dir}, saved every {print_duration(daemon.checkpoint_every)}; "
        f"journal kept {print_duration(daemon.retention)} and {daemon.retention_ticks} ticks a series, "
        f"at most {print_size(daemon.retention_bytes)}"
    )
    yield f"web: http://{web.listen}, up to {web.max_series} series one by one in /metrics"
    if not sources:
        yield "sources: none; nothing will come in under `sentinel run`, `sentinel backtest` needs none"
    for source in sources:
        yield f"source {source.name}: {source.describe()}"
    for entry in settings.series or (config.SeriesSettings(),):
        example = f" (say {_example(entry.match)})" if entry.counterpart and "*" in entry.match else ""
        yield f"series {entry.match}{example}:"
        yield from (f"  {line}" for line in _series(settings, entry))
    for name, bank in settings.banks.items():
        yield f"bank {name}: {_bank(bank)}"
    names = _known(sources)
    settings = settings.divide(list_names(settings, names)) if names else settings
    for rule in settings.alarms:
        yield f"rule {rule.match}: {_rule(rule)}"
    yield from _false_alarms_a_day(settings, names)
    yield from _overdrawn(settings.alarms)
    if not settings.alarms:
        yield "rules: none; nothing will alarm"
    for event in settings.events:
        yield f"event: {declared_in_words(event.to_event())}"
    for site in settings.sites:
        yield f"site {site.name}: {_site(site)}"
    for each in settings.notify:
        receiver = make_receiver(each)
        yield f"notify {receiver.name}: {receiver.describe()}"
    if not settings.notify:
        yield "notify: nowhere; alarms are seen in /metrics and on the page only"


def remarks(settings: config.Settings, sources: Sequence[Source]) -> Iterator[str]:
    """Say what cannot work with what the sources have now; no fault, for files may come later.

    Of series and rules nothing is said where the names of one source's series are in its rows.
    """
    for file in settings.event_files:
        try:
            list(file.read())
        except DataError as error:
            yield f"event_files: {error}; the daemon does not start without it"
    for source in sources:
        yield from (f"source {source.name}: {remark}" for remark in source.remarks())
    yield from _web_remarks(settings.web)
    for receiver in settings.notify:
        yield from (f"notify {receiver.name}: {remark}" for remark in say_what_lacks(receiver))
    if len(sources) > 1:
        yield from shared_series(sources, look_at(sources))
    names = _known(sources)
    if not names:
        literal = [site for site in settings.sites if not (has_magic(site.match) or chooses_by_label(site.match))]
        yield from (line for site in literal for line in without_enough([site], [[site.match]]))
        if any(source.labels or getattr(source, "keep_labels", False) for source in settings.sources):
            present = sorted(frozenset().union(*(claim.present for claim in look_at(sources).values())))
            yield from _unfitted(settings, present, only_by_label=True)
        return
    judged = [list_names(settings, [name]) for name in names]
    yield from _unfitted(settings, names)
    yield from without_enough(settings.sites, judged)


def _unfitted(settings: config.Settings, names: Sequence[str], *, only_by_label: bool = False) -> Iterator[str]:
    """Say which entries fit none of these series; where it is their labels that keep them from it, what would."""
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
    everyone = list_names(settings, names)
    for part, entries, among in (("series", settings.series, names), ("rule", settings.alarms, everyone)):
        for match in dict.fromkeys(entry.match for entry in entries):
            if any(fits(name, match) for name in among):
                continue
            near = next((name for name in among if read_key(name).labels and fits(name, match + "{}")), None)
            form = ""
            if near is not None:
                asked = ", ".join(f"{key}: '{text}'" for key, text in {NAME: match, **read_key(near).labels}.items())
                form = f"; without braces it asks for the whole key: match: '{match}{{}}' or {{{asked}}} would fit"
            if form or not only_by_label:
                yield f"{part} {match}: matches none of the series that the sources have now ({listed}){form}"


def _web_remarks(web: config.WebSettings) -> Iterator[str]:
    if web.config_file is not None:
        from sentinel.views.web import Guard

        try:
            Guard(web.config_file)
        except ConfigError as error:
            yield from (f"web: {line}" for line in str(error).splitlines())
    elif not config.is_loopback(web.address[0]):
        yield f"web: who reaches {web.listen} can read the page; a config_file asks for users and TLS"


def _known(sources: Sequence[Source]) -> list[str]:
    """Name the series that the sources have now; none where a source cannot know them before it reads."""
    known = [source.known_series() for source in sources]
    return [] if None in known else sorted(frozenset().union(*(each for each in known if each is not None)))


def _false_alarms_a_day(settings: config.Settings, names: Sequence[str]) -> Iterator[str]:
    """Say how many false alarms a day the budgets allow for all series together, at most."""
    now = f"the {len(names):,} series that the sources have now"
    whose = now if names else f"{_FLEET:,} series without entries of their own"
    everyone = names or [f"x{number}" for number in range(_FLEET)]
    settings = settings.divide(list_names(settings, everyone))
    plans = Plans(settings)
    declared = [settings.series_for(name).cadence for name in everyone]
    for cadence in _LISTED_CADENCES:
        budgets: dict[str, float] = defaultdict(float)
        for name, own in zip(everyone, declared, strict=True):
            for judged in list_names(settings, [name]):
                plan = plans.find(name, judged, own or cadence, conditioning=True)
                for rule in plan.rules:
                    budgets[rule.severity] += rule.alpha * DAY / plan.cadence_us
        if budgets:
            tiers = " and ".join(f"{number:.2g} {severity}" for severity, number in budgets.items())
            at = "" if None not in declared else f", if cadences that are not declared are {cadence}"
            yield f"false alarms to expect, at most: {tiers} a day of {whose}{at}"
        if None not in declared:
            return


def _series(settings: config.Settings, entry: config.SeriesSettings) -> Iterator[str]:
    seasons = ", ".join(print_season(season) for season in entry.season)
    yield f"season {seasons}" if seasons else "no season is taken out; a cycle in the data would look like slowing"
    name = _example(entry.match)
    if entry.cadence is not None:
        yield f"cadence {entry.cadence}, ticks close {print_duration(entry.lateness)} after their end"
        yield from _effective(settings, name, entry.cadence)
        return
    yield f"cadence learnt from the first {STAMPS_FOR_CADENCE} event times; declare it to see all that it decides"
    for cadence in _LISTED_CADENCES:
        yield f"if it is {cadence}:"
        yield from (f"  {line}" for line in _in_brief(settings, name, cadence))
        for fault in entry.checks.faults_at(cadence) if entry.checks else ():
            yield f"  check {' '.join(map(str, fault.path))} cannot act as it is meant: {fault.message}"


def _in_brief(settings: config.Settings, name: str, cadence: Cadence) -> Iterator[str]:
    """Say what an operator asks first of a cadence that is not known yet."""
    plan = plan_for(settings, name, cadence)
    yield (
        f"first verdict after {words.span(words.first_verdict_after(plan), cadence)} with a value, blind after "
        f"{words.span(plan.blind_after_missing, cadence)} without, stale after "
        f"{words.span(plan.stale_after_us / plan.cadence_us, cadence)}; "
        f"a gap of more than {words.span(plan.max_gap, cadence)} {words.gap_in_words(plan)}"
    )
    for budget, *seen, _ in _rules(settings, name, plan, cadence):
        soon = (line.strip().partition("; once")[0] for line in seen if " is seen after " in line)
        yield "; ".join((budget, *soon))


def _effective(settings: config.Settings, name: str, cadence: Cadence) -> Iterator[str]:
    """Say what only the cadence decides, in ticks and in time."""
    plan = plan_for(settings, name, cadence)
    verdict = words.first_verdict_after(plan)
    yield (
        f"first verdict after {words.span(verdict, cadence)} = {verdict} ticks with a value"
        f"{words.raised_in_words(plan)}; a gap of more than {words.span(plan.max_gap, cadence)} = {plan.max_gap} ticks "
        f"{words.gap_in_words(plan)}; stale after {words.span(plan.stale_after_us / plan.cadence_us, cadence)}"
    )
    yield (
        f"blind after {words.span(plan.blind_after_missing, cadence)} = {plan.blind_after_missing} missing ticks in a "
        f"row, {plan.stuck_after} equal values, 3 values farther than {plan.implausible:g} scales from the level, or "
        f"where values that differ lie more than {plan.coarse_steps:.3g} scales apart on average"
    )
    if plan.checks:
        yield limits_in_words(plan.checks, cadence)
    if plan.resolution:
        yield f"values are rounded to multiples of {plan.resolution:.15g}"
    rules = _rules(settings, name, plan, cadence)
    # How a rule ends and what it bets is mostly the same for all of them, and then said once.
    same = len(rules) > 1 and len({lines[-1] for lines in rules}) == 1
    for lines in rules:
        yield from lines[:-1] if same else lines
    if same:
        yield f"each of them {rules[0][-1].strip()}"
    if not rules:
        yield "no rule is for these series; they never alarm"
    yield from _compared(settings, name, cadence, [lines[0] for lines in rules])
    yield from words.describe_bank(plan, settings.bank_for(name), cadence)


def _rules(settings: config.Settings, name: str, plan: Plan, cadence: Cadence) -> list[list[str]]:
    """List the lines of each rule: the budget, what it sees how soon, how it ends."""
    both = zip(plan.rules, settings.rules_for(name), strict=True)
    return [list(words.describe_rule(plan, rule, written, cadence)) for rule, written in both]


def _bank(bank: config.BankSettings) -> str:
    short, long = (defaults_for(cadence.microseconds) for cadence in _LISTED_CADENCES)
    preset = f"by preset {bank.preset}" if bank.preset else ""
    memory = bank.half_life or preset or f"{short.half_life:g} ticks ({long.half_life:g} from a cadence of 1d on)"
    return f"{bank.thresholds} detectors from {bank.lowest:g} to {bank.highest:g}, half-life {memory}"


def _rule(rule: config.AlarmSettings) -> str:
    if rule.kind == config.RISE:
        return f"{rule.severity} on {words.rule_in_words(rule.kind, rule.label)}, without a budget: calibrated only"
    budget = f"alpha {rule.alpha:g} per tick" if rule.alpha is not None else f"budget {rule.false_alarms}"
    share = f", of which it takes {rule.share:g}" if rule.share != 1.0 else ""
    many = "all series of the fleet" if rule.shared_by == config.FLEET else f"{rule.shared_by:,} series"
    series = "each series" if rule.shared_by == 1 else f"{many} together"
    return f"{rule.severity} on {words.rule_in_words(rule.kind, rule.label)}, {budget} of {series}{share}"


def _overdrawn(rules: tuple[config.AlarmSettings, ...]) -> Iterator[str]:
    """Name budgets of which several rules take more, together, than there is."""
    taken: dict[tuple[object, ...], list[config.AlarmSettings]] = {}
    for rule in rules:
        taken.setdefault((rule.match, rule.kind, rule.alpha, rule.false_alarms, rule.shared_by), []).append(rule)
    for sharing in taken.values():
        total, first = sum(rule.share for rule in sharing), sharing[0]
        if total > 1.0 + 1e-9 and any(rule.share < 1.0 for rule in sharing):
            budget = f"alpha {first.alpha:g}" if first.alpha is not None else str(first.false_alarms)
            yield (
                f"rules {first.match}: the shares of their budget {budget} on {first.kind} add up to {total:g}; "
                f"together they may raise {total:g} times as many false alarms as it says"
            )


def _compared(settings: config.Settings, name: str, cadence: Cadence, alone: list[str]) -> Iterator[str]:
    """Say what a counterpart adds: a series more, with budgets of its own; `alone` are those of the series itself."""
    counterpart = settings.counterpart_for(name)
    if counterpart is None:
        return
    own = comparison_name(name, counterpart)
    plan = plan_of(settings, name, own, cadence)
    rules = [lines[0] for lines in _rules(settings, own, plan, cadence)]
    same = "the same " if rules and rules == alone else ""
    yield (
        f"judged against {counterpart} as well, as '{own}', with budgets of its own (rules for that name: "
        f"{same}{len(plan.rules)}); without the counterpart for more than {plan.blind_after_missing} values it is "
        "judged alone"
    )
    first = words.first_verdict_after(plan)
    yield f"'{own}' has its first verdict after {words.span(first, cadence)} = {first} ticks with both, at the earliest"
    longest = plan_for(settings, counterpart, cadence).patience
    silent = max(plan.blind_after_missing, floor(plan.stale_after_us / plan.cadence_us))
    yield (
        f"where the source of {counterpart} is slower, '{own}' waits for at most {words.span(longest, cadence)} = "
        f"{longest} ticks, and is blind (reference_behind) while more than {words.span(silent, cadence)} = {silent} "
        "ticks wait"
    )
    if not same:
        yield from (f"'{own}' {line}" for line in rules)


def _site(site: config.SiteSettings) -> str:
    kind = "of any kind" if site.kind == "any" else f"on {site.kind}"
    within = f", raised within {print_duration(site.within)}" if site.within is not None else ""
    return (
        f"alarms when {site.k} series of '{site.match}' have an open alarm {kind}{within}; "
        f"with n such series it raises at most n/{site.k} times as many false alarms as one of them"
    )


def _example(match: str) -> str:
    """Make a key that the pattern fits."""
    if chooses_by_label(match):
        name, labels = read_key(match.removesuffix("{}"))
        return write_key(_example(name) or "x", {label: _example(value) for label, value in labels.items()})
    return re.sub(r"\[(?!!)(.)[^]]*\]", r"\1", match.replace("*", "x")).replace("?", "x")
