"""The tables of a study, computed from its record."""

import csv
import io
import itertools
import math
from collections.abc import Iterator

import numpy as np

from benchmarks.sheets import Table, as_markdown, print_table, wide_console
from benchmarks.studies.arms import Arm, label
from benchmarks.studies.records import Study
from benchmarks.studies.summary import (
    Estimate,
    epochs_to,
    equivalence,
    median_of,
    median_ratio,
    middle,
    place_of,
    probability_better,
    quantiles,
    share,
)
from benchmarks.tables import TUTORIAL
from shared.baselines import baselines
from shared.config import DECODERS, MODELS
from shared.results import write_text
from shared.tasks import load_data


def tables(study: Study, margin: float) -> list[Table]:
    """All that a study has to say, in the order of reading."""
    found = [
        _errors(study),
        _searched(study),
        _training(study),
        _attention(study),
        _at_each_rate(study),
        _variants(study),
        _weights(study),
        _setups(study),
        _twins(study, margin),
        _tutorials(study),
        _rates(study),
    ]
    return [table for table in found if table.lines]


def notes(study: Study, margin: float) -> list[str]:
    """What must be said under the tables."""
    arm, environment = study.arms[0], study.plan["environment"]
    data = arm.data_config
    versions = ", ".join(f"{k} {v}" for k, v in environment["versions"].items() if v)
    twins, setups, splits = (
        list(dict.fromkeys(str(getattr(arm, name)) for arm in study.arms))
        for name in ("twin", "setup", "split")
    )
    split = f"split {splits[0]}" if len(splits) == 1 else f"{len(splits)} splits"
    rates = ", ".join(f"{rate:g}" for rate in study.rates)
    return [
        f"Data: {data.data}, {data.rows:,} rows of {data.time_steps} steps"
        + f", {data.horizon} numbers to predict" * (data.horizon > 1)
        + f", {split}; trained in "
        f"{' and '.join(twins)}, set-up {', '.join(setups)}; {arm.epochs} epochs, learning rate "
        f"{rates}, batch size {arm.batch_size}, {arm.units} units, {arm.dtype}. "
        + "What a search has found has sizes and a rate of its own. " * bool(study.searched)
        + f"n = {study.plan['starts']:,} starts of each.",
        "In brackets 95 % intervals: exact for shares, else by a bootstrap of starts, paired by "
        "seed: two arms have the same batches in the same order, and the same initial weights "
        "wherever both draw them by the same rule. None is corrected for the number of "
        "comparisons. Errors are mean squared errors, on the test set unless it says otherwise.",
        f"{environment['processor']}, {environment['cores']} cores; {versions}; "
        f"commit {environment['commit']}.",
    ]


def best_rate(study: Study, arm: Arm) -> float:
    """The learning rate with the smallest median training error."""

    def median(rate: float) -> float:
        errors = [*study.errors(arm, rate, "train").values()]
        return middle(errors) if errors else math.inf

    return min(study.rates_of(arm), key=median)


def of(study: Study, arm: Arm, side: str = "test") -> dict[int, float]:
    """Errors at an arm's best learning rate."""
    return study.errors(arm, best_rate(study, arm), side)


def _errors(study: Study) -> Table:
    columns = (
        "arm",
        *("test, 5 %", "25 %", "median", "75 %", "95 %"),
        "worse than persistence",
        "than the training mean",
        "than 0",
        "than linear regression",
        "no number",
        "n",
    )
    lines = []
    for arm in study.arms:
        test = [*of(study, arm).values()]
        if not test:
            continue
        simple = baselines(load_data(arm.data_config))
        names = ("persistence", "training mean", "predict 0", "linear regression")
        lines.append(
            [
                label(arm, study.arms),
                *(f"{value:.2e}" for value in quantiles(test)),
                *(percent(share(test, simple[name]["test"])) for name in names),
                str(sum(not math.isfinite(error) for error in test)),
                str(len(test)),
            ]
        )
    return Table("Errors", columns, lines, left=1)


def _searched(study: Study) -> Table:
    """What searches have found, on starts and test rows that no trial has seen."""
    columns = (
        "searched from",
        *("units", "batch size", "attention", "learning rate"),
        "median test error",
        "before",
        "P(better than before)",
        "so",
        "median error, times as large",
    )
    lines = []
    for base, found in study.searched:
        for _, *cells in _against(study, found, base):
            before = [arm for arm in study.arms if not arm.learning_rate]
            shown = [found.units, found.batch_size, found.variant, f"{found.learning_rate:.2g}"]
            medians = [median_of([*of(study, arm).values()]) for arm in (found, base)]
            lines.append([label(base, before), *map(str, [*shown, *medians]), *cells])
    trials = study.plan.get("searched", {}).get("trials", 0)
    return Table(f"Found by search, {trials} trials each", columns, lines, left=1)


