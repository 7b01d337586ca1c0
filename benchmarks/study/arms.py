"""What a study compares: arms, each trained from many seeds, in chunks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from attention_twins.errors import InputError, check_choice
from attention_twins.twins import PYTORCH, TWIN_OF, TWINS
from benchmarks.common.journal import Line
from benchmarks.common.setting import Setting
from shared.config import SETUPS, VARIANTS, Setup, TrainConfig

CHUNK = 500
"""Trainings in a chunk: fixed, since the last bits of one depend on how many stand beside it."""


@dataclass(frozen=True, kw_only=True)
class Arm(Setting):
    """One way to have a network trained."""

    ORDER: ClassVar[tuple[str, ...]] = (
        *("twin", "model", "variant", "setup", "data", "split", "numbers", "time_steps"),
        *("horizon", "units", "epochs", "batch_size", "dtype", "learning_rate", "held_out"),
    )

    twin: str = PYTORCH.name
    variant: str = "tutorial"
    setup: Setup = "twin"
    split: int = 13
    numbers: int = 1200
    epochs: int = 30
    learning_rate: float | None = None
    """The one that it was found with; None: each of the study's."""

    held_out: bool = False
    """Judged on a fifth of the training rows, trained on the others; the test rows are not seen."""

    def __post_init__(self) -> None:
        """Raise InputError for what cannot be trained."""
        check_choice("twin", self.twin, tuple(twin.name for twin in TWINS))
        check_choice("variant", self.variant, tuple(VARIANTS))
        self.configs()
        self.train_config()
        of_pytorch = {"second_bias", "optimizer"} & {*SETUPS[self.setup]}
        if of_pytorch and self.setup != "native" and self.twin != PYTORCH.name:
            raise InputError(f"setup must not be {self.setup} in Keras: it has PyTorch's only")

    def train_config(self) -> TrainConfig:
        """The training; each one has a seed and a learning rate of its own."""
        return TrainConfig(
            epochs=self.epochs,
            batch_size=self.batch_size,
            setup=self.setup,
            keras_backend=TWIN_OF[self.twin].backend,  # type: ignore[arg-type]
        )


@dataclass(frozen=True)
class Chunk:
    """Trainings of one arm, done in one process."""

    arm: Arm
    number: int
    """Which chunk of its arm, from 0."""

    seeds: tuple[int, ...]
    rates: tuple[float, ...]
    """Learning rate of each."""

    def as_dict(self) -> Line:
        """For JSON."""
        return vars(self) | {"arm": self.arm.as_dict()}

    @classmethod
    def from_dict(cls, content: Line) -> "Chunk":
        """The inverse of `as_dict`, also after its way through JSON."""
        seeds, rates = tuple(content["seeds"]), tuple(content["rates"])
        return cls(Arm(**content["arm"]), content["number"], seeds, rates)


def chunks(arms: Sequence[Arm], seeds: int, rates: Sequence[float]) -> Iterator[Chunk]:
    """All trainings: every seed of every arm at every learning rate, or at the arm's own."""
    for arm in arms:
        tried = [arm.learning_rate] if arm.learning_rate else rates
        pairs = [(seed, rate) for rate in tried for seed in range(seeds)]
        for number, begin in enumerate(range(0, len(pairs), CHUNK)):
            yield Chunk(arm, number, *zip(*pairs[begin : begin + CHUNK], strict=True))


def label(arm: Arm, arms: Sequence[Arm]) -> str:
    """What tells an arm from the others, in words."""
    parts = []
    for name in Arm.ORDER:
        value = getattr(arm, name)
        if len({getattr(other, name) for other in arms}) > 1 and value is not None:
            shown = f"{value:.2g}" if isinstance(value, float) else value
            parts.append(f"{WORDS.get(name, '')}{shown}")
    return ", ".join(parts) or arm.model


WORDS = {
    "split": "split ",
    "units": "units ",
    "batch_size": "batch size ",
    "learning_rate": "found at rate ",
}
"""Fields whose values alone say nothing."""
