"""`twins study`: many seeds of many networks, and what they show."""

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import tyro

from attention_twins.errors import InputError, check_integer
from attention_twins.provenance import environment
from benchmarks.common.options import (
    ModelName,
    TwinName,
    VariantName,
    check_named,
    chosen_variants,
    given,
)
from shared.config import MODELS, WITH_VARIANTS, DataName, Setup, chosen_models

DIFFERENCES = ("initializers", "bias_start", "second_bias", "optimizer")
"""Set-ups with one of PyTorch's ways alone."""


@dataclass(frozen=True, kw_only=True)
class Data:
    """How many numbers, cut into which windows, split how."""

    data: DataName = "fibonacci"
    """Which data."""

    numbers: int = 1200
    """Numbers in the sequence, of Fibonacci at most 1475; they make
    numbers - time_steps - horizon + 1 windows."""

    time_steps: int = 20
    """Numbers in a window (T); what follows the window is its target."""

    horizon: int = 1
    """Numbers to predict (K), the next ones after the window."""

    splits: int = 1
    """Ways to split the rows into training and test set: the tutorial's, and others."""

    card: tyro.conf.FlagCreatePairsOff[bool] = False
    """Show what the data are, and train nothing."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """Which networks."""

    model: tuple[ModelName, ...] = ("tutorial",)
    """Networks to compare; tutorial and all stand for several."""

    variant: tuple[VariantName, ...] = ("tutorial",)
    """Variants of attention to compare, or all of them; only a network whose attention looks back
    over a row has any."""

    units: int = 2
    """Units of the recurrent layers, or channels of the convolution (H)."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """How long, in which steps, from which initial weights, on what hardware."""

    batch_size: int = 1
    """Rows in a training step."""

    learning_rate: tuple[float, ...] = (1e-3,)
    """Learning rates; each seed is trained with each, and the best by its training error shown."""

    epochs: int = 30
    """Passes over the training rows."""

    seeds: int = 200
    """Trainings of each arm, with as many seeds, from 0 on."""

    setup: tuple[Setup, ...] = ("twin", "native", *DIFFERENCES)
    """Set-ups to compare; those that are PyTorch's only are left out in Keras."""

    workers: int = os.cpu_count() or 1
    """Processes to spread the trainings over."""

    scheduler: str | None = None
    """Address of a Dask cluster's scheduler to spread them over instead."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """In which twins, and what counts."""

    twin: tuple[TwinName, ...] = ("PyTorch", "Keras/tensorflow")
    """Twins to train in."""

    search: int = 0
    """Trials by which to search, for each network, for units, batch size, learning rate and variant
    of attention; what is found is then studied beside it, in every twin, set-up and split."""

    margin: float = 0.05
    """Relative difference up to which the errors of two twins count as equivalent."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """Where the record is."""

    out: Path | None = None
    """New folder for the record; results/study/<host>-<time> if not given."""

    resume: Path | None = None
    """Go on with the record in this folder, where it stopped; show it if it is complete."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """Train networks with many seeds, and show what is better, by how much, and how sure."""

    RENAMED: ClassVar[dict[str, str]] = {
        "--models": "--model",
        "--variants": "--variant",
        "--twins": "--twin",
        "--setups": "--setup",
        "--learning-rates": "--learning-rate",
        "--starts": "--seeds",
    }

    data: Data = field(default_factory=Data)
    network: Network = field(default_factory=Network)
    training: Training = field(default_factory=Training)
    comparison: Comparison = field(default_factory=Comparison)
    output: Output = field(default_factory=Output)

    def __call__(self) -> int:
        """Train, show and keep; the exit code.

        Raises:
            InputError: before anything is trained.
        """
        network, training, comparison = self.network, self.training, self.comparison
        check_integer("seeds", training.seeds, 2, 1_000_000)
        check_integer("splits", self.data.splits, 1, 1000)
        check_integer("workers", training.workers, 1, 1024)
        check_integer("search", comparison.search, 0, 100_000)
        rates = training.learning_rate
        for name, values in (("margin", [comparison.margin]), ("learning_rate", rates)):
            for value in values:
                if not 0 < value <= 10:
                    raise InputError(f"{name} must be positive and at most 10, got {value!r}")
        check_named(model=network.model, variant=network.variant, twin=comparison.twin)
        check_named(setup=training.setup, learning_rate=rates)
        models = chosen_models(*network.model)
        if {*network.variant} != {"tutorial"} and not {*models} & {*WITH_VARIANTS}:
            raise InputError(
                f"model must have one of {', '.join(WITH_VARIANTS)} for a variant, "
                f"got {', '.join(models)}"
            )
        if self.output.resume:
            for name in given(self):
                if name not in ("resume", "workers", "scheduler", "margin"):
                    raise InputError(f"{name} cannot be chosen with resume")
        # Only now: what they import takes seconds.
        if self.data.card:
            from benchmarks.study.card import show_card

            return show_card(next(self._arms()).data_config)
        from benchmarks.study import records
        from benchmarks.study.pool import backend
        from benchmarks.study.session import carry_out

        with backend(training.scheduler):  # one that does not answer leaves no folder behind
            pass
        if self.output.resume:
            study = records.Study.resume(self.output.resume, environment())
        else:
            when = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
            folder = self.output.out or Path("results", "study", f"{platform.node()}-{when}")
            arms = list(dict.fromkeys(self._arms()))
            searched = self._searched(arms, folder) if comparison.search else []
            arms = list(dict.fromkeys([*arms, *(found for _, found in searched)]))
            pairs = [[arm.as_dict() for arm in pair] for pair in searched]
            said = {"trials": comparison.search, "found": pairs} if searched else None
            rates = [*dict.fromkeys(rates)]
            study = records.Study.create(folder, arms, training.seeds, rates, said)
        return carry_out(study, training.workers, training.scheduler, comparison.margin)

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
        trials, training = self.comparison.search, self.training
        found = searched([*firsts.values()], trials, folder, training.workers, training.scheduler)
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

        none, data, training = True, self.data, self.training
        variants = chosen_variants(self.network.variant)
        splits = [13, *(split for split in range(data.splits) if split != 13)][: data.splits]
        for model in chosen_models(*self.network.model):
            for variant in variants if model in WITH_VARIANTS else ("tutorial",):
                for twin in self.comparison.twin:
                    for setup in training.setup:
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
                                setup=setup,
                                data=data.data,
                                split=split,
                                numbers=data.numbers,
                                time_steps=data.time_steps,
                                horizon=data.horizon,
                                units=self.network.units,
                                epochs=training.epochs,
                                batch_size=training.batch_size,
                            )
        if none:
            raise InputError("setup must have one that the twins have")
