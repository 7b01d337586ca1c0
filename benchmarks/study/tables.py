"""The tables of a study, computed from its record."""

import math

import numpy as np

from attention_twins.tables import Table
from benchmarks.common.statistics import Interval
from benchmarks.study.arms import Arm, label
from benchmarks.study.comparisons import (
    attention_table,
    best_rate,
    of,
    rates_table,
    rivals,
    searched_table,
    setups_table,
    twins_table,
    variants_table,
)
from benchmarks.study.records import Study
from benchmarks.study.summary import (
    epochs_to,
    middle,
    place_of,
    probability_better,
    quantiles,
    share,
)
from shared.baselines import TUTORIAL, baselines
from shared.config import DECODERS
from shared.tasks import load_data


def study_tables(study: Study, margin: float) -> list[Table]:
    """All that a study has to say, in the order of reading."""
    found = [
        _errors(study),
        searched_table(study),
        _training(study),
        attention_table(study),
        rates_table(study),
        variants_table(study),
        _weights(study),
        setups_table(study),
        twins_table(study, margin),
        _tutorials(study),
        _rates(study),
    ]
    return [table for table in found if table.lines]


def study_notes(study: Study, margin: float) -> list[str]:
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


def _errors(study: Study) -> Table:
    columns = (
        *("arm", "test, 5 %", "25 %", "median", "75 %", "95 %", "worse than persistence"),
        *("than the training mean", "than 0", "than linear regression", "no number", "n"),
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


def _training(study: Study) -> Table:
    """The same on the training set, and how long it took to get somewhere."""
    spread = ("train, 5 %", "25 %", "median", "75 %", "95 %")
    columns = ("arm", *spread, "epochs to persistence, median")
    lines = []
    for arm in study.arms:
        train = [*of(study, arm, "train").values()]
        if train:
            simple = baselines(load_data(arm.data_config))
            losses = [start["loss"] for start in study.trainings(arm, best_rate(study, arm))]
            epochs = middle(epochs_to(losses, simple["persistence"]["train"]))
            numbers = [f"{value:.2e}" for value in quantiles(train)]
            when = f"{epochs:g}" if math.isfinite(epochs) else "never"
            if arm.model in DECODERS and arm.horizon > 1:
                when = ""  # its loss is a teacher-forced one
            lines.append([label(arm, study.arms), *numbers, when])
    return Table("Training errors", columns, lines, left=1)


def _weights(study: Study) -> Table:
    """How sharply attention can look: the largest weight of any step of any test row."""
    columns = (
        *("arm", "largest weight, median start", "95 %", "largest", "all steps alike"),
        *("tanh's ceiling", "starts above it"),
    )
    lines = []
    for arm in study.arms:
        starts = study.trainings(arm, best_rate(study, arm))
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


RATE = 1e-3
"""The tutorial's learning rate: Adam's in Keras."""


def as_tutorial(arm: Arm) -> bool:
    """It is trained as the tutorial trains, but for twin and set-up, at RATE."""
    return arm.model in TUTORIAL and arm == Arm(twin=arm.twin, model=arm.model, setup=arm.setup)


def _tutorials(study: Study) -> Table:
    """Where the tutorial's own figures fall."""
    sides = ("tutorial's train error", "starts below", "tutorial's test error", "starts below ")
    lines = []
    for arm in study.arms:
        if as_tutorial(arm) and study.errors(arm, RATE):
            cells = []
            for side in ("train", "test"):
                value = TUTORIAL[arm.model][side]
                below = place_of(value, [*study.errors(arm, RATE, side).values()])
                cells += [f"{value:.3e}", f"{below:.0%}"]
            lines.append([label(arm, study.arms), *cells])
    return Table("The tutorial's own figures", ("arm", *sides), lines, left=1)


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


def percent(found: Interval) -> str:
    """A share with its interval."""
    return f"{found.value:.0%} [{found.low:.0%}, {found.high:.0%}]"
