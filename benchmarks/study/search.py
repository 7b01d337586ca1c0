"""Hyper-parameters by Optuna: trials are trained many at once, and compared on rows held out.

A trial is a size, a batch size, a variant of attention and a learning rate, trained from a few
seeds. What comes out is no result but a proposal: the study then trains it, beside what it was
searched from, on all training rows from seeds that no trial has seen.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from benchmarks.study.arms import Arm, Chunk
from benchmarks.study.pool import compute
from shared.config import VARIANTS, WITH_VARIANTS

UNITS, BATCHES, RATES = (1, 2, 4, 8, 16), (1, 4, 16, 64), (1e-4, 1e-1)
"""What is searched: sizes, batch sizes, and the range of the learning rate."""

SEEDS = range(1_000_000, 1_000_005)
"""Of a trial, whose value is their median error; a study's own begin from 0."""

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
        study_name=_name(arm),
        sampler=optuna.samplers.TPESampler(seed=0, constant_liar=True),
        load_if_exists=True,
    )
    while (missing := trials - len(ended(study))) > 0:
        asked = [study.ask() for _ in range(min(ROUND, missing))]
        wanted = [suggested(trial, arm) for trial in asked]
        chunks = []
        for tried in dict.fromkeys(other for other, _ in wanted):
            rates = [rate for other, rate in wanted if other == tried]
            pairs = [(seed, rate) for rate in rates for seed in SEEDS]
            chunks.append(Chunk(tried, 0, *zip(*pairs, strict=True)))
        errors: dict[tuple[Arm, float], list[float]] = {}
        for chunk, result in compute(chunks, workers, scheduler):
            for training in result["starts"]:
                error, key = training["test_mse"], (chunk.arm, training["learning_rate"])
                errors.setdefault(key, []).append(error if np.isfinite(error) else np.inf)
        for trial, key in zip(asked, wanted, strict=True):
            study.tell(trial, float(np.median(errors[key])))
            progress(len(ended(study)))
    best, rate = suggested(optuna.trial.FixedTrial(study.best_params), arm)
    return replace(best, learning_rate=rate, held_out=False)


def _name(arm: Arm) -> str:
    """What an arm's search is called on disk."""
    return f"Arm({', '.join(f'{name}={value!r}' for name, value in arm.as_dict().items())})"


def ended(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The trials that have a value."""
    return study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))


def suggested(trial: optuna.trial.BaseTrial, arm: Arm) -> tuple[Arm, float]:
    """The arm and the learning rate of a trial, to be compared on rows held out."""
    tried = replace(
        arm,
        units=trial.suggest_categorical("units", UNITS),
        batch_size=trial.suggest_categorical("batch_size", BATCHES),
        held_out=True,
    )
    if arm.model in WITH_VARIANTS:
        tried = replace(tried, variant=trial.suggest_categorical("variant", [*VARIANTS]))
    return tried, trial.suggest_float("learning_rate", *RATES, log=True)
