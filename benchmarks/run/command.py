"""`twins run`: the tutorial from end to end, both networks in both frameworks, side by side."""

import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from attention_twins.errors import InputError
from benchmarks.common.options import ModelName, TwinGroup, check_named
from shared.config import MODEL_GROUPS, DataConfig, ModelConfig, TrainConfig, chosen_models


@dataclass(frozen=True, kw_only=True)
class Network:
    """Which networks, and what they start from."""

    model: tuple[ModelName, ...] = ("tutorial",)
    """Networks to train; tutorial and all stand for several."""

    units: int = 2
    """Units of the recurrent layers, or channels of the convolution (H)."""

    weights: Path | None = None
    """Start from this weight file (safetensors) instead of fresh weights; it names its network."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """In which framework, and how."""

    twin: tuple[TwinGroup, ...] = ("both",)
    """Twins to train in, side by side; Keras on --keras-backend, or on the one named here."""

    fit: bool = False
    """Train by the framework's plain way, one step after the other, instead of whole epochs in one
    compiled call."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """What is kept."""

    out: Path | None = None
    """New folder for record, weights, figures and report; results/run-<time> if not given, and the
    report then holds the other records in results, too."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Train the tutorial's networks in Keras and in PyTorch, side by side, and compare them."""

    data: DataConfig = field(default_factory=DataConfig)
    network: Network = field(default_factory=Network)
    training: TrainConfig = field(default_factory=TrainConfig)
    comparison: Comparison = field(default_factory=Comparison)
    output: Output = field(default_factory=Output)

    def __call__(self) -> int:
        """Train, show and keep everything; the exit code.

        Raises:
            InputError: before anything is written.
        """
        network, out = self.network, self.output.out
        check_named(model=network.model, twin=self.comparison.twin)
        twins, training = chosen_twins(self.comparison.twin, self.training)
        start, saved, names = None, None, chosen_models(*network.model)
        if network.weights:
            from shared.weights import load_weights

            start, saved = load_weights(network.weights)
            names = [saved.model] if {*network.model} <= {*MODEL_GROUPS} else names
        models = [
            ModelConfig(
                model=name,
                units=network.units,
                dense_units=self.data.horizon,
                time_steps=self.data.time_steps,
                features=self.data.features,
                dtype=self.data.dtype,
            )
            for name in names
        ]
        if network.weights and saved:
            for model in models:
                check_same_network(network.weights, saved, model)
        folder = out or Path("results", f"run-{datetime.now(UTC):%Y%m%d-%H%M%S}")
        check_new_folder(folder)

        from benchmarks.run.session import Session  # only now: what it imports takes seconds

        way = "fit" if self.comparison.fit else "fit_compiled"
        code = Session(self.data, models, training, folder, way).run(twins, start)
        if code == 0:
            try:
                self.report(out or folder.parent, folder / "report.html")
            except Exception as error:  # whatever an odd record beside this one may do to it
                said = f"no report: {type(error).__name__}: {error}"
                Console(stderr=True).print(said, style="yellow", markup=False, soft_wrap=True)
        return code

    def report(self, results: Path, out: Path) -> None:
        """Make a report of all records in a folder: a command of its own, which knows this one."""


def chosen_twins(names: tuple[str, ...], training: TrainConfig) -> tuple[list[str], TrainConfig]:
    """The packages that names of twins stand for, and the training on the backend they name.

    Raises:
        InputError: they name two backends, or another one than the training's.
    """
    chosen = {name.split("/")[0].lower().removeprefix("py") for name in names}
    twins = [twin for twin in ("keras", "torch") if chosen & {twin, "both"}]
    backends = {name.split("/")[1] for name in names if "/" in name}
    if training.keras_backend != TrainConfig.keras_backend:
        backends.add(training.keras_backend)
    if len(backends) > 1:
        raise InputError(
            f"twin must name one backend of Keras in a run, got {', '.join(sorted(backends))}"
        )
    return twins, replace(training, keras_backend=next(iter(backends), training.keras_backend))


def check_same_network(path: Path, saved: ModelConfig, wanted: ModelConfig) -> None:
    """Raise InputError unless a weight file is for the network to train."""
    for name, value in vars(wanted).items():
        if getattr(saved, name) != value:
            raise InputError(
                f"weights must be for {name} {value}, got {getattr(saved, name)} in {str(path)!r}"
            )


def check_new_folder(path: Path) -> None:
    """Raise InputError unless `path` can become a new folder, or is an empty one."""
    try:
        if os.path.lexists(path) and (not path.is_dir() or any(path.iterdir())):
            raise InputError(f"out must be a new or empty folder, got {str(path)!r}")
        parent = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    except OSError as error:
        raise InputError(
            f"out must be a folder that can be read, got {str(path)!r}: {error}"
        ) from error
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(f"out must be in a folder that can be written to, got {str(path)!r}")
