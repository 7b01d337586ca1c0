"""What `twins bench` measures: cells, and the grids that name them."""

import itertools
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from shared.config import (
    DataConfig,
    Device,
    Dtype,
    InputError,
    ModelConfig,
    TrainConfig,
    check_choice,
    check_integer,
)

GRIDS = Path(__file__).parent / "grids"

BACKENDS = {
    "Keras/tensorflow": "tensorflow",
    "Keras/jax": "jax",
    "Keras/torch": "torch",
    "PyTorch": "tensorflow",  # whose steps it follows
    "scalar loop": "tensorflow",  # likewise
}
"""Twin → what Keras runs on."""

WAYS = {"fit": "A", "fit_compiled": "C", "fit_many": "D", "floor": "E"}
"""Way to train → its tier, unless a switch moves it."""

TIERS = {
    "A": "as everyone writes it",
    "B": "one documented switch",
    "C": "whole epochs compiled",
    "D": "many starts at once",
    "E": "the floor: one scalar loop",
    "L": "one default flipped",
}
"""Tier → what is in it. Ways of different tiers are never ranked together."""


@dataclass(frozen=True)
class Switch:
    """One thing that a cell does differently."""

    tier: str
    twins: tuple[str, ...]
    """Twins that have it."""

    way: str = "fit"
    """The way to train that has it."""

    what: str = ""
    """What it is, for a table."""

    same_training: bool = True
    """The numbers that come out are the same; if not, there is no reference to compare with."""

    cuda: bool = False
    """Only on a GPU."""


TF, JAX, TORCH, PYTORCH = "Keras/tensorflow", "Keras/jax", "Keras/torch", "PyTorch"

SWITCHES = {
    "steps_per_execution": Switch("B", (TF, JAX), what="compile(steps_per_execution=an epoch)"),
    "jit_compile": Switch("B", (TF,), what="compile(jit_compile=True)"),
    "unroll": Switch("B", (TF, JAX), what="SimpleRNN(unroll=True)"),
    "fused": Switch("B", (PYTORCH,), what="Adam(fused=True)"),
    "torch.compile": Switch(
        "B", (PYTORCH,), what="model.compile(), recurrence unrolled: nn.RNN breaks the graph"
    ),
    "many kernels": Switch(
        "C", (TF, JAX), way="fit_compiled", what="XLA as it comes: a kernel for each operation"
    ),
    "foreach": Switch("L", (PYTORCH,), what="Adam(foreach=True)"),
    "unrolled": Switch("L", (PYTORCH, TORCH), what="recurrence as a loop in Python, no kernel"),
    "loader": Switch("L", (PYTORCH,), what="DataLoader instead of slices of a tensor"),
    "item": Switch("L", (PYTORCH,), what="loss.item() in every step"),
    "zeros": Switch("L", (PYTORCH,), what="zero_grad(set_to_none=False)"),
    "callback": Switch(
        "L", (JAX, TORCH), what="a callback after every step: then Keras uses no threads for them"
    ),
    "one call": Switch(
        "L", (TF, JAX, TORCH), what="one call of fit for all epochs, rows in the same order"
    ),
    "deterministic": Switch("L", (TF, PYTORCH), what="deterministic operations"),
    "epsilon": Switch(
        "L", (TF, JAX, PYTORCH), what="Adam's epsilon 1e-8, not 1e-7", same_training=False
    ),
    "collector": Switch("L", (TF, JAX, TORCH, PYTORCH), what="garbage collector off"),
    "TF32": Switch(
        "L",
        (TF, JAX, TORCH, PYTORCH),
        what="TF32 in matrix products on",
        same_training=False,
        cuda=True,
    ),
}
"""Name of a switch → where it is to be had. Tier L: the table of what defaults cost or gain."""


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
    units: int = 2
    batch_size: int = 1
    time_steps: int = 20
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
        check_choice("twin", self.twin, tuple(BACKENDS))
        check_choice("way", self.way, tuple(WAYS))
        if (self.twin == "scalar loop") != (self.way == "floor"):
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
    def name(self) -> str:
        """What a table calls the way to train."""
        starts = f", {self.starts:,} starts" if self.way == "fit_many" else ""
        return self.way + starts + (f", {self.switch}" if self.switch else "")

    @property
    def setting(self) -> "Setting":
        """What is trained on what, whoever trains it."""
        return Setting(**{field.name: getattr(self, field.name) for field in fields(Setting)})

    @property
    def model_config(self) -> ModelConfig:
        """The network."""
        return ModelConfig(
            model=self.model, units=self.units, time_steps=self.time_steps, dtype=self.dtype
        )

    @property
    def data_config(self) -> DataConfig:
        """The data."""
        return DataConfig(time_steps=self.time_steps, dtype=self.dtype)

    def train_config(self, epochs: int) -> TrainConfig:
        """The training."""
        return TrainConfig(
            epochs=epochs,
            batch_size=self.batch_size,
            keras_backend=BACKENDS[self.twin],  # type: ignore[arg-type]
            device=self.device,
            threads=self.threads,
        )

    @property
    def training_rows(self) -> int:
        """Rows of the training set."""
        return int(self.data_config.train_percent * (self.data_config.numbers - self.time_steps))

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
    units: int
    batch_size: int
    time_steps: int
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
        )


