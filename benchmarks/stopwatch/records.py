"""The record of a measurement: a folder with one line of JSON for every process.

`plan.json`: machine, grid, seed; `samples.jsonl`: the lines. Every line carries a hash of itself
and of the line before, so a line that was changed, removed or taken from elsewhere is seen.
"""

import dataclasses
import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.stopwatch.cells import Cell
from benchmarks.stopwatch.grid import Grid
from shared.config import InputError
from shared.results import finite, write_json


@dataclass
class Record:
    """What is in a folder."""

    folder: Path
    plan: dict[str, Any]
    lines: list[dict[str, Any]]
    """The lines that are whole, one for each process, in the order of time."""

    corrupt: list[str] = field(default_factory=list)
    """What is wrong with which line."""

    torn: str = ""
    """What was cut off or mended at the end, to go on."""

    def __post_init__(self) -> None:
        self._by_cell: dict[Cell, list[dict[str, Any]]] = {}
        self._indexed = 0

    def of(self, cell: Cell) -> list[dict[str, Any]]:
        """The lines about a cell."""
        for line in self.lines[self._indexed :]:
            if "cell" in line:
                self._by_cell.setdefault(line["cell"], []).append(line)
        self._indexed = len(self.lines)
        return self._by_cell.get(cell, [])

    @property
    def samples(self) -> list[dict[str, Any]]:
        """The lines about processes; `cell` is a Cell."""
        return [line for line in self.lines if "cell" in line]

    @property
    def end(self) -> dict[str, Any] | None:
        """The line that says how the measurement ended; None if it did not."""
        return next((line for line in reversed(self.lines) if "ended" in line), None)

    def append(self, line: dict[str, Any]) -> None:
        """Add a line, and see to it that it is on the disk."""
        previous = self.lines[-1]["hash"] if self.lines else _fingerprint(self.plan)
        line = finite(line | {"previous": previous})
        line["hash"] = _hash(line)
        text = json.dumps(line | _cell_as_dict(line), allow_nan=False)
        with (self.folder / "samples.jsonl").open("a", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.lines.append(line)


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
        previous = _fingerprint(plan)
        cells = set(grid_of(plan).cells)
        needed = plan["machine"]["host"], plan["machine"]["versions"].items()
        needed += tuple(plan[name] for name in ("seed", "precision", "limit"))
        needed += plan["target"]["loss"], plan["target"]["epochs"]
        if not cells:
            raise ValueError("it has no cells")
        content = _content(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"record must be a folder that twins bench made, got {str(folder)!r} ({error!r})"
        ) from error
    record = Record(folder, plan, [])
    for number, text in enumerate(content.split(b"\n"), 1):
        if not text:
            continue
        try:
            line = _line(text)
            if "cell" in line and line["cell"] not in cells:
                raise ValueError("its cell is not one of the plan's")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            record.corrupt.append(f"line {number}, left out: {str(error).splitlines()[0]}")
            continue
        if line["previous"] != previous:
            record.corrupt.append(f"line {number}: does not follow the line before it")
        previous = line["hash"]
        record.lines.append(line)
    return record


def _content(folder: Path) -> bytes:
    """All lines, as they are on the disk."""
    path = folder / "samples.jsonl"
    return path.read_bytes() if path.exists() else b""


def _line(text: bytes) -> dict[str, Any]:
    """One line, its cell a Cell.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, RecursionError: it is not as it was
            written.
    """
    line = json.loads(text)
    if line["hash"] != _hash(line) or text.decode() != json.dumps(line):  # a key may come twice
        raise ValueError("its hash is not that of its content")
    return line | {"cell": Cell(**line["cell"])} if "cell" in line else line


def resume(folder: Path, machine: dict[str, Any]) -> Record:
    """The record in a folder, to go on with; a last line that was torn by a crash is cut off.

    Of a record that has ended only the tables are left to make, which any machine can.

    Raises:
        InputError: there is none, it was made elsewhere, or has other faults.
    """
    record = read(folder)
    whole, _, torn = _content(folder).rpartition(b"\n")
    number = (whole.count(b"\n") + 1 if whole else 0) + 1
    faulty = [said for said in record.corrupt if not torn or f"line {number}," not in said]
    if faulty:
        raise InputError(f"resume must be a record without faults, got {faulty[0]}")
    for name in SAME if not record.end else ():
        if record.plan["machine"].get(name) != machine.get(name):
            raise InputError(
                f"resume must go on where the record was made: {name} was "
                f"{record.plan['machine'].get(name)!r}, is {machine.get(name)!r}"
            )
    if not torn:
        return record
    lines = [whole] if whole else []
    if not record.corrupt:  # it lacks nothing but its end
        lines.append(torn)
    (folder / "samples.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    mended = read(folder)
    if record.corrupt:
        mended.torn = f"left out: line {number}, which a crash has torn"
    return mended


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
        if not line["machine"]["busy"]:
            calm.add(place)
        if line["host"] != record.plan["machine"]["host"]:
            found.append(f"block {place[0]} was measured on another machine: {place[1]}")
    blocks = range(max((line["block"] for line in record.samples), default=0) + 1)
    for cell in grid_of(record.plan).cells if record.end else ():
        missing = [block for block in blocks if (block, cell.key) not in seen]
        if missing and not given_up(record.of(cell)):
            found.append(f"block {missing[0]} lacks a cell: {cell.key}")
    return found


GIVE_UP = 2
"""Blocks in which a cell must fail, one after the other, to be measured no more."""


def given_up(lines: list[dict[str, Any]]) -> bool:
    """A cell with these lines is measured no more."""
    return len(lines) >= GIVE_UP and all(line["failed"] for line in lines[-GIVE_UP:])


def _cell_as_dict(line: dict[str, Any]) -> dict[str, Any]:
    """The line's cell as JSON holds it."""
    return {"cell": asdict(line["cell"])} if dataclasses.is_dataclass(line.get("cell")) else {}


def _hash(line: dict[str, Any]) -> str:
    """Of all of a line but its hash."""
    content = line | _cell_as_dict(line)
    return _fingerprint({key: value for key, value in content.items() if key != "hash"})


def _fingerprint(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
