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
    """What was cut off at the end, to go on."""

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
        plan = json.loads((folder / "plan.json").read_text())
        grid_of(plan)
        path = folder / "samples.jsonl"
        content = path.read_bytes() if path.exists() else b""
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"record must be a folder that twins bench made, got {str(folder)!r} ({error!r})"
        ) from error
    record, previous = Record(folder, plan, []), _fingerprint(plan)
    for number, text in enumerate(content.split(b"\n"), 1):
        if not text:
            continue
        try:
            line = json.loads(text)
            if line["hash"] != _hash(line):
                raise ValueError("its hash is not that of its content")
            if "cell" in line:
                line["cell"] = Cell(**line["cell"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            record.corrupt.append(f"line {number}: {str(error).splitlines()[0]}")
            continue
        if line["previous"] != previous:
            record.corrupt.append(f"line {number}: does not follow the line before it")
        previous = line["hash"]
        record.lines.append(line)
    return record


def resume(folder: Path, machine: dict[str, Any]) -> Record:
    """The record in a folder, to go on with; a last line that was torn by a crash is cut off.

    Raises:
        InputError: there is none, it has ended, was made elsewhere, or has other faults.
    """
    record = read(folder)
    path = folder / "samples.jsonl"
    content = path.read_bytes() if path.exists() else b""
    whole, torn = content[: content.rfind(b"\n") + 1], content[content.rfind(b"\n") + 1 :]
    if torn:
        path.write_bytes(whole)
        record = read(folder)
        record.torn = f"line {whole.count(bytes([10])) + 1}, which a crash has torn"
    if record.corrupt:
        raise InputError(f"resume must be a record without faults, got {record.corrupt[0]}")
    if record.end:
        raise InputError(f"resume must be a record that has not ended, got {str(folder)!r}")
    for name in ("processor", "cores", "versions", "commit", "host"):
        if record.plan["machine"].get(name) != machine.get(name):
            raise InputError(
                f"resume must go on where the record was made: {name} was "
                f"{record.plan['machine'].get(name)!r}, is {machine.get(name)!r}"
            )
    return record


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
    seen = set()
    for line in record.samples:
        place = line["block"], line["cell"].key
        if place in seen:
            found.append(f"block {place[0]} has this cell twice: {place[1]}")
        seen.add(place)
        if line["host"] != record.plan["machine"]["host"]:
            found.append(f"block {place[0]} was measured on another machine: {place[1]}")
    return found


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
