"""Grids: the cells of a measurement, in a TOML file."""

import itertools
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

from attention_twins.errors import InputError, check_integer
from attention_twins.training import Device
from benchmarks.bench.cells import Cell
from benchmarks.bench.switches import SWITCHES
from benchmarks.common.journal import Line
from shared.config import TUTORIAL_MODELS, chosen_models

GRIDS = Path(__file__).parent / "grids"


@dataclass(frozen=True)
class Grid:
    """All cells of a measurement, and how often each is measured."""

    name: str
    blocks: int
    """Blocks that are always measured."""

    most_blocks: int
    """Blocks at most, if the intervals stay wider than asked for."""

    cells: tuple[Cell, ...]


def load_grid(path: Path, device: Device | None = None, models: tuple[str, ...] = ()) -> Grid:
    """The grid in a TOML file: `blocks`, `most_blocks`, and tables [[cells]] of lists.

    Every [[cells]] stands for all combinations of its lists; `copies` measures each of them so
    often.

    Args:
        path: the file.
        device: put every cell on this device, but the floor; leave out what it has not.
        models: measure these networks, or groups of them, in every cell; leave out a floor that
            does not know one.

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
    chosen = chosen_models(*models)
    cells = list(dict.fromkeys(_cells(content.get("cells", []), path.name, device, chosen)))
    if not cells:
        raise InputError(f"{path.name} must have at least one cell that this device has")
    if not any(cell.copy for cell in cells):  # every table has a null comparison
        cells.append(replace(cells[0], copy=1))
    return Grid(path.stem, blocks, most, tuple(cells))


def _cells(tables: object, name: str, device: Device | None, models: list[str]) -> Iterator[Cell]:
    """The cells of all tables."""
    known = {field.name for field in fields(Cell)} - {"copy"}
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise InputError(f"{name} must have tables [[cells]]")
    for table in tables:
        lists = {k: v if isinstance(v, list) else [v] for k, v in table.items() if k != "copies"}
        if lists.keys() - known:
            raise InputError(f"{name}: cells have no {min(lists.keys() - known)!r}")
        if "twin" not in lists or not all(lists.values()):
            empty = next((key for key, values in lists.items() if not values), "twin")
            raise InputError(f"{name}: every [[cells]] must have at least one {empty}")
        if models:
            lists["model"] = models
        check_integer("copies", table.get("copies", 1), 1, 10)
        for values in itertools.product(*lists.values()):
            chosen: Line = dict(zip(lists, values, strict=True))
            if device and chosen.get("way") != "floor":
                chosen["device"] = device
            if models and chosen.get("way") == "floor" and chosen["model"] not in TUTORIAL_MODELS:
                continue
            switch = SWITCHES.get(str(chosen.get("switch", "")))
            if switch and switch.cuda and chosen.get("device", "cpu") == "cpu":
                continue  # a ledger names it, but only a GPU has it
            for copy in range(table.get("copies", 1)):
                try:
                    yield Cell(**chosen, copy=copy)
                except (InputError, TypeError, AttributeError) as error:
                    raise InputError(f"{name}: {error}") from error
