"""`twins bench`: what each way to train costs, in every twin, so that one can rely on it."""

import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import tyro

from attention_twins.errors import InputError, check_integer
from attention_twins.training import Device
from benchmarks.common.options import ModelName, given

PRESETS = ("quick", "full", "ledger", "family", "grid")
JOBS = ("resume", "verify", "compare")


@dataclass(frozen=True, kw_only=True)
class Network:
    """Which networks."""

    model: tuple[ModelName, ...] = ()
    """Measure these networks, or groups of them, in every cell; those of the grid if not given."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """On what hardware."""

    device: Device | None = None
    """Measure every cell on this device; that of the grid if not given."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Which cells, how often, how exactly; the README's table if no cells are chosen."""

    quick: tyro.conf.FlagCreatePairsOff[bool] = False
    """Measure a few cells in two minutes."""

    full: tyro.conf.FlagCreatePairsOff[bool] = False
    """Measure the scaling law: units, batch size and time steps, from small to large."""

    ledger: tyro.conf.FlagCreatePairsOff[bool] = False
    """Measure what each default costs or gains when it is flipped."""

    family: tyro.conf.FlagCreatePairsOff[bool] = False
    """Measure LSTM, GRU, convolution and decoder, by fit and by the two faster ways."""

    grid: Path | None = None
    """Measure the cells of this TOML file; benchmarks/bench/grids has examples."""

    blocks: int | None = None
    """Blocks to measure at least, each with every cell once in a process of its own; the grid's."""

    most_blocks: int | None = None
    """Blocks to measure at most; the grid's, or as many as --blocks."""

    precision: float = 0.05
    """Stop once every interval is at most so wide, to either side, relative to its median."""

    target_loss: float | None = None
    """Loss to state the time to; what repeating the last number has if not given."""

    limit: float = 180.0
    """Seconds after which a process that has loaded its framework is given up."""

    seed: int = 0
    """Decides the order of the cells in every block."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Instead of measuring: look at what was measured."""

    verify: Path | None = None
    """Compute every table of this record anew from its raw samples, and compare."""

    compare: Annotated[tuple[Path, Path] | None, tyro.conf.arg(metavar="OLD NEW")] = None
    """Compare two records, cell by cell."""

    threshold: float = 0.1
    """With --compare: the slowdown, as a fraction, that is one too many if it is significant."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """Where the record is."""

    out: Path | None = None
    """New folder for the record; results/bench/<host>-<time> if not given."""

    resume: Path | None = None
    """Go on with the record in this folder, where it stopped; make its tables anew if it ended."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Measure what training costs in every twin and tier. Leave the machine alone meanwhile."""

    network: Network = field(default_factory=Network)
    training: Training = field(default_factory=Training)
    measurement: Measurement = field(default_factory=Measurement)
    comparison: Comparison = field(default_factory=Comparison)
    output: Output = field(default_factory=Output)

    def __call__(self) -> int:
        """Measure, show and keep; the exit code.

        Raises:
            InputError: before anything is measured.
        """
        asked = self.measurement
        positive = {name: getattr(asked, name) for name in ("precision", "target_loss", "limit")}
        for name, value in (positive | {"threshold": self.comparison.threshold}).items():
            if value is not None and not 0 < value < 1e9:
                raise InputError(f"{name} must be positive, got {value!r}")
        for name in ("blocks", "most_blocks"):
            if getattr(asked, name) is not None:
                check_integer(name, getattr(asked, name), 1, 1000)
        check_integer("seed", asked.seed, 0, 2**32 - 1)
        chosen = given(self)
        jobs, grids = ([name for name in names if name in chosen] for names in (JOBS, PRESETS))
        for several in (jobs, grids):
            if len(several) > 1:
                raise InputError(f"{several[0]} and {several[1]} cannot be given together")
        for name in chosen:
            fits = not jobs or name == jobs[0] or (name, *jobs) == ("threshold", "compare")
            if not fits or (name == "threshold" and not jobs):
                raise InputError(f"{name} cannot be chosen with {(jobs or ['a measurement'])[0]}")
        # Only now: what they import takes seconds.
        if self.comparison.verify:
            from benchmarks.bench.audit import verify

            return verify(self.comparison.verify)
        if self.comparison.compare:
            from benchmarks.bench.audit import compare

            return compare(*self.comparison.compare, self.comparison.threshold)
        from benchmarks.bench import machine, validity
        from benchmarks.bench.grid import GRIDS, Grid, load_grid
        from benchmarks.bench.records import Record
        from benchmarks.bench.session import Session

        described = machine.described()
        if self.output.resume:
            record = Record.resume(self.output.resume, described)
        else:
            (name,) = grids or ["default"]
            grid = load_grid(
                asked.grid or GRIDS / f"{name}.toml", self.training.device, self.network.model
            )
            blocks = asked.blocks or grid.blocks
            most = asked.most_blocks or max(blocks, grid.most_blocks if not asked.blocks else 0)
            if most < blocks:
                raise InputError(f"most_blocks must be at least blocks ({blocks}), got {most}")
            grid = Grid(grid.name, blocks, most, grid.cells)
            folder = Path(
                "results", "bench", f"{platform.node()}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
            )
            target = validity.target(asked.target_loss)
            options = {"seed": asked.seed, "precision": asked.precision, "limit": asked.limit}
            options |= {"target": target}
            record = Record.create(self.output.out or folder, grid, described, **options)
        return Session(record)()
