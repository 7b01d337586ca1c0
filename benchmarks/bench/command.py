"""`twins bench`: what each way to train costs, in every twin, so that one can rely on it."""

import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import tyro

from attention_twins.errors import InputError, check_integer
from attention_twins.training import Device
from shared.config import MODEL_GROUPS, MODELS


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Measure what training costs in every twin and tier. Leave the machine alone meanwhile."""

    quick: tyro.conf.FlagCreatePairsOff[bool] = False
    """Measure a few cells in two minutes, instead of the README's table."""

    full: tyro.conf.FlagCreatePairsOff[bool] = False
    """Measure the scaling law: units, batch size and time steps, from small to large."""

    ledger: tyro.conf.FlagCreatePairsOff[bool] = False
    """Measure what each default costs or gains when it is flipped."""

    family: tyro.conf.FlagCreatePairsOff[bool] = False
    """Measure LSTM, GRU, convolution and decoder, by fit and by the two faster ways."""

    grid: Path | None = None
    """Measure the cells of this TOML file; benchmarks/bench/grids has examples."""

    model: Annotated[str | None, tyro.conf.arg(metavar="|".join([*MODEL_GROUPS, *MODELS]))] = None
    """Measure this network, or group of them, in every cell, whatever the grid says."""

    device: Device | None = None
    """Measure every cell on this device, whatever the grid says."""

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

    out: Path | None = None
    """New folder for the record; results/bench/<host>-<time> if not given."""

    resume: Path | None = None
    """Go on with the record in this folder, where it stopped; make its tables anew if it ended."""

    verify: Path | None = None
    """Compute every table of this record anew from its raw samples, and compare."""

    compare: Annotated[tuple[Path, Path] | None, tyro.conf.arg(metavar="OLD NEW")] = None
    """Compare two records, cell by cell."""

    threshold: float = 0.1
    """With --compare: the slowdown, as a fraction, that is one too many if it is significant."""

    def __call__(self) -> int:
        """Measure, show and keep; the exit code.

        Raises:
            InputError: before anything is measured.
        """
        for name in ("precision", "target_loss", "limit", "threshold"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1e9:
                raise InputError(f"{name} must be positive, got {value!r}")
        for name in ("blocks", "most_blocks"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), 1, 1000)
        check_integer("seed", self.seed, 0, 2**32 - 1)
        jobs = [name for name in ("resume", "verify", "compare") if getattr(self, name)]
        if len(jobs) > 1:
            raise InputError(f"{jobs[0]} and {jobs[1]} cannot be given together")
        presets = ("quick", "full", "ledger", "family", "grid")
        grids = [name for name in presets if getattr(self, name)]
        if len(grids) > 1:
            raise InputError(f"{grids[0]} and {grids[1]} cannot be given together")
        defaults = Bench()
        given = [name for name in vars(self) if getattr(self, name) != getattr(defaults, name)]
        for name in given:
            fits = not jobs or name == jobs[0] or (name, *jobs) == ("threshold", "compare")
            if not fits or (name == "threshold" and not jobs):
                raise InputError(f"{name} cannot be chosen with {(jobs or ['a measurement'])[0]}")
        # Only now: what they import takes seconds.
        if self.verify:
            from benchmarks.bench.audit import verify

            return verify(self.verify)
        if self.compare:
            from benchmarks.bench.audit import compare

            return compare(*self.compare, self.threshold)
        from benchmarks.bench import machine, validity
        from benchmarks.bench.grid import GRIDS, Grid, load_grid
        from benchmarks.bench.records import Record
        from benchmarks.bench.session import Session

        described = machine.described()
        if self.resume:
            record = Record.resume(self.resume, described)
        else:
            (name,) = grids or ["default"]
            grid = load_grid(self.grid or GRIDS / f"{name}.toml", self.device, self.model)
            blocks = self.blocks or grid.blocks
            most = self.most_blocks or max(blocks, grid.most_blocks if not self.blocks else 0)
            if most < blocks:
                raise InputError(f"most_blocks must be at least blocks ({blocks}), got {most}")
            grid = Grid(grid.name, blocks, most, grid.cells)
            folder = Path(
                "results", "bench", f"{platform.node()}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
            )
            target = validity.target(self.target_loss)
            options = {"seed": self.seed, "precision": self.precision, "limit": self.limit}
            options |= {"target": target}
            record = Record.create(self.out or folder, grid, described, **options)
        return Session(record)()
