"""A training in words that both frameworks share: its settings, what it stands at, its result."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from attention_twins.errors import InputError, check_choice, check_integer
from attention_twins.weights import Weights

Dtype = Literal["float32", "float64"]
Optimizer = Literal["adam", "adamw", "sgd", "rmsprop"]
Loss = Literal["mse", "mae", "bce", "ce"]
KerasBackend = Literal["tensorflow", "jax", "torch"]
Device = Literal["cpu", "cuda"]

OPTIMIZERS = {
    "adam": ("t", "m", "v"),
    "adamw": ("t", "m", "v"),
    "sgd": ("m",),
    "rmsprop": ("t", "v"),
}
"""Name of an optimizer → its state: t steps taken, m momentum, v mean of the squared gradients."""


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What a framework runs on."""

    keras_backend: KerasBackend = "tensorflow"
    """What Keras runs on; PyTorch, as a twin, follows that backend's rounding."""

    device: Device = "cpu"
    """Where to train."""

    threads: int = 1
    """CPU threads of each framework."""

    def __post_init__(self) -> None:
        """Raise InputError for an unknown name or a value out of range."""
        check_choice("keras_backend", self.keras_backend, get_args(KerasBackend))
        check_choice("device", self.device, get_args(Device))
        check_integer("threads", self.threads, 1, 256)


@dataclass(frozen=True, kw_only=True)
class Training(Runtime):
    """The steps of a training."""

    batch_size: int = 1
    """Rows in a training step; the last batch of an epoch may be smaller."""

    learning_rate: float = 1e-3
    """The optimizer's learning rate."""

    optimizer: Optimizer = "adam"
    """adam, adamw (weight decay 0.004), sgd (momentum 0.9) or rmsprop (ρ 0.9), as Keras has them.
    In the twin set-up PyTorch takes the same steps; of RMSprop only nearly the same."""

    loss: Loss = "mse"
    """mse or mae: mean squared or absolute error; bce or ce: cross-entropy of logits with two or
    many classes."""

    @property
    def like_keras(self) -> bool:
        """PyTorch's optimizer takes the steps that Keras's would take."""
        return True

    def __post_init__(self) -> None:
        """Raise InputError for an unknown name or a value out of range."""
        super().__post_init__()
        check_integer("batch_size", self.batch_size, 1, 1_000_000)
        if not 0 < self.learning_rate <= 10:
            raise InputError(
                f"learning_rate must be positive and at most 10, got {self.learning_rate!r}"
            )
        check_choice("optimizer", self.optimizer, get_args(Optimizer))
        check_choice("loss", self.loss, get_args(Loss))


@dataclass(frozen=True)
class Snapshot:
    """What a training stands at: enough to go on from, in either framework."""

    weights: Weights
    """The weights, canonical."""

    state: Weights
    """The optimizer's state by OPTIMIZERS: `t`, the steps taken, int64 (); for every trained weight
    `m/NAME` and `v/NAME` in its shape. m is Keras's: for SGD it holds the learning rate."""


@dataclass(frozen=True)
class FitResult(Snapshot):
    """What `fit` returns, the same from every twin."""

    loss: list[float]
    """Loss of every epoch: each batch's loss before its step, weighted by its rows."""

    snapshots: dict[int, Snapshot]
    """Step → weights and state after it, for the steps that were asked for."""

    seconds: list[float] = field(default_factory=list)
    """Wall-clock seconds of every epoch, where they were taken."""

    compile_seconds: float = 0.0
    """Seconds of compilation before the first epoch; 0 where it happens inside that epoch."""
