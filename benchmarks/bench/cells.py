"""What `twins bench` measures: a cell for each process."""

from dataclasses import asdict, dataclass, fields

from attention_twins.errors import InputError, check_choice, check_integer
from attention_twins.training import Device, Dtype
from attention_twins.twins import PYTORCH, SCALAR_LIMIT, TORCH, TWIN_OF, TWINS
from benchmarks.bench.switches import SWITCHES, WAYS
from shared.config import TUTORIAL_MODELS, DataConfig, ModelConfig, TrainConfig

MANY_EPOCHS = 6
"""Epochs for which fit_many trains each of its chunks: they cannot be ended halfway."""

LONGEST = 300
"""Epochs within which a loss must be reached, for the time to it."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What one process measures."""

    twin: str
    """PyTorch, Keras/tensorflow, Keras/jax, Keras/torch; scalar loop for the floor."""

    way: str = "fit"
    """fit, fit_compiled, fit_many, floor."""

    switch: str = ""
    """A name in SWITCHES, or nothing."""

    model: str = "rnn_with_attention"
    data: str = "fibonacci"
    units: int = 2
    batch_size: int = 1
    time_steps: int = 20
    horizon: int = 1
    """Numbers to predict."""

    learning_rate: float = 1e-3
    """What a large network trains at without leaps is smaller; it costs the same."""

    starts: int = 1
    """Independent starts trained together, by fit_many."""

    device: Device = "cpu"
    threads: int = 1
    dtype: Dtype = "float32"
    steps: int = 0
    """Training steps in an epoch; 0: one pass over the training rows."""

    copy: int = 0
    """Cells that differ only in this are the same, measured twice: a null comparison."""

    def __post_init__(self) -> None:
        """Raise InputError for what cannot be measured."""
        check_choice("twin", self.twin, tuple(twin.name for twin in (*TWINS, SCALAR_LIMIT)))
        check_choice("way", self.way, tuple(WAYS))
        if (self.twin == SCALAR_LIMIT.name) != (self.way == "floor"):
            raise InputError(f"way must be floor for the scalar loop alone, got {self.way!r}")
        if self.switch:
            check_choice("switch", self.switch, tuple(SWITCHES))
            switch = SWITCHES[self.switch]
            check_choice(f"twin, with the switch {self.switch},", self.twin, switch.twins)
            check_choice(f"way, with the switch {self.switch},", self.way, (switch.way,))
            if switch.cuda and self.device == "cpu":
                raise InputError(f"device must be cuda for the switch {self.switch}, got 'cpu'")
        if self.way == "floor" and (self.device, self.threads) != ("cpu", 1):
            raise InputError("device and threads of the floor must be cpu and 1")
        if self.way == "floor":
            check_choice("model, for the floor,", self.model, TUTORIAL_MODELS)
        check_integer("starts", self.starts, 1, 1_000_000)
        if self.starts > 1 and self.way != "fit_many":
            raise InputError(f"starts must be 1 but for fit_many, got {self.starts}")
        check_integer("steps", self.steps, 0, 1_000_000)
        if self.steps and self.way == "fit_many":
            raise InputError(f"steps must be 0 for fit_many, got {self.steps}")
        check_integer("copy", self.copy, 0, 9)
        _ = self.model_config, self.train_config(1), self.data_config  # they check the rest

    @property
    def tier(self) -> str:
        """A key of TIERS."""
        return SWITCHES[self.switch].tier if self.switch else WAYS[self.way]

    @property
    def keeps(self) -> bool:
        """What it compiles is kept on disk, so that its first process is not like the others."""
        compiles = self.way != "fit" or self.switch == "torch.compile"
        return compiles and TWIN_OF[self.twin] in (PYTORCH, TORCH, SCALAR_LIMIT)

    @property
    def name(self) -> str:
        """What a table calls the way to train."""
        starts = f", {self.starts:,} starts" if self.way == "fit_many" else ""
        way = "one loop" if self.way == "floor" else self.way
        return way + starts + (f", {self.switch}" if self.switch else "")

    @property
    def setting(self) -> "Setting":
        """What is trained on what, whoever trains it."""
        return Setting(**{field.name: getattr(self, field.name) for field in fields(Setting)})

    @property
    def model_config(self) -> ModelConfig:
        """The network."""
        return ModelConfig(
            model=self.model,
            units=self.units,
            dense_units=self.horizon,
            time_steps=self.time_steps,
            dtype=self.dtype,
        )

    @property
    def data_config(self) -> DataConfig:
        """The data."""
        return DataConfig(
            data=self.data, time_steps=self.time_steps, horizon=self.horizon, dtype=self.dtype
        )

    def train_config(self, epochs: int) -> TrainConfig:
        """The training."""
        return TrainConfig(
            epochs=epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            keras_backend=TWIN_OF[self.twin].backend,  # type: ignore[arg-type]
            device=self.device,
            threads=self.threads,
        )

    @property
    def training_rows(self) -> int:
        """Rows of the training set."""
        return int(self.data_config.train_percent * self.data_config.rows)

    @property
    def steps_in_epoch(self) -> int:
        """Training steps in an epoch."""
        return self.steps or -(-self.training_rows // self.batch_size)

    @property
    def rows_in_epoch(self) -> int:
        """Rows in an epoch; more than there are: some come twice."""
        return self.steps * self.batch_size if self.steps else self.training_rows

    @property
    def key(self) -> str:
        """What tells it from every other cell, as text."""
        return " · ".join(f"{name}={value}" for name, value in asdict(self).items() if value != "")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is trained on what: only cells of one setting are compared."""

    model: str
    data: str
    units: int
    batch_size: int
    time_steps: int
    horizon: int
    learning_rate: float
    device: Device
    dtype: Dtype
    threads: int
    steps: int

    @property
    def name(self) -> str:
        """For the head of a table."""
        return (
            f"{self.model}, {self.units} units, batch size {self.batch_size}, "
            f"{self.time_steps} time steps, {self.dtype}, {self.device}, "
            f"{self.threads} thread{'s' * (self.threads > 1)}"
            + (f", {self.data}" if self.data != "fibonacci" else "")
            + (f", {self.horizon} numbers ahead" if self.horizon > 1 else "")
            + (f", learning rate {self.learning_rate:g}" if self.learning_rate != 1e-3 else "")
            + (f", {self.steps} steps an epoch" if self.steps else "")
        )


def told_apart(settings: list[Setting]) -> tuple[str, list[str]]:
    """What all names have in common; and what is left of each, nothing where all are the same."""
    names = [setting.name.split(", ") for setting in settings]
    common = [part for part in names[0] if all(part in name for name in names)]
    return ", ".join(common), [", ".join(p for p in name if p not in common) for name in names]
