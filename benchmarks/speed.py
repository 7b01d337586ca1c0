"""`python -m benchmarks.speed`: what each way to train costs on the tutorial's attention network.

Every cell (a twin, a way to train, how many starts) runs once a round, alone, in a process of its
own; the cells of a round come in random order. Ratios are taken within a round.
"""

import importlib
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import tyro
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.costs import save_costs, show
from benchmarks.processes import ONE_KERNEL, Send, Workers, framework_environment
from shared.config import DataConfig, InputError, ModelConfig, TrainConfig, check_integer
from shared.fibonacci import load_fibonacci
from shared.results import environment, write_json
from shared.weights import initial_weights

BACKENDS = {
    "Keras/tensorflow": "tensorflow",
    "Keras/jax": "jax",
    "Keras/torch": "torch",
    "PyTorch": "tensorflow",  # whose steps it follows
}
"""Twin → what Keras runs on."""

STEPS = 826
"""Training steps in an epoch."""


@dataclass(frozen=True)
class Cell:
    """What one process measures."""

    twin: str
    way: str
    """fit, fit_compiled, fit_many, floor."""
    epochs: int
    starts: int = 1
    one_kernel: bool = True
    """Let XLA make one kernel of the loop."""

    @property
    def name(self) -> str:
        """What a table calls it."""
        if self.way == "fit_many":
            return f"fit_many, {self.starts:,} starts"
        return self.way if self.one_kernel else f"{self.way}, a kernel an operation"


def cells() -> Iterator[Cell]:
    """All that is measured."""
    yield Cell("scalar loop", "floor", 30)
    for twin in BACKENDS:
        yield Cell(twin, "fit", 2 if twin == "Keras/torch" else 3)
        yield Cell(twin, "fit_compiled", 90)
    for twin in ("Keras/tensorflow", "Keras/jax"):
        yield Cell(twin, "fit_compiled", 30, one_kernel=False)
    for twin in ("Keras/tensorflow", "Keras/jax", "PyTorch"):
        for starts, epochs in ((100, 6), (1000, 4), (2000, 3)):
            yield Cell(twin, "fit_many", epochs, starts)
    yield Cell("Keras/torch", "fit_many", 4, 1000)


def measure(send: Send, receive: Callable[[], Any], cell: Cell) -> None:
    """One cell, in a process of its own; says `measured` with a sample."""
    floor = cell.way == "floor"
    package: Any = importlib.import_module(
        "benchmarks.floor" if floor else "torch_impl" if cell.twin == "PyTorch" else "keras_impl"
    )
    send("ready", None)
    data, model = load_fibonacci(DataConfig()), ModelConfig()
    if not floor:
        package.create_model(model)  # Keras imports what is left to import only now
    imported = peak_mib()
    config = TrainConfig(epochs=cell.epochs, keras_backend=BACKENDS.get(cell.twin, "jax"))  # type: ignore
    if floor:
        result = package.fit(model, initial_weights(model, 0), data, config)
    elif cell.way == "fit_many":
        result = package.fit_many(model, data, config, range(cell.starts))
    else:
        result = getattr(package, cell.way)(package.create_model(model), data, config)
    # The first epoch may hold compilation, or a first touch of the memory.
    epochs = [part[1:] for part in _split(result.seconds, cell.epochs)]
    steps = STEPS * cell.starts / (len(result.seconds) / cell.epochs)
    send(
        "measured",
        {
            "microseconds": statistics.median(sum(epochs, [])) / steps * 1e6,
            "seconds": result.seconds,
            "compile_seconds": result.compile_seconds,
            "imported_mib": imported,
            "peak_mib": peak_mib(),
        },
    )


def _split(seconds: list[float], epochs: int) -> list[list[float]]:
    """The epochs of each chunk."""
    return [seconds[i : i + epochs] for i in range(0, len(seconds), epochs)]


def peak_mib() -> float:
    """The most memory this process has held so far, in MiB."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
        return int(peak) / 1024
    except (OSError, ValueError):
        return psutil.Process().memory_info().rss / 2**20


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Measure what each way to train costs, side by side. Leave the machine alone meanwhile."""

    rounds: int = 3
    """How often every cell is measured; the first round begins with empty caches, which its cells
    share."""

    seed: int = 0
    """Decides the order of the cells."""

    out: Path = Path("results/speed")
    """Folder for the record and the figure."""

    record: dict[str, Any] = field(default_factory=dict, init=False)

    def __call__(self) -> int:
        """Measure, show, keep; the exit code."""
        check_integer("rounds", self.rounds, 1, 100)
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"out must be a folder that can be made, got {error}") from error
        self.record.update(
            status="running",
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            environment=environment(),
            rounds=self.rounds,
            samples=[],
            failures={},
        )
        with tempfile.TemporaryDirectory() as caches:
            try:
                self._measure(Path(caches))
                self.record["status"] = "complete"
            except KeyboardInterrupt:
                self.record["status"] = "interrupted"
        self._write()
        if self.record["samples"]:
            show(self.record)
            save_costs(self.record, self.out / "costs.png")
        if self.record["status"] == "interrupted":
            return 130
        return int(bool(self.record["failures"]))

    def _measure(self, caches: Path) -> None:
        """Every cell once a round."""
        everything, order = list(cells()), random.Random(self.seed)
        columns = (
            TextColumn("{task.description:45}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True)) as progress:
            bar = progress.add_task("", total=self.rounds * len(everything))
            for number in range(self.rounds):
                order.shuffle(everything)
                for cell in everything:
                    progress.update(bar, description=f"{cell.twin} {cell.name}")
                    self._run(cell, number, caches)
                    progress.advance(bar)

    def _run(self, cell: Cell, number: int, caches: Path) -> None:
        """One cell once."""
        config = TrainConfig(keras_backend=BACKENDS.get(cell.twin, "jax"))  # type: ignore
        variables = {
            "TORCHINDUCTOR_CACHE_DIR": str(caches / "torch"),
            "NUMBA_CACHE_DIR": str(caches / "numba"),
        }
        if not cell.one_kernel:
            flags = framework_environment(config)["XLA_FLAGS"]
            variables["XLA_FLAGS"] = flags.replace(ONE_KERNEL, "")
        load = os.getloadavg()[0]
        with Workers() as workers:
            workers.start("cell", config, measure, cell, environment=variables)
            for message in workers.listen():
                if message.kind == "measured":
                    sample = {"round": number, "name": cell.name, **asdict(cell), "load": load}
                    self.record["samples"].append(sample | message.content)
                    self._write()
                elif message.kind in ("missing", "refused", "crashed"):
                    self.record["failures"][f"{cell.twin}, {cell.name}"] = str(message.content)

    def _write(self) -> None:
        """Keep what there is."""
        self.record["ended"] = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(self.out / "record.json", self.record)


if __name__ == "__main__":
    try:
        sys.exit(tyro.cli(Speed, prog="python -m benchmarks.speed")())
    except InputError as error:
        sys.exit(f"speed: error: {error}")
