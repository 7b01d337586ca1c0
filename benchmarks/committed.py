"""What the committed records must hold, checked when one is made anew and not in the tests."""

import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import documents as bench
from benchmarks.bench.audit import verify
from benchmarks.bench.costs import base, by_block, failures, lines_of, measured
from benchmarks.bench.grid import GRIDS, load_grid
from benchmarks.bench.records import Record
from benchmarks.prove.command import TUTORIAL_STEPS
from benchmarks.prove.documents import CHECK, FAMILY, smallest, widest
from benchmarks.prove.wrong_ports import WRONG_PORTS
from benchmarks.study.documents import FOLDER, STUDIES
from benchmarks.study.records import Study
from shared.config import MODELS, TUTORIAL_MODELS, VARIANTS

GRID_OF = {
    bench.BENCH: "default",
    bench.BEFORE: "default",
    bench.NETWORKS: "family",
    bench.LEDGER: "ledger",
    bench.FULL: "full",
}
TIMES_FASTER = {"Keras/tensorflow": 50, "PyTorch": 20}
"""Twin → so many times faster than its `fit` both faster ways are, in every block."""

TWINS = {"Keras/tensorflow", "Keras/jax", "Keras/torch", "PyTorch"}


def faults(root: Path) -> Iterator[str]:
    """What is wrong with the records in results/."""
    for folder, grid in GRID_OF.items():
        record = Record.read(root / folder)
        if verify(root / folder):
            yield f"{folder}: see above"
        if {*record.grid.cells} != {*load_grid(GRIDS / f"{grid}.toml").cells}:
            yield f"{folder}: its cells are not those of {grid}.toml"
        yield from uncommitted(folder, record.plan["machine"])
        if folder in (bench.BENCH, bench.NETWORKS):
            if failures(record):
                yield f"{folder}: cells failed"
            for cell in record.grid.cells:
                if len(lines_of(record, cell)) < 3:
                    yield f"{folder}: {cell.name} is measured less than three times"
    yield from too_slow(Record.read(root / bench.NETWORKS))
    for name in STUDIES:
        study = Study.read(root / FOLDER / name)
        if study.left or study.damage():
            yield f"{name}: not whole"
        yield from uncommitted(name, study.plan["environment"])
    yield from unproven(root)


def uncommitted(name: str, made_by: dict[str, str]) -> Iterator[str]:
    """Whether a record was made by sources that no commit holds."""
    if not made_by["commit"] or "dirty" in made_by["commit"]:
        yield f"{name}: made by no commit"


def too_slow(record: Record) -> Iterator[str]:
    """Faster ways of the other networks that are not as much faster as TIMES_FASTER says."""
    for model in {*MODELS} - {*TUTORIAL_MODELS}:
        for twin, times in TIMES_FASTER.items():
            cells = [c for c in measured(record) if (c.model, c.twin) == (model, twin)]
            faster = [cell for cell in cells if cell.way != "fit"]
            if {cell.way for cell in faster} != {"fit_compiled", "fit_many"}:
                yield f"{bench.NETWORKS}: {twin} {model} lacks a way to train"
            for cell in faster:
                plain, own = by_block(record, base(cell)), by_block(record, cell)
                ratios = [plain[block] / own[block] for block in plain.keys() & own.keys()]
                if not ratios or min(ratios) < times:
                    yield f"{bench.NETWORKS}: {cell.name} must be {times} times faster: {ratios}"


def unproven(root: Path) -> Iterator[str]:
    """What the certificates lack."""
    paths = {path.stem: path for path in (root / CHECK).glob("*.json")}
    family = sorted((root / FAMILY).glob("*.json"))
    records = {name: json.loads(path.read_text()) for name, path in paths.items()}
    full, mutants, variants = (records[name] for name in ("full", "mutants", "variants"))
    proven = {path.stem: json.loads(path.read_text()) for path in family}
    for name, record in {**proven, "full": full, "mutants": mutants, "variants": variants}.items():
        if not record["ok"] or record["status"] != "complete" or record["failures"]:
            yield f"{name}: not whole"
        yield from uncommitted(name, record["environment"])
    if not proven:
        yield f"{FAMILY}: no certificates"
    for record, models in [(full, TUTORIAL_MODELS), *((r, (n,)) for n, r in proven.items())]:
        cases = {(case["model"], case["dtype"], case["steps"]) for case in record["cases"]}
        if cases != {(m, d, TUTORIAL_STEPS) for m in models for d in ("float64", "float32")}:
            yield f"{models}: other cases than both dtypes to {TUTORIAL_STEPS} steps"
        twins = TWINS | ({"scalar loop"} if record is full else set())
        if {row["twin"] for row in record["rows"]} != twins:
            yield f"{models}: not the rows of {twins}"
        if record is not full and not all(row["ok"] for row in record["rows"]):
            yield f"{models}: rows over their tolerance"
    if {case["variant"] for case in variants["cases"]} != {*VARIANTS}:
        yield "variants: not all"
    for name, record in {**proven, "variants": variants}.items():
        if widest(record) >= smallest(mutants) / 100:
            yield f"{name}: its widest difference is near a wrong port's smallest effect"
    if {kill["mutant"] for kill in mutants["kills"]} != {"", *WRONG_PORTS}:
        yield "mutants: not the wrong ports that there are"
