"""`twins check`: proof that the twins are equal, rung by rung, and that the proof can fail."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

import tyro

from attention_twins.errors import InputError, check_choice, check_file, check_integer
from attention_twins.training import KerasBackend, Loss
from shared.config import MODEL_GROUPS, MODELS, VARIANTS, WITH_VARIANTS, chosen_models

TUTORIAL_STEPS = 24_780
"""826 rows, one a step, 30 epochs."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """Prove that the twins are equal, from the weights to the last training step.

    Every network in Keras on TensorFlow, JAX and torch and in PyTorch, each in a process of its
    own, in float64 and float32; the definition in NumPy is the judge.
    """

    model: Annotated[str, tyro.conf.arg(metavar="|".join([*MODEL_GROUPS, *MODELS]))] = "tutorial"
    """Network to check, the tutorial's two, or all of them."""

    variant: Annotated[str, tyro.conf.arg(metavar="|".join(["all", *VARIANTS]))] = "tutorial"
    """Variant of attention to check, or all of them."""

    dtype: Literal["both", "float32", "float64"] = "both"
    """Floating-point type, or both: only then is a twin's own float32 error known."""

    keras_backend: Literal["all", "tensorflow", "jax", "torch"] | None = None
    """What Keras runs on. If not given: all three; with --keras and --torch TensorFlow."""

    steps: int | None = None
    """Training steps on the trajectory, from 2 to 24780. If not given: 1000; with --keras and
    --torch 100."""

    full: bool = False
    """All 24780 steps of the tutorial: takes half an hour for its two networks."""

    faster: bool = True
    """Train by fit_compiled and fit_many as well, and by the scalar loop; PyTorch's compiler takes
    a minute or two for it."""

    seed: int = 0
    """Decides the weights, the small data and the batch order."""

    mutants: bool = False
    """Climb with wrong ports instead, each PyTorch's twin with a line changed, and show which rung
    sees which. Against Keras on TensorFlow, in float64."""

    keras: str | None = None
    """Check your own models instead: the function that makes the Keras model, without arguments,
    as package.module:function or file.py:function. Importing that module runs its code."""

    torch: str | None = None
    """Likewise the function that makes its port to PyTorch, or the model it was ported from."""

    input_shape: tuple[int, ...] | None = None
    """Shape of one row of the input of your models, such as 20 1. If not given: Keras's."""

    loss: Loss = "mse"
    """Loss to train your models with; bce and ce take logits, ce classes as targets."""

    source: Annotated[Literal["keras", "torch"], tyro.conf.arg(name="from")] = "keras"
    """Whose weights are carried over to the other one of your models."""

    save: Path | None = None
    """Write the ported weights to this file: .safetensors for PyTorch, .weights.h5 for Keras."""

    json: Path | None = None
    """Write every comparison, versions and commit to this file."""

    figure: Path | None = None
    """Draw how the differences grow with the training steps into this file (.png, .svg, .pdf)."""

    def __call__(self) -> int:
        """Climb, compare, show; the exit code.

        Raises:
            InputError: before anything is started.
        """
        models = chosen_models(self.model)
        check_choice("variant", self.variant, ("all", *VARIANTS))
        if self.steps is not None:
            check_integer("steps", self.steps, 2, TUTORIAL_STEPS)
        check_integer("seed", self.seed, 0, 2**32 - 1)
        check_file("json", self.json)
        check_file("figure", self.figure)
        if self.figure and self.figure.suffix not in (".png", ".svg", ".pdf"):
            raise InputError(f"figure must end in .png, .svg or .pdf, got {str(self.figure)!r}")
        everything = tuple(get_args(KerasBackend))
        chosen = (self.keras_backend,) if self.keras_backend else None
        backends = everything if self.keras_backend == "all" else chosen
        if self.keras is not None or self.torch is not None:
            self._refuse(
                *("model", "variant", "dtype", "mutants", "full", "faster"),
                why="is about our own networks",
            )
            return self._check_pair(backends or ("tensorflow",))

        from benchmarks.prove import certificate, detection  # only now: they take seconds
        from benchmarks.prove.cases import Case

        self._refuse("input_shape", "loss", "source", "save", why="is about keras and torch")
        if self.full:
            self._refuse("steps", why="cannot be chosen with full")
        if self.mutants:
            names = ("model", "variant", "dtype", "steps", "full", "keras_backend", "figure")
            self._refuse(*names, "faster", why="cannot be chosen with mutants")
            return detection.detect(self.seed, self.json)
        if self.variant not in ("all", "tutorial"):
            models = [name for name in models if name in WITH_VARIANTS]
            if not models:
                raise InputError(
                    f"model must be one of {', '.join(WITH_VARIANTS)} for a variant, "
                    f"got {self.model!r}"
                )
        variants = list(VARIANTS) if self.variant == "all" else [self.variant]
        cases = [
            Case(
                model,
                dtype,
                TUTORIAL_STEPS if self.full else self.steps or 1000,
                self.seed,
                faster=self.faster,
                variant=variant,
            )
            for dtype in (("float64", "float32") if self.dtype == "both" else (self.dtype,))
            for model in models
            for variant in variants
            if variant == "tutorial" or model in WITH_VARIANTS
        ]
        backends = list(backends or everything)
        request = certificate.Request(
            cases=cases, keras_backends=backends, json=self.json, figure=self.figure
        )
        return certificate.prove(request)

    def _refuse(self, *names: str, why: str) -> None:
        """Raise InputError if an option is given that would be passed over."""
        for name in names:
            if getattr(self, name) != getattr(Check, name):
                shown = "from" if name == "source" else name.replace("_", "-")
                raise InputError(f"{shown} {why}, got {getattr(self, name)!r}")

    def _check_pair(self, backends: tuple[str, ...]) -> int:
        """Compare two models of the user's; the exit code."""
        if self.keras is None or self.torch is None:
            raise InputError("keras and torch must be given together, got only one of them")

        from attention_twins.check import STEPS, check_pair

        report = check_pair(
            self.keras,
            self.torch,
            input_shape=self.input_shape,
            loss=self.loss,
            source=self.source,
            save=self.save,
            keras_backends=backends,
            steps=self.steps or STEPS,
            seed=self.seed,
        )
        report.show()
        report.save(self.json)
        if self.figure:
            from attention_twins.figures import save_growth

            save_growth(report.comparison.curves, self.figure)
        interrupted = report.record["status"] == "interrupted"
        return 130 if interrupted else int(not report.ok)
