"""A measurement from where it stands to its tables: every cell of a grid, block after block."""

import gc
import hashlib
import random
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from attention_twins.processes import Message, Workers
from attention_twins.progress import progress_bar
from benchmarks.bench import costs, validity
from benchmarks.bench.cells import Cell
from benchmarks.bench.machine import Watch, host
from benchmarks.bench.records import Record, given_up, spoiled
from benchmarks.bench.views import save, show
from benchmarks.bench.worker import measure, variables, why
from benchmarks.common.journal import Line

TRIES = 3
"""How often a cell is measured in a block, as long as something spoils it."""


class Session:
    """The measurement that a record plans, from where it stands.

    Blocks are measured until there are as many as the grid says and every interval is narrow
    enough, or until there are as many as it allows.
    """

    def __init__(self, record: Record) -> None:
        self.record, self.grid, self.host = record, record.grid, host()
        self.errors = Console(stderr=True)

    def __call__(self) -> int:
        """Measure what is left, keep, show; the exit code.

        Raises:
            InputError: another process is at it.
        """
        code = self.record.carry_out(self._measure_what_is_left, self.errors)
        if self.record.samples:
            save(self.record)
            show(self.record)
        return code or int(bool(costs.failures(self.record)))

    def _measure_what_is_left(self) -> None:
        if not self.record.complete:
            with tempfile.TemporaryDirectory() as caches:
                self._blocks(Path(caches))

    def _blocks(self, caches: Path) -> None:
        """Every cell once a block, in random order within the block."""
        with progress_bar(self.errors, width=60) as progress:
            bar = progress.add_task("", total=self.grid.blocks * len(self.grid.cells), note="")
            for block in range(self.grid.most_blocks):
                if block >= self.grid.blocks:
                    if all(self._settled(cell) for cell in self.grid.cells):
                        break
                    progress.update(bar, total=(block + 1) * len(self.grid.cells))
                for cell in self._order(block):
                    progress.update(bar, description=f"block {block + 1}  {cell.twin} {cell.name}")
                    while not self._done(block, cell):
                        self._measure(block, cell, caches)
                    progress.advance(bar)
        wide, count = self._wide(), len(self.grid.cells)
        summary = f"{count - len(wide)} of {count} intervals are narrow enough"
        self.record.append({"ended": _now(), "said": summary, "wide": wide})

    def _order(self, block: int) -> list[Cell]:
        """The cells in the order of a block."""
        cells = list(self.grid.cells)
        random.Random(f"{self.record.plan['seed']} {block}").shuffle(cells)
        return cells

    def _wide(self) -> list[str]:
        """Cells whose interval is wider than asked for, or that have none."""
        precision = self.record.plan["precision"]
        return [
            cell.key
            for cell in self.grid.cells
            if not costs.cost(self.record, cell).width <= precision
        ]

    def _settled(self, cell: Cell) -> bool:
        """More blocks are of no use to it."""
        return cell.key not in self._wide() or given_up(self.record.of(cell))

    def _done(self, block: int, cell: Cell) -> bool:
        """There is a line about it that is not spoiled, or there are too many of others."""
        lines = self.record.of(cell)
        here = [line for line in lines if line["block"] == block]
        calm = any(not spoiled(line) for line in here)
        return calm or len(here) >= TRIES or (not here and given_up(lines))

    def _measure(self, block: int, cell: Cell, caches: Path) -> None:
        """One process, and its line."""
        cache = caches / hashlib.sha256(cell.key.encode()).hexdigest()[:16]
        line: Line = {"block": block, "cell": cell, "started": _now()}
        line |= {"cold": not cache.exists(), "host": self.host}
        cache.mkdir(exist_ok=True)
        gc.collect()
        watch, sample, failed = Watch(), {}, "nothing was measured"
        with Workers() as workers:
            environment = variables(cell, cache)
            config = cell.train_config(1)
            workers.start("cell", config, measure, cell, environment=environment)
            for message in workers.listen(self.record.plan["limit"]):
                if message.kind == "measured":
                    sample, failed = message.content, ""
                else:
                    failed = self._reason(message) or failed
        line["machine"] = watch.end(sample.pop("mhz", 0.0), fastest(self.record.samples))
        if not failed:
            failed = validity.failed(cell, sample)
        self.record.append(line | sample | {"failed": failed})
        if failed:
            reason = f"{cell.twin}, {cell.name}: {failed}"
            self.errors.print(reason, style="red", markup=False, soft_wrap=True)

    def _reason(self, message: Message) -> str:
        """Why a process ended early; empty if it did not."""
        if message.kind == "missing":
            return f"the package {message.content[0]!r} cannot be imported"
        if message.kind == "late":
            return f"over its time limit of {self.record.plan['limit']:g} s"
        return why(message.content) if message.kind in ("refused", "crashed") else ""


def fastest(lines: Sequence[Line]) -> float:
    """The fastest clock that was seen, in MHz."""
    return max((line["machine"]["mhz"] for line in lines), default=0.0)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
