"""`twins prove`: our own networks are equal in every twin, and a wrong port would be seen."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

import tyro

from attention_twins.command import Certificate
from attention_twins.errors import InputError, check_integer
from attention_twins.training import KerasBackend
from benchmarks.common.options import ModelName, VariantName, check_named, chosen_variants, given
from shared.config import WITH_VARIANTS, chosen_models

TUTORIAL_STEPS = 24_780
"""826 rows, one a step, 30 epochs."""


@dataclass(frozen=True, kw_only=True)
class Data:
    """The tutorial's rows."""

    dtype: Literal["both", "float32", "float64"] = "both"
    """Floating-point type, or both: only then is a twin's own float32 error known."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """Which networks."""

    model: tuple[ModelName, ...] = ("tutorial",)
    """Networks to check; tutorial and all stand for several."""

    variant: tuple[VariantName, ...] = ("tutorial",)
    """Variants of attention to check, or all of them."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """How long, and by which ways."""

    keras_backend: Literal["all", "tensorflow", "jax", "torch"] = "all"
    """What Keras runs on, or all three, each in a process of its own."""

    steps: int | None = None
    """Training steps, from 2 to 24780; 1000 if not given."""

    full: bool = False
    """All 24780 steps of the tutorial: takes half an hour for its two networks."""

    faster: bool = True
    """Train by fit_compiled and fit_many as well, and by the scalar limit; PyTorch's compiler takes
    a minute or two for it."""

    seed: int = 0
    """Decides the weights, the small data and the batch order."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What PyTorch's twin is."""

    wrong_ports: tyro.conf.FlagCreatePairsOff[bool] = False
    """Check wrong ports instead, each PyTorch's twin with a line changed, and show which stage sees
    which. Against Keras on TensorFlow, in float64."""


@dataclass(frozen=True, kw_only=True)
class Prove:
    """Prove that our own networks are equal in every twin, from the weights to the last step.

    Every network in Keras on TensorFlow, JAX and torch and in PyTorch, each in a process of its
    own, in float64 and float32, compared with a definition in NumPy, too.
    """

    RENAMED: ClassVar[dict[str, str]] = {"--mutants": "--wrong-ports"}

    data: Data = field(default_factory=Data)
    network: Network = field(default_factory=Network)
    training: Training = field(default_factory=Training)
    comparison: Comparison = field(default_factory=Comparison)
    output: Certificate = field(default_factory=Certificate)

    def __call__(self) -> int:
        """Train, compare, show; the exit code.

        Raises:
            InputError: before anything is started.
        """
        network, training, output = self.network, self.training, self.output
        check_named(model=network.model, variant=network.variant)
        if training.steps is not None:
            check_integer("steps", training.steps, 2, TUTORIAL_STEPS)
        check_integer("seed", training.seed, 0, 2**32 - 1)
        output.check()
        if self.comparison.wrong_ports:
            self._refuse_beside("wrong_ports", {*given(self)} - {"wrong_ports", "seed", "json"})
        elif training.full:
            self._refuse_beside("full", {*given(self)} & {"steps"})
        models, variants = chosen_models(*network.model), chosen_variants(network.variant)
        if "tutorial" not in variants and not {*models} & {*WITH_VARIANTS}:
            raise InputError(
                f"model must be one of {', '.join(WITH_VARIANTS)} for a variant, "
                f"got {', '.join(map(repr, network.model))}"
            )
        # Only now: what they import takes seconds.
        if self.comparison.wrong_ports:
            from benchmarks.prove.detection import detect

            return detect(training.seed, output.json)
        from benchmarks.prove.cases import Case
        from benchmarks.prove.certificate import Request, prove

        dtype, backend = self.data.dtype, training.keras_backend
        cases = [
            Case(
                model,
                each,
                TUTORIAL_STEPS if training.full else training.steps or 1000,
                training.seed,
                faster=training.faster,
                variant=variant,
            )
            for each in (("float64", "float32") if dtype == "both" else (dtype,))
            for model in models
            for variant in variants
            if variant == "tutorial" or model in WITH_VARIANTS
        ]
        backends = get_args(KerasBackend) if backend == "all" else (backend,)
        return prove(
            Request(cases=cases, keras_backends=backends, json=output.json, figure=output.figure)
        )

    def _refuse_beside(self, chosen: str, others: set[str]) -> None:
        """Raise InputError if an option is given that would be passed over."""
        for name, value in given(self).items():
            if name in others:
                raise InputError(f"{name} cannot be chosen with {chosen}, got {value!r}")
