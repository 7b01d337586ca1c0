"""Hyper-parameters by Optuna: trials are trained many at once, and judged on rows held out.

A trial is a size, a batch size, a variant of attention and a learning rate, trained from a few
starts. What comes out is no result but a proposal: the study then trains it, beside what it was
searched from, on all training rows from starts that no trial has seen.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from benchmarks.study.arms import Arm, Chunk
from benchmarks.study.pool import compute
from shared.config import VARIANTS, WITH_VARIANTS

UNITS, BATCHES, RATES = (1, 2, 4, 8, 16), (1, 4, 16, 64), (1e-4, 1e-1)
"""What is searched: sizes, batch sizes, and the range of the learning rate."""

STARTS = 5
"""Starts of a trial; its value is their median error."""

FIRST_SEED = 1_000_000
"""Of the trials' starts: a study's own begin from 0."""

ROUND = 16
"""Trials that are asked for at once."""


def proposed(
    arm: Arm,
    trials: int,
    folder: Path,
    workers: int,
    scheduler: str | None,
    progress: Callable[[int], None],
) -> Arm:
    """What a search from an arm proposes: an arm with a learning rate of its own.

    Trials are kept in the folder as they end; a search that is there already goes on.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(folder / "search.journal")))
    study = optuna.create_study(
        storage=storage,
        study_name=repr(arm),
        sampler=optuna.samplers.TPESampler(seed=0, constant_liar=True),
        load_if_exists=True,
    )
    while (missing := trials - len(ended(study))) > 0:
        asked = [study.ask() for _ in range(min(ROUND, missing))]
        wanted = [suggested(trial, arm) for trial in asked]
        chunks = []
        for own in dict.fromkeys(other for other, _ in wanted):
            rates = [rate for other, rate in wanted if other == own]
            seeds = [*range(FIRST_SEED, FIRST_SEED + STARTS)]
            pairs = [(seed, rate) for rate in rates for seed in seeds]
            chunks.append(Chunk(own, 0, *map(tuple, zip(*pairs, strict=True))))
        errors: dict[tuple[Arm, float], list[float]] = {}
        for chunk, result in compute(chunks, workers, scheduler):
            for start in result["starts"]:
                error = start["test_mse"]
                key = chunk.arm, start["learning_rate"]
                errors.setdefault(key, []).append(error if np.isfinite(error) else np.inf)
        for trial, key in zip(asked, wanted, strict=True):
            study.tell(trial, float(np.median(errors[key])))
            progress(len(ended(study)))
    own, rate = suggested(optuna.trial.FixedTrial(study.best_params), arm)
    return replace(own, learning_rate=rate, held_out=False)


def ended(study: Any) -> list[Any]:
    """The trials that have a value."""
    return study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))


def suggested(trial: Any, arm: Arm) -> tuple[Arm, float]:
    """The arm and the learning rate of a trial, to be judged on rows held out."""
    own = replace(
        arm,
        units=trial.suggest_categorical("units", UNITS),
        batch_size=trial.suggest_categorical("batch_size", BATCHES),
        held_out=True,
    )
    if arm.model in WITH_VARIANTS:
        own = replace(own, variant=trial.suggest_categorical("variant", [*VARIANTS]))
    return own, trial.suggest_float("learning_rate", *RATES, log=True)
