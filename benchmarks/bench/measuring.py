"""Measure every cell of a grid, block after block, and keep each process's line at once."""

import gc
import hashlib
import random
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from rich.console import Console

from attention_twins.errors import InputError
from attention_twins.processes import Workers
from attention_twins.progress import progress_bar
from benchmarks.bench import costs, validity
from benchmarks.bench.cells import Cell
from benchmarks.bench.machine import Watch, host
from benchmarks.bench.records import Record, given_up, grid_of, read, spoiled
from benchmarks.bench.views import save, show
from benchmarks.bench.worker import measure, variables, why

TRIES = 3
"""How often a cell is measured in a block, as long as something spoils it."""


class Measurement:
    """The measurement that a record plans, from where it stands.

    Blocks are measured until there are as many as the grid says and every interval is narrow
    enough, or until there are as many as it allows.
    """

    def __init__(self, record: Record) -> None:
        self.record, self.grid, self.host = record, grid_of(record.plan), host()
        self.errors = Console(stderr=True)

    def __call__(self) -> int:
        """Measure what is left, keep, show; the exit code.

        Raises:
            InputError: another process is at it.
        """
        if self.record.torn:
            self.errors.print(self.record.torn, style="yellow")
        self._say(f"record: {self.record.folder}")
        code, folder = 0, self.record.folder
        try:
            with FileLock(folder / ".lock", blocking=False), tempfile.TemporaryDirectory() as own:
                if not self.record.end:
                    self._blocks(Path(own))
                (folder / ".lock").unlink()
        except Timeout as error:
            raise InputError(f"record must not be measured twice at once: {folder}") from error
        except (KeyboardInterrupt, OSError) as error:
            self.record = read(folder)  # the last line may have come to the disk and not to us
            stopped = isinstance(error, KeyboardInterrupt)
            code = 130 if stopped else 1
            self._say("Interrupted." if stopped else f"Stopped: {error}")
            if not self.record.end:
                self._say(f"Go on with: twins bench --resume {folder}")
        if self.record.samples:
            save(self.record)
            show(self.record)
        return code or int(bool(costs.failures(self.record)))

    def _say(self, text: str) -> None:
        """One line to people."""
        self.errors.print(text, markup=False, soft_wrap=True, highlight=False)

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
        said = f"{count - len(wide)} of {count} intervals are narrow enough"
        self.record.append({"ended": _now(), "said": said, "wide": wide})

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
        own = caches / hashlib.sha256(cell.key.encode()).hexdigest()[:16]
        line: dict[str, Any] = {"block": block, "cell": cell, "started": _now()}
        line |= {"cold": not own.exists(), "host": self.host}
        own.mkdir(exist_ok=True)
        gc.collect()
        watch, found, failed = Watch(), {}, "nothing was measured"
        with Workers() as workers:
            environment = variables(cell, own)
            config = cell.train_config(1)
            workers.start("cell", config, measure, cell, environment=environment)
            for message in workers.listen(self.record.plan["limit"]):
                if message.kind == "measured":
                    found, failed = message.content, ""
                elif message.kind == "missing":
                    failed = f"the package {message.content[0]!r} cannot be imported"
                elif message.kind == "late":
                    failed = f"over its time limit of {self.record.plan['limit']:g} s"
                elif message.kind in ("refused", "crashed"):
                    failed = why(message.content)
        line["machine"] = watch.end(found.pop("mhz", 0.0), fastest(self.record.samples))
        if not failed:
            failed = validity.failed(cell, found)
        self.record.append(line | found | {"failed": failed})
        if failed:
            said = f"{cell.twin}, {cell.name}: {failed}"
            self.errors.print(said, style="red", markup=False, soft_wrap=True)


def fastest(lines: list[dict[str, Any]]) -> float:
    """The fastest clock that was seen, in MHz."""
    return max((line["machine"]["mhz"] for line in lines), default=0.0)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
