"""The record of a measurement: `plan.json`, and a line of JSON for every process.

The plan has machine, grid and seed; the last line says how the measurement ended.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from benchmarks.bench.cells import Cell
from benchmarks.bench.grid import Grid
from benchmarks.common.journal import Journal, Line


class Record(Journal):
    """What is planned, and what is measured of it; `cell` of a line is a Cell."""

    COMMAND, FILE, MACHINE = "bench", "samples.jsonl", "machine"
    NEEDED = (
        *(("machine", "host"), ("machine", "versions"), ("target", "loss"), ("target", "epochs")),
        *(("seed",), ("precision",), ("limit",)),
    )
    SAME = ("processor", "cores", "system", "python", "versions", "driver", "commit", "host")

    def parse(self) -> None:
        grid = self.plan["grid"]
        self.grid = Grid(**grid | {"cells": tuple(Cell(**cell) for cell in grid["cells"])})
        if not self.grid.cells:
            raise ValueError("it has no cells")

    def encode(self, line: Line) -> Line:
        return line | {"cell": line["cell"].as_dict()} if "cell" in line else line

    def decode(self, line: Line) -> Line:
        if "cell" not in line:
            return line
        cell = Cell(**line["cell"])
        if cell not in self.grid.cells:
            raise ValueError("its cell is not one of the plan's")
        return line | {"cell": cell}

    def subject(self, line: Line) -> Cell | None:
        return line.get("cell")

    @classmethod
    def create(cls, folder: Path, grid: Grid, machine: Line, **options: object) -> Self:
        """A new record.

        Raises:
            InputError: the folder exists already, or cannot be made.
        """
        cells = [cell.as_dict() for cell in grid.cells]
        plan = {"grid": vars(grid) | {"cells": cells}, "machine": machine, **options}
        return cls.new(folder, plan)

    @property
    def samples(self) -> list[Line]:
        """The lines about processes."""
        return [line for line in self.lines if "cell" in line]

    @property
    def end(self) -> Line | None:
        """The line that says how the measurement ended; None if it did not."""
        return next((line for line in reversed(self.lines) if "ended" in line), None)

    @property
    def complete(self) -> bool:
        return self.end is not None


def faults(record: Record) -> list[str]:
    """Why a record cannot be relied on; nothing if it can."""
    wrong = list(record.corrupt)
    if record.end is None:
        wrong.append("it has not ended")
    elif record.lines[-1] is not record.end:
        wrong.append("it goes on after its end")
    seen, calm = set(), set()
    for line in record.samples:
        place = line["block"], line["cell"].key
        if place in calm:
            wrong.append(f"block {place[0]} has this cell twice: {place[1]}")
        seen.add(place)
        if not spoiled(line):
            calm.add(place)
        if line["host"] != record.plan["machine"]["host"]:
            wrong.append(f"block {place[0]} was measured on another machine: {place[1]}")
    blocks = range(max((line["block"] for line in record.samples), default=0) + 1)
    for cell in record.grid.cells if record.end else ():
        missing = [block for block in blocks if (block, cell.key) not in seen]
        if missing and not given_up(record.of(cell)):
            wrong.append(f"block {missing[0]} lacks a cell: {cell.key}")
    return wrong


def spoiled(line: Line) -> bool:
    """The machine was busy, or training was not steady: another try may succeed."""
    return bool(line["machine"]["busy"]) or line["failed"].startswith("not steady")


GIVE_UP = 2
"""Blocks in which a cell must fail, one after the other, to be measured no more."""


def given_up(lines: Sequence[Line]) -> bool:
    """A cell with these lines is measured in no further block."""
    last = sorted({line["block"] for line in lines})[-GIVE_UP:]
    return len(last) == GIVE_UP and all(line["failed"] for line in lines if line["block"] in last)