def _training(study: Study) -> Table:
    """The same on the training set, and how long it took to get somewhere."""
    columns = (
        "arm",
        *("train, 5 %", "25 %", "median", "75 %", "95 %"),
        "epochs to persistence, median",
    )
    lines = []
    for arm in study.arms:
        train = [*of(study, arm, "train").values()]
        if train:
            simple = baselines(load_data(arm.data_config))
            losses = [start["loss"] for start in study.starts(arm, best_rate(study, arm))]
            epochs = middle(epochs_to(losses, simple["persistence"]["train"]))
            numbers = [f"{value:.2e}" for value in quantiles(train)]
            when = f"{epochs:g}" if math.isfinite(epochs) else "never"
            if arm.model in DECODERS and arm.horizon > 1:
                when = ""  # its loss is of what is told the number before
            lines.append([label(arm, study.arms), *numbers, when])
    return Table("Training errors", columns, lines, left=1)


def _attention(study: Study) -> Table:
    """With attention against without, all else equal."""
    columns = ("arm", "P(attention better)", "so", "median error, times that without")
    lines = []
    for arm, other in rivals(study):
        lines += _against(study, arm, other)
    return Table("Attention against none", columns, lines, left=1)


def _at_each_rate(study: Study) -> Table:
    """The same where both have one learning rate, not each its best."""
    columns = ("arm", "P(attention better)", "so", "median error, times that without")
    lines = []
    for arm, other in rivals(study) if len(study.rates) > 1 else ():
        for rate in study.rates if not arm.learning_rate else ():
            for name, *cells in _against(study, arm, other, rate):
                lines.append([f"{name}, {rate:g}", *cells])
    return Table("Attention against none, at one rate", columns, lines, left=1)


def rivals(study: Study) -> Iterator[tuple[Arm, Arm]]:
    """Every arm with attention, and the one that differs in having none."""
    for arm in study.arms:
        first, *layers = MODELS[arm.model]
        others = (
            o
            for o in study.arms
            if MODELS[o.model][0] == first and "attention" not in MODELS[o.model]
        )
        other = next((o for o in others if _same(arm, o, "model", "variant")), None)
        if "attention" in layers and other:
            yield arm, other


def _variants(study: Study) -> Table:
    """Each variant of attention against the tutorial's, all else equal."""
    columns = ("arm", "P(better than the tutorial's)", "so", "median error, times as large")
    lines = []
    for arm in study.arms:
        others = (o for o in study.arms if o.variant == "tutorial" and arm.variant != "tutorial")
        other = next((o for o in others if _same(arm, o, "variant")), None)
        if other:
            lines += _against(study, arm, other)
    return Table("Variants against the tutorial's attention", columns, lines, left=1)


def _weights(study: Study) -> Table:
    """How sharply attention can look: the largest weight of any step of any test row."""
    columns = (
        "arm",
        "largest weight, median start",
        "95 %",
        "largest",
        "all steps alike",
        "tanh's ceiling",
        "starts above it",
    )
    lines = []
    for arm in study.arms:
        starts = study.starts(arm, best_rate(study, arm))
        found = np.array([s["largest_weight"] for s in starts if s.get("largest_weight")])
        if found.size:
            steps = arm.model_config.states
            limit = ceiling(steps)
            values = [*np.quantile(found, [0.5, 0.95, 1]), 1 / steps, limit]
            above = f"{np.mean(found > limit + 1e-6):.0%}"
            lines.append([label(arm, study.arms), *(f"{v:.3f}" for v in values), above])
    return Table("Attention weights", columns, lines, left=1)


def ceiling(time_steps: int) -> float:
    """The largest weight that scores within (−1, 1) allow."""
    return math.exp(2) / (math.exp(2) + time_steps - 1)


def _setups(study: Study) -> Table:
    """Each set-up against the twins', all else equal."""
    columns = ("arm", "P(better than in the twin set-up)", "so", "median error, times as large")
    lines = []
    for arm in study.arms:
        other = next((o for o in study.arms if _same(arm, o, "setup") and o.setup == "twin"), None)
        if arm.setup != "twin" and other:
            lines += _against(study, arm, other)
    return Table("Set-ups", columns, lines, left=1)


def _twins(study: Study, margin: float) -> Table:
    """Two twins on the same starts, where the set-up gives both the same."""
    columns = (
        "one",
        "the other",
        f"starts within {margin:.0%}",
        "largest difference",
        "p of a difference beyond",
        "so",
    )
    lines = []
    for one, other in itertools.combinations(study.arms, 2):
        if _same(one, other, "twin") and one.setup in ("twin", "initializers", "bias_start"):
            errors = of(study, one), of(study, other)
            if errors[0].keys() & errors[1].keys():
                found = equivalence(*errors, margin)
                so = "equivalent" if found.shown else "equivalence is not shown"
                numbers = [f"{found.within:.1%}", f"{found.largest:.2g}", f"{found.p:.2g}"]
                lines.append([label(one, study.arms), other.twin, *numbers, so])
    return Table("Twins on the same starts", columns, lines, left=2)