@dataclass(frozen=True)
class Grid:
    """All cells of a measurement, and how often each is measured."""

    name: str
    blocks: int
    """Blocks that are always measured."""

    most_blocks: int
    """Blocks at most, if the intervals stay wider than asked for."""

    cells: tuple[Cell, ...]


def load_grid(path: Path, device: Device | None = None) -> Grid:
    """The grid in a TOML file: `blocks`, `most_blocks`, and tables [[cells]] of lists.

    Every [[cells]] stands for all combinations of its lists; `copies` measures each of them so
    often.

    Args:
        path: the file.
        device: put every cell on this device, but the floor; leave out what it has not.

    Raises:
        InputError: there is no such file, it is not TOML, or names what cannot be measured.
    """
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"grid must be a TOML file, got {str(path)!r} ({error})") from error
    extra = content.keys() - {"blocks", "most_blocks", "cells"}
    if extra:
        raise InputError(f"{path.name} must hold blocks, most_blocks and cells, got {min(extra)!r}")
    blocks = content.get("blocks", 5)
    most = content.get("most_blocks", blocks)
    check_integer("blocks", blocks, 1, 1000)
    check_integer("most_blocks", most, blocks, 1000)
    cells = list(dict.fromkeys(_cells(content.get("cells", []), path.name, device)))
    if not cells:
        raise InputError(f"{path.name} must have at least one cell")
    if not any(cell.copy for cell in cells):  # every table has a null comparison
        cells.append(replace(cells[0], copy=1))
    return Grid(path.stem, blocks, most, tuple(cells))


def _cells(tables: Any, name: str, device: Device | None) -> Iterator[Cell]:
    """The cells of all tables."""
    known = {field.name for field in fields(Cell)} - {"copy"}
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise InputError(f"{name} must have tables [[cells]]")
    for table in tables:
        lists = {k: v if isinstance(v, list) else [v] for k, v in table.items() if k != "copies"}
        if lists.keys() - known:
            raise InputError(f"{name}: cells have no {min(lists.keys() - known)!r}")
        check_integer("copies", table.get("copies", 1), 1, 10)
        for values in itertools.product(*lists.values()):
            chosen: dict[str, Any] = dict(zip(lists, values, strict=True))
            if device and chosen.get("way") != "floor":
                chosen["device"] = device
            switch = SWITCHES.get(chosen.get("switch", ""))
            if switch and switch.cuda and chosen.get("device", "cpu") == "cpu":
                continue  # a ledger names it, but only a GPU has it
            for copy in range(table.get("copies", 1)):
                try:
                    yield Cell(**chosen, copy=copy)
                except (InputError, TypeError, AttributeError) as error:
                    raise InputError(f"{name}: {error}") from error
