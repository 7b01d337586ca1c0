"""What `twins bench` measures: a cell for each process."""

from dataclasses import dataclass
from typing import ClassVar

from attention_twins.errors import InputError, check_choice, check_integer
from attention_twins.training import Device
from attention_twins.twins import PYTORCH, SCALAR_LIMIT, TORCH, TWIN_OF, TWINS
from benchmarks.bench.switches import SWITCHES, WAYS
from benchmarks.common.setting import Setting
from shared.config import TUTORIAL_MODELS, TrainConfig

MANY_EPOCHS = 6
"""Epochs for which fit_many trains each of its chunks: they cannot be ended halfway."""

LONGEST = 300
"""Epochs within which a loss must be reached, for the time to it."""


@dataclass(frozen=True, kw_only=True)
class Workload(Setting):
    """What is trained on what, whoever trains it: only cells of one workload are compared."""

    learning_rate: float = 1e-3
    """What a large network trains at without leaps is smaller; it costs the same."""

    device: Device = "cpu"
    threads: int = 1
    steps: int = 0
    """Training steps in an epoch; 0: one pass over the training rows."""

    @property
    def title(self) -> str:
        """For the head of a table."""
        parts = [
            self.model,
            f"{self.units} units",
            f"batch size {self.batch_size}",
            f"{self.time_steps} time steps",
            self.dtype,
            self.device,
            "1 thread" if self.threads == 1 else f"{self.threads} threads",
        ]
        if self.data != "fibonacci":
            parts.append(self.data)
        if self.horizon > 1:
            parts.append(f"{self.horizon} numbers ahead")
        if self.learning_rate != 1e-3:
            parts.append(f"learning rate {self.learning_rate:g}")
        if self.steps:
            parts.append(f"{self.steps} steps an epoch")
        return ", ".join(parts)

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
        """Rows in an epoch; more than the training set has: some come twice."""
        return self.steps * self.batch_size if self.steps else self.training_rows


@dataclass(frozen=True, kw_only=True)
class Cell(Workload):
    """What one process measures."""

    ORDER: ClassVar[tuple[str, ...]] = (
        *("twin", "way", "switch", "model", "data", "units", "batch_size", "time_steps"),
        *("horizon", "learning_rate", "starts", "device", "threads", "dtype", "steps", "copy"),
    )

    twin: str
    """PyTorch, Keras/tensorflow, Keras/jax, Keras/torch; scalar loop for the scalar limit."""

    way: str = "fit"
    """fit, fit_compiled, fit_many; floor for the scalar limit."""

    switch: str = ""
    """A name in SWITCHES, or nothing."""

    starts: int = 1
    """Seeds trained together, by fit_many."""

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
        if self.way == "floor":
            if (self.device, self.threads) != ("cpu", 1):
                raise InputError("device and threads of the floor must be cpu and 1")
            check_choice("model, for the floor,", self.model, TUTORIAL_MODELS)
        check_integer("starts", self.starts, 1, 1_000_000)
        if self.starts > 1 and self.way != "fit_many":
            raise InputError(f"starts must be 1 but for fit_many, got {self.starts}")
        check_integer("steps", self.steps, 0, 1_000_000)
        if self.steps and self.way == "fit_many":
            raise InputError(f"steps must be 0 for fit_many, got {self.steps}")
        check_integer("copy", self.copy, 0, 9)
        self.configs()
        self.train_config(1)

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
        parts = ["one loop" if self.way == "floor" else self.way]
        if self.way == "fit_many":
            parts.append(f"{self.starts:,} starts")
        if self.switch:
            parts.append(self.switch)
        return ", ".join(parts)

    @property
    def workload(self) -> Workload:
        """What is trained on what, whoever trains it."""
        return self.config(Workload)

    def train_config(self, epochs: int) -> TrainConfig:
        """The training."""
        backend = TWIN_OF[self.twin].backend
        return self.config(TrainConfig, epochs=epochs, keras_backend=backend)

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
        fields = self.as_dict().items()
        return " · ".join(f"{name}={value}" for name, value in fields if value != "")


def told_apart(workloads: list[Workload]) -> tuple[str, list[str]]:
    """The parts that all titles share; and the rest of each, empty where all are equal."""
    titles = [workload.title.split(", ") for workload in workloads]
    common = [part for part in titles[0] if all(part in title for title in titles)]
    return ", ".join(common), [", ".join(p for p in title if p not in common) for title in titles]