RATE = 1e-3
"""The tutorial's learning rate: Adam's in Keras."""


def as_tutorial(arm: Arm) -> bool:
    """It is trained as the tutorial trains, but for twin and set-up, at RATE."""
    return arm.model in TUTORIAL and arm == Arm(twin=arm.twin, model=arm.model, setup=arm.setup)


def _tutorials(study: Study) -> Table:
    """Where the tutorial's own figures fall."""
    columns = (
        "arm",
        "tutorial's train error",
        "starts below",
        "tutorial's test error",
        "starts below ",
    )
    lines = []
    for arm in study.arms:
        if as_tutorial(arm) and study.errors(arm, RATE):
            cells = []
            for side in ("train", "test"):
                value = TUTORIAL[arm.model][f"{side}_mse"]
                below = place_of(value, [*study.errors(arm, RATE, side).values()])
                cells += [f"{value:.3e}", f"{below:.0%}"]
            lines.append([label(arm, study.arms), *cells])
    return Table("The tutorial's own figures", columns, lines, left=1)


def _rates(study: Study) -> Table:
    """Learning rates; the best by the training error."""
    columns = ("arm", "learning rate", "train, median", "test, median", "best")
    lines = []
    for arm in study.arms if len(study.rates) > 1 else ():
        for rate in (rate for rate in study.rates_of(arm) if study.errors(arm, rate)):
            sides = [
                middle([*study.errors(arm, rate, side).values()]) for side in ("train", "test")
            ]
            best = "best" if rate == best_rate(study, arm) else ""
            lines.append([label(arm, study.arms), f"{rate:g}", *(f"{x:.2e}" for x in sides), best])
    return Table("Learning rates", columns, lines, left=1)


def _same(one: Arm, other: Arm, *but: str) -> bool:
    """Two arms that differ in some fields at most, and are not one."""
    return one != other and all(
        value == getattr(other, name) for name, value in vars(one).items() if name not in but
    )


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


def verdict(better: Estimate) -> str:
    """What a probability of being better shows."""
    if better.low > 0.5:
        return "better"
    return "worse" if better.high < 0.5 else "no difference shown"


def answer(study: Study) -> str:
    """Whether attention helps, in words: the first arm with it in the twin set-up, and without."""
    for arm, other in rivals(study):
        ours, theirs = of(study, arm), of(study, other)
        if arm.setup == "twin" and ours.keys() & theirs.keys():
            persistence = baselines(load_data(arm.data_config))["persistence"]["test"]
            attention, none = (middle([*errors.values()]) for errors in (ours, theirs))
            return (
                f"Over {len(ours):,} starts the median test error is {attention:.1e} with "
                f"attention and {none:.1e} without. On one start and the same rows attention ends "
                f"better in {percent(probability_better(ours, theirs))} of the cases; "
                f"{percent(share([*ours.values()], persistence))} of its starts end worse than "
                "repeating the last number does, without attention "
                f"{percent(share([*theirs.values()], persistence))}."
            )
    return ""


def percent(found: Estimate) -> str:
    """A share with its interval."""
    return f"{found.value:.0%} [{found.low:.0%}, {found.high:.0%}]"


def show(study: Study, margin: float) -> None:
    """Print every table."""
    console = wide_console()
    for table in tables(study, margin):
        print_table(console, table)
    for note in notes(study, margin):
        console.print(note, markup=False, highlight=False)
    for said in study.chain.corrupt:
        console.print(said, style="yellow", markup=False)


def save(study: Study, margin: float) -> None:
    """Write tables.md, starts.csv and the figures into the record's folder."""
    from benchmarks.studies.plots import save_figures

    parts = [f"### {table.title}\n\n{as_markdown(table)}\n" for table in tables(study, margin)]
    text = "\n".join(parts) + "".join(f"\n{note}\n" for note in notes(study, margin))
    write_text(study.folder / "tables.md", text)
    write_text(study.folder / "starts.csv", as_csv(study))
    save_figures(study)


def as_csv(study: Study) -> str:
    """A row for each training."""
    file = io.StringIO()
    own = ("seed", "learning_rate", "train_mse", "test_mse")
    names = list(dict.fromkeys([*vars(study.arms[0]), *own]))
    writer = csv.DictWriter(file, names, lineterminator="\n")
    writer.writeheader()
    for arm in study.arms:
        for rate in study.rates_of(arm):
            for start in study.starts(arm, rate):
                writer.writerow(vars(arm) | {name: start[name] for name in own})
    return file.getvalue()
