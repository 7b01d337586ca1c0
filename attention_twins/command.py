"""`twins check KERAS TORCH`: is a port of your own model right, and if not, where does it part?"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal, get_args

import tyro

from attention_twins.errors import InputError, check_file
from attention_twins.training import KerasBackend, Loss


@dataclass(frozen=True, kw_only=True)
class Data:
    """Random rows, the same for both models."""

    input_shape: tuple[int, ...] | None = None
    """Shape of one row of the input, such as 20 1. If not given: what the Keras model says."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """Both start with the same weights: one side's own, under noise."""

    source: Annotated[Literal["keras", "torch"], tyro.conf.arg(name="from")] = "keras"
    """Whose weights are carried over to the other one."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """After the forward pass and the gradients, both are trained step by step."""

    loss: Loss = "mse"
    """Loss to train with; bce and ce take logits, ce classes as targets."""

    keras_backend: Literal["all", "tensorflow", "jax", "torch"] = "tensorflow"
    """What Keras runs on, or all three, one after the other."""

    steps: int = 100
    """Training steps, from 2 to 100000."""

    seed: int = 0
    """Decides the rows and the noise, so that no bias is 0."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What to keep beside what is printed."""

    json: Path | None = None
    """Write every comparison, versions and commit to this file."""

    figure: Path | None = None
    """Draw how the differences grow with the training steps into this file (.png, .svg, .pdf)."""

    def check(self) -> None:
        """Raise InputError unless the files can be written."""
        check_file("json", self.json)
        check_file("figure", self.figure)
        if self.figure and self.figure.suffix not in (".png", ".svg", ".pdf"):
            raise InputError(f"figure must end in .png, .svg or .pdf, got {str(self.figure)!r}")


@dataclass(frozen=True, kw_only=True)
class Output(Certificate):
    """What to keep beside what is printed."""

    save: Path | None = None
    """Write the ported weights to this file: .safetensors for PyTorch, .weights.h5 for Keras."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """Compare a Keras model with its port to PyTorch, from the weights to the last training step.

    Each model is made in a process of its own, in float64 and in float32, by a function without
    arguments: package.module:function or file.py:function. Importing that module runs its code.
    """

    RENAMED: ClassVar[dict[str, str]] = {
        "--keras": "twins check KERAS TORCH",
        "--torch": "twins check KERAS TORCH",
        "--mutants": "twins prove --wrong-ports",
    } | {
        f"--{option}": f"twins prove --{option}"
        for option in ("model", "variant", "dtype", "full", "faster", "no-faster")
    }

    keras: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="KERAS")]
    """Function that makes the Keras model."""

    torch: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="TORCH")]
    """Function that makes its port to PyTorch, or the model it was ported from."""

    data: Data = field(default_factory=Data)
    network: Network = field(default_factory=Network)
    training: Training = field(default_factory=Training)
    output: Output = field(default_factory=Output)

    def __call__(self) -> int:
        """Compare, show, keep; the exit code.

        Raises:
            InputError: a model cannot be made, or the two cannot be compared.
        """
        self.output.check()

        from attention_twins.check import check_pair  # only now: what it imports takes a second

        backend = self.training.keras_backend
        report = check_pair(
            self.keras,
            self.torch,
            input_shape=self.data.input_shape,
            loss=self.training.loss,
            source=self.network.source,
            save=self.output.save,
            keras_backends=get_args(KerasBackend) if backend == "all" else (backend,),
            steps=self.training.steps,
            seed=self.training.seed,
        )
        report.show()
        report.save(self.output.json)
        if self.output.figure and report.comparison.curves:
            from attention_twins.figures import save_growth

            save_growth(report.comparison.curves, self.output.figure)
        interrupted = report.record["status"] == "interrupted"
        return 130 if interrupted else int(not report.ok)
