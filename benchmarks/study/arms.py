"""What a study compares: arms, each trained from many starts, in chunks."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from attention_twins.errors import InputError, check_choice
from attention_twins.training import Dtype
from attention_twins.twins import PYTORCH, TWIN_OF, TWINS
from shared.config import SETUPS, VARIANTS, DataConfig, DataName, ModelConfig, Setup, TrainConfig

CHUNK = 500
"""Trainings in a chunk: fixed, because a start's last bits depend on how many stand beside it."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way to have a network trained."""

    twin: str = PYTORCH.name
    model: str = "rnn_with_attention"
    variant: str = "tutorial"
    setup: Setup = "twin"
    data: DataName = "fibonacci"
    split: int = 13
    numbers: int = 1200
    time_steps: int = 20
    horizon: int = 1
    units: int = 2
    epochs: int = 30
    batch_size: int = 1
    dtype: Dtype = "float32"
    learning_rate: float | None = None
    """The one that it was found with; None: each of the study's."""

    held_out: bool = False
    """Judged on a fifth of the training rows, trained on the others; the test rows are not seen."""

    def __post_init__(self) -> None:
        """Raise InputError for what cannot be trained."""
        check_choice("twin", self.twin, tuple(twin.name for twin in TWINS))
        check_choice("variant", self.variant, tuple(VARIANTS))
        _ = self.data_config, self.model_config, self.train_config  # they check the rest
        own = {"second_bias", "optimizer"} & {*SETUPS[self.setup]}
        if own and self.setup != "native" and self.twin != PYTORCH.name:
            raise InputError(f"setup must not be {self.setup} in Keras: it has PyTorch's only")

    @property
    def data_config(self) -> DataConfig:
        """The data."""
        return DataConfig(
            data=self.data,
            numbers=self.numbers,
            time_steps=self.time_steps,
            horizon=self.horizon,
            split=self.split,
            dtype=self.dtype,
        )

    @property
    def model_config(self) -> ModelConfig:
        """The network."""
        return ModelConfig(
            model=self.model,
            units=self.units,
            dense_units=self.horizon,
            time_steps=self.time_steps,
            features=self.data_config.features,
            dtype=self.dtype,
            **VARIANTS[self.variant],  # type: ignore[arg-type]
        )

    @property
    def train_config(self) -> TrainConfig:
        """The training; each start has a seed and a learning rate of its own."""
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

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "arm": asdict(self.arm),
            **{f.name: getattr(self, f.name) for f in fields(self)[1:]},
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Chunk":
        """What `as_dict` gives, also after its way through JSON."""
        return cls(
            Arm(**content["arm"]),
            content["number"],
            tuple(content["seeds"]),
            tuple(content["rates"]),
        )


def chunks(arms: Sequence[Arm], starts: int, rates: Sequence[float]) -> Iterator[Chunk]:
    """All trainings: every start of every arm at every learning rate, or at its own."""
    for arm in arms:
        own = [arm.learning_rate] if arm.learning_rate else rates
        pairs = [(seed, rate) for rate in own for seed in range(starts)]
        for number, begin in enumerate(range(0, len(pairs), CHUNK)):
            seeds, own_rates = zip(*pairs[begin : begin + CHUNK], strict=True)
            yield Chunk(arm, number, seeds, own_rates)


def label(arm: Arm, arms: Sequence[Arm]) -> str:
    """What tells an arm from the others, in words."""
    parts = []
    for name in (field.name for field in fields(Arm)):
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
