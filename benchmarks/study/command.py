"""`twins study`: many starts of many networks, and what they show."""

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tyro

from attention_twins.errors import InputError, check_choice, check_integer
from attention_twins.provenance import environment
from shared.config import MODELS, SETUPS, TUTORIAL_MODELS, VARIANTS, WITH_VARIANTS, chosen_models

DIFFERENCES = ("initializers", "bias_start", "second_bias", "optimizer")
"""Set-ups with one of PyTorch's ways alone."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """Train networks from many starts, and show what is better, by how much, and how sure."""

    models: tuple[str, ...] = TUTORIAL_MODELS
    """Networks to compare; tutorial and all stand for several."""

    variants: tuple[str, ...] = ("tutorial",)
    """Variants of attention to compare; only a network whose attention looks back over a row has
    any."""

    twins: tuple[str, ...] = ("PyTorch", "Keras/tensorflow")
    """Twins to train in: PyTorch, Keras/tensorflow, Keras/jax, Keras/torch."""

    setups: tuple[str, ...] = ("twin", "native", *DIFFERENCES)
    """Set-ups to compare; those that are PyTorch's only are left out in Keras."""

    data: str = "fibonacci"
    """Data to learn: fibonacci, log_fibonacci, lucas, recurrences, addition."""

    numbers: int = 1200
    """Numbers in the sequence: `time_steps` more than there are rows."""

    time_steps: int = 20
    """Time steps of a row (T)."""

    horizon: int = 1
    """Numbers to predict (K)."""

    units: int = 2
    """Units of the recurrent layers, or channels of the convolution (H)."""

    epochs: int = 30
    """Passes over the training rows."""

    batch_size: int = 1
    """Rows in a training step."""

    starts: int = 200
    """Starts of each arm, from seed 0 on."""

    splits: int = 1
    """Ways to split the rows into training and test set: the tutorial's, and others."""

    learning_rates: tuple[float, ...] = (1e-3,)
    """Learning rates; each start is trained with each, and the best by its training error shown."""

    search: int = 0
    """Trials by which to search, for each network, for units, batch size, learning rate and variant
    of attention; what is found is then studied beside it, in every twin, set-up and split."""

    margin: float = 0.05
    """Relative difference up to which the errors of two twins count as equivalent."""

    workers: int = os.cpu_count() or 1
    """Processes to spread the chunks of starts over."""

    scheduler: str | None = None
    """Address of a Dask cluster's scheduler to spread them over instead."""

    out: Path | None = None
    """New folder for the record; results/study/<host>-<time> if not given."""

    resume: Path | None = None
    """Go on with the record in this folder, where it stopped; show it if it is complete."""

    card: tyro.conf.FlagCreatePairsOff[bool] = False
    """Show what the data are, and train nothing."""

    def __call__(self) -> int:
        """Train, show and keep; the exit code.

        Raises:
            InputError: before anything is trained.
        """
        check_integer("starts", self.starts, 2, 1_000_000)
        check_integer("splits", self.splits, 1, 1000)
        check_integer("workers", self.workers, 1, 1024)
        check_integer("search", self.search, 0, 100_000)
        for name, values in (("margin", [self.margin]), ("learning_rates", self.learning_rates)):
            for value in values:
                if not 0 < value <= 10:
                    raise InputError(f"{name} must be positive and at most 10, got {value!r}")
        for name in ("models", "variants", "twins", "setups", "learning_rates"):
            if not getattr(self, name):
                raise InputError(f"{name} must name at least one, got none")
        for setup in self.setups:
            check_choice("setups", setup, tuple(SETUPS))
        for variant in self.variants:
            check_choice("variants", variant, tuple(VARIANTS))
        models = chosen_models(*self.models, option="models")
        if {*self.variants} != {"tutorial"} and not {*models} & {*WITH_VARIANTS}:
            raise InputError(
                f"models must have one of {', '.join(WITH_VARIANTS)} for a variant, "
                f"got {', '.join(models)}"
            )
        if self.resume:
            defaults = Study()
            for name in vars(self):
                fits = name in ("resume", "workers", "scheduler", "margin")
                if not fits and getattr(self, name) != getattr(defaults, name):
                    raise InputError(f"{name} cannot be chosen with resume")
        # Only now: what they import takes seconds.
        if self.card:
            from benchmarks.study.card import show_card

            return show_card(next(self._arms()).data_config)
        from benchmarks.study import records
        from benchmarks.study.pool import backend
        from benchmarks.study.session import carry_out

        with backend(self.scheduler):  # one that does not answer leaves no folder behind
            pass
        if self.resume:
            study = records.Study.resume(self.resume, environment())
        else:
            when = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
            folder = self.out or Path("results", "study", f"{platform.node()}-{when}")
            arms, rates = list(dict.fromkeys(self._arms())), [*dict.fromkeys(self.learning_rates)]
            searched = self._searched(arms, folder) if self.search else []
            arms = list(dict.fromkeys([*arms, *(found for _, found in searched)]))
            pairs = [[arm.as_dict() for arm in pair] for pair in searched]
            said = {"trials": self.search, "found": pairs} if searched else None
            study = records.Study.create(folder, arms, self.starts, rates, said)
        return carry_out(study, self.workers, self.scheduler, self.margin)

    def _searched(self, arms: list, folder: Path) -> list[tuple]:
        """Arms, and what searches have found: one for all twins, variants, set-ups and splits.

        Raises:
            InputError: as `session.searched`.
        """
        from benchmarks.study.session import searched

        def alike(arm: Any) -> Any:
            return replace(arm, twin="PyTorch", variant="tutorial", setup="twin", split=13)

        firsts: dict[Any, Any] = {}
        for arm in arms:
            firsts.setdefault(alike(arm), arm)
        found = searched([*firsts.values()], self.search, folder, self.workers, self.scheduler)
        return [
            (arm, replace(new, twin=arm.twin, setup=arm.setup, split=arm.split))
            for base, new in found
            for arm in arms
            if alike(arm) == alike(base) and arm.variant == base.variant
        ]

    def _arms(self) -> Iterator:
        """All combinations that there are.

        Raises:
            InputError: one cannot be, or there is none.
        """
        from benchmarks.study.arms import Arm

        none = True
        splits = [13, *(split for split in range(self.splits) if split != 13)][: self.splits]
        for model in chosen_models(*self.models, option="models"):
            for variant in self.variants if model in WITH_VARIANTS else ("tutorial",):
                for twin in self.twins:
                    for setup in self.setups:
                        if twin != "PyTorch" and setup in ("second_bias", "optimizer"):
                            continue
                        if setup == "second_bias" and MODELS[model][0] in ("gru", "conv"):
                            continue  # both frameworks train as many
                        for split in splits:
                            none = False
                            yield Arm(
                                twin=twin,
                                model=model,
                                variant=variant,
                                setup=setup,  # type: ignore[arg-type]
                                data=self.data,
                                split=split,
                                numbers=self.numbers,
                                time_steps=self.time_steps,
                                horizon=self.horizon,
                                units=self.units,
                                epochs=self.epochs,
                                batch_size=self.batch_size,
                            )
        if none:
            raise InputError("setups must have one that the twins have")
