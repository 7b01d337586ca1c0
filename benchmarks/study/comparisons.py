"""Tables that hold one arm of a study against another: attention, variants, set-ups, twins."""

import itertools
import math
from collections.abc import Iterator

from attention_twins.tables import Table
from benchmarks.common.statistics import Interval
from benchmarks.study.arms import Arm, label
from benchmarks.study.records import Study
from benchmarks.study.summary import (
    equivalence,
    median_of,
    median_ratio,
    middle,
    probability_better,
)
from shared.config import MODELS, WITH_VARIANTS

WITHOUT = "attention better", "that without"


def best_rate(study: Study, arm: Arm) -> float:
    """The learning rate with the smallest median training error."""

    def median(rate: float) -> float:
        errors = [*study.errors(arm, rate, "train").values()]
        return middle(errors) if errors else math.inf

    return min(study.rates_of(arm), key=median)


def of(study: Study, arm: Arm, side: str = "test") -> dict[int, float]:
    """Errors at an arm's best learning rate."""
    return study.errors(arm, best_rate(study, arm), side)


def searched_table(study: Study) -> Table:
    """What searches have found, on seeds and test rows that no trial has seen."""
    columns = (
        "searched from",
        *("units", "batch size", "attention", "learning rate"),
        "median test error",
        "before",
        "P(better than before)",
        "verdict",
        "median error, times as large",
    )
    lines = []
    for base, found in study.searched:
        for _, *cells in _against(study, found, base):
            before = [arm for arm in study.arms if not arm.learning_rate]
            variant = found.variant if found.model in WITH_VARIANTS else ""
            sizes = [found.units, found.batch_size, variant, f"{found.learning_rate:.2g}"]
            medians = [median_of([*of(study, arm).values()]) for arm in (found, base)]
            lines.append([label(base, before), *map(str, [*sizes, *medians]), *cells])
    trials = study.plan.get("searched", {}).get("trials", 0)
    return Table(f"Found by search, {trials} trials each", columns, lines, left=1)


def attention_table(study: Study) -> Table:
    """With attention against without, all else equal."""
    lines = [line for pair in rivals(study) for line in _against(study, *pair)]
    return _against_table("Attention against none", WITHOUT, lines)


def rates_table(study: Study) -> Table:
    """The same where both have one learning rate, not each its best."""
    lines = [
        [f"{name}, {rate:g}", *cells]
        for arm, other in rivals(study)
        for rate in study.rates
        if len(study.rates) > 1 and not arm.learning_rate
        for name, *cells in _against(study, arm, other, rate)
    ]
    return _against_table("Attention against none, at one rate", WITHOUT, lines)


def rivals(study: Study) -> Iterator[tuple[Arm, Arm]]:
    """Every arm with attention, and the one that differs in having none.

    What searches have found counts as differing in what they were searched from.
    """
    bases = {found: base for base, found in study.searched}
    for arm in study.arms:
        first, *layers = MODELS[arm.model]
        others = (
            o
            for o in study.arms
            if MODELS[o.model][0] == first
            and "attention" not in MODELS[o.model]
            and (o in bases) == (arm in bases)
            and _same(bases.get(arm, arm), bases.get(o, o), "model", "variant")
        )
        other = next(others, None)
        if "attention" in layers and other:
            yield arm, other


def variants_table(study: Study) -> Table:
    """Each variant of attention against the tutorial's, all else equal."""
    lines = _against_usual(study, "variant", "tutorial")
    heads = "better than the tutorial's", "as large"
    return _against_table("Variants against the tutorial's attention", heads, lines)


def setups_table(study: Study) -> Table:
    """Each set-up against the twins', all else equal."""
    lines = _against_usual(study, "setup", "twin")
    return _against_table("Set-ups", ("better than in the twin set-up", "as large"), lines)


def twins_table(study: Study, margin: float) -> Table:
    """Two twins with the same seeds, where the set-up gives both the same."""
    columns = (
        "one",
        "the other",
        f"starts within {margin:.0%}",
        "largest difference",
        "p of a difference beyond",
        "verdict",
    )
    lines = []
    for one, other in itertools.combinations(study.arms, 2):
        if _same(one, other, "twin") and one.setup in ("twin", "initializers", "bias_start"):
            errors = of(study, one), of(study, other)
            if errors[0].keys() & errors[1].keys():
                found = equivalence(*errors, margin)
                shown = "equivalent" if found.shown else "equivalence is not shown"
                numbers = [f"{found.within:.1%}", f"{found.largest:.2g}", f"{found.p:.2g}"]
                lines.append([label(one, study.arms), other.twin, *numbers, shown])
    return Table("Twins on the same starts", columns, lines, left=2)


def _same(one: Arm, other: Arm, *but: str) -> bool:
    """Two arms that differ in some fields at most, and are not one."""
    return one != other and all(
        value == getattr(other, name) for name, value in vars(one).items() if name not in but
    )


def _against_table(title: str, heads: tuple[str, str], lines: list[list[str]]) -> Table:
    """A table of lines that `_against` has made; what is better, and times what the error is."""
    better, times = heads
    columns = ("arm", f"P({better})", "verdict", f"median error, times {times}")
    return Table(title, columns, lines, left=1)


def _against_usual(study: Study, name: str, usual: str) -> list[list[str]]:
    """Every arm whose field is not the usual one, against the arm that differs in this only."""
    lines = []
    for arm in study.arms:
        others = (o for o in study.arms if getattr(o, name) == usual and _same(arm, o, name))
        if getattr(arm, name) != usual and (other := next(others, None)):
            lines += _against(study, arm, other)
    return lines


def _against(study: Study, arm: Arm, other: Arm, rate: float | None = None) -> Iterator[list[str]]:
    """A line with P(better), verdict and ratio of medians, if both were trained.

    At a learning rate, or each at its best.
    """
    errors = (
        (of(study, arm), of(study, other))
        if rate is None
        else (study.errors(arm, rate), study.errors(other, rate))
    )
    if errors[0].keys() & errors[1].keys():
        better = probability_better(*errors)
        yield [label(arm, study.arms), str(better), verdict(better), str(median_ratio(*errors))]


def verdict(better: Interval) -> str:
    """What a probability of being better shows."""
    if better.low > 0.5:
        return "better"
    return "worse" if better.high < 0.5 else "no difference shown"
