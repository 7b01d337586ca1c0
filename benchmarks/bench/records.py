"""The record of a measurement: a folder with one line of JSON for every process.

`plan.json`: machine, grid, seed; `samples.jsonl`: the lines, a chain of hashes that begins with the
plan.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from attention_twins.errors import InputError
from attention_twins.provenance import write_json
from benchmarks.bench.cells import Cell
from benchmarks.bench.grid import Grid
from benchmarks.common.journal import WRONG, Chain, Line


@dataclass
class Record:
    """What is in a folder."""

    folder: Path
    plan: dict[str, Any]
    chain: Chain
    """A line for each process, `cell` a Cell; the last one says how it ended."""

    torn: str = ""
    """What was cut off at the end, to go on."""

    def __post_init__(self) -> None:
        self._by_cell: dict[Cell, list[Line]] = {}
        self._indexed = 0

    def of(self, cell: Cell) -> list[Line]:
        """The lines about a cell."""
        for line in self.lines[self._indexed :]:
            if "cell" in line:
                self._by_cell.setdefault(line["cell"], []).append(line)
        self._indexed = len(self.lines)
        return self._by_cell.get(cell, [])

    @property
    def lines(self) -> list[Line]:
        """The lines that are whole, in the order of time."""
        return self.chain.lines

    @property
    def corrupt(self) -> list[str]:
        """What is wrong with which line."""
        return self.chain.corrupt

    @property
    def samples(self) -> list[Line]:
        """The lines about processes."""
        return [line for line in self.lines if "cell" in line]

    @property
    def end(self) -> Line | None:
        """The line that says how the measurement ended; None if it did not."""
        return next((line for line in reversed(self.lines) if "ended" in line), None)

    def append(self, line: Line) -> None:
        """Add a line, and see to it that it is on the disk."""
        self.chain.append(line)


def create(folder: Path, grid: Grid, machine: dict[str, Any], **options: Any) -> Record:
    """A new record.

    Raises:
        InputError: the folder is there already, or cannot be made.
    """
    plan = {"grid": asdict(grid), "machine": machine, **options}
    try:
        folder.mkdir(parents=True)
        write_json(folder / "plan.json", plan)
    except OSError as error:
        raise InputError(f"out must be a folder that can be made, got {str(folder)!r}") from error
    return read(folder)


def read(folder: Path) -> Record:
    """The record in a folder; lines that are not whole are named and left out.

    Raises:
        InputError: there is no record.
    """
    try:
        plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
        cells = set(grid_of(plan).cells)
        needed = plan["machine"]["host"], plan["machine"]["versions"].items()
        needed += tuple(plan[name] for name in ("seed", "precision", "limit"))
        needed += plan["target"]["loss"], plan["target"]["epochs"]
        if not cells:
            raise ValueError("it has no cells")

        def encode(line: Line) -> Line:
            return line | {"cell": asdict(line["cell"])} if "cell" in line else line

        def decode(line: Line) -> Line:
            if "cell" not in line:
                return line
            cell = Cell(**line["cell"])
            if cell not in cells:
                raise ValueError("its cell is not one of the plan's")
            return line | {"cell": cell}

        return Record(folder, plan, Chain(folder / "samples.jsonl", plan, encode, decode))
    except (OSError, *WRONG) as error:
        raise InputError(
            f"record must be a folder that twins bench made, got {str(folder)!r} ({error!r})"
        ) from error


def resume(folder: Path, machine: dict[str, Any]) -> Record:
    """The record in a folder, to go on with; a last line that was torn by a crash is cut off.

    Of a record that has ended only the tables are left to make, which any machine can.

    Raises:
        InputError: there is none, it was made elsewhere, or has other faults.
    """
    record = read(folder)
    if faulty := record.chain.faults():
        raise InputError(f"resume must be a record without faults, got {faulty[0]}")
    for name in SAME if not record.end else ():
        if record.plan["machine"].get(name) != machine.get(name):
            raise InputError(
                f"resume must go on where the record was made: {name} was "
                f"{record.plan['machine'].get(name)!r}, is {machine.get(name)!r}"
            )
    torn = record.chain.mend()
    return Record(folder, record.plan, record.chain, torn)


SAME = ("processor", "cores", "system", "python", "versions", "driver", "commit", "host")
"""What a machine must still be for a measurement to go on."""


def grid_of(plan: dict[str, Any]) -> Grid:
    """The grid in a plan."""
    grid = plan["grid"]
    return Grid(**grid | {"cells": tuple(Cell(**cell) for cell in grid["cells"])})


def faults(record: Record) -> list[str]:
    """Why a record cannot be relied on; nothing if it can."""
    found = list(record.corrupt)
    if record.end is None:
        found.append("it has not ended")
    elif record.lines[-1] is not record.end:
        found.append("it goes on after its end")
    seen, calm = set(), set()
    for line in record.samples:
        place = line["block"], line["cell"].key
        if place in calm:
            found.append(f"block {place[0]} has this cell twice: {place[1]}")
        seen.add(place)
        if not spoiled(line):
            calm.add(place)
        if line["host"] != record.plan["machine"]["host"]:
            found.append(f"block {place[0]} was measured on another machine: {place[1]}")
    blocks = range(max((line["block"] for line in record.samples), default=0) + 1)
    for cell in grid_of(record.plan).cells if record.end else ():
        missing = [block for block in blocks if (block, cell.key) not in seen]
        if missing and not given_up(record.of(cell)):
            found.append(f"block {missing[0]} lacks a cell: {cell.key}")
    return found


def spoiled(line: Line) -> bool:
    """The machine was busy, or training was not steady: another try may succeed."""
    return bool(line["machine"]["busy"]) or line["failed"].startswith("not steady")


GIVE_UP = 2
"""Blocks in which a cell must fail, one after the other, to be measured no more."""


def given_up(lines: list[dict[str, Any]]) -> bool:
    """A cell with these lines is measured in no further block."""
    last = sorted({line["block"] for line in lines})[-GIVE_UP:]
    return len(last) == GIVE_UP and all(line["failed"] for line in lines if line["block"] in last)
