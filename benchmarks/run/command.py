"""`twins run`: the tutorial from end to end, both networks in both frameworks, side by side."""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from attention_twins.errors import InputError
from benchmarks.report.command import Report
from shared.config import MODEL_GROUPS, MODELS, DataConfig, ModelConfig, TrainConfig, chosen_models


@dataclass(frozen=True, kw_only=True)
class Run:
    """Train the tutorial's networks in Keras and in PyTorch, side by side, and compare them."""

    data: tyro.conf.OmitArgPrefixes[DataConfig] = field(default_factory=DataConfig)
    train: tyro.conf.OmitArgPrefixes[TrainConfig] = field(default_factory=TrainConfig)

    model: Annotated[str, tyro.conf.arg(metavar="|".join([*MODEL_GROUPS, *MODELS]))] = "tutorial"
    """Network to train, the tutorial's two, or all of them."""

    units: int = 2
    """Units of the recurrent layer (H)."""

    twin: Literal["both", "keras", "torch"] = "both"
    """Framework to train in, or both side by side."""

    fit: bool = False
    """Train by the framework's plain way, one step after the other, instead of whole epochs in one
    compiled call."""

    weights: Path | None = None
    """Start from this weight file (safetensors) instead of fresh weights; it names its network."""

    out: Path | None = None
    """New folder for record, weights, figures and report; results/run-<time> if not given, and the
    report then holds the other records in results, too."""

    def __call__(self) -> int:
        """Train, show and keep everything; the exit code.

        Raises:
            InputError: before anything is written.
        """
        start, saved, names = None, None, chosen_models(self.model)
        if self.weights:
            from shared.weights import load_weights

            start, saved = load_weights(self.weights)
            names = [saved.model] if self.model in MODEL_GROUPS else names
        models = [
            ModelConfig(
                model=name,
                units=self.units,
                dense_units=self.data.horizon,
                time_steps=self.data.time_steps,
                features=self.data.features,
                dtype=self.data.dtype,
            )
            for name in names
        ]
        if self.weights and saved:
            check_same_network(self.weights, saved, models[0])
        out = self.out or Path("results", f"run-{datetime.now(UTC):%Y%m%d-%H%M%S}")
        check_new_folder(out)

        from benchmarks.run.session import Session  # only now: what it imports takes seconds

        twins = ["keras", "torch"] if self.twin == "both" else [self.twin]
        way = "fit" if self.fit else "fit_compiled"
        code = Session(self.data, models, self.train, out, way).run(twins, start)
        if code == 0:
            try:
                Report(results=out if self.out else out.parent, out=out / "report.html")()
            except Exception as error:  # whatever an odd record beside this one may do to it
                said = f"no report: {type(error).__name__}: {error}"
                Console(stderr=True).print(said, style="yellow", markup=False, soft_wrap=True)
        return code


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
