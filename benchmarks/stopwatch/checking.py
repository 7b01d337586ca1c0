"""Whether a record can be relied on, and how two of them compare."""

from pathlib import Path

from rich.console import Console

from benchmarks.stopwatch.costs import by_block, measured, ratios
from benchmarks.stopwatch.intervals import unpaired
from benchmarks.stopwatch.records import Record, faults, read
from benchmarks.stopwatch.tables import Table, shown
from benchmarks.stopwatch.views import print_table, texts, wide_console


def verify(folder: Path) -> int:
    """Compute every table anew from the raw samples; 0 if all is as it should be."""
    record, console = read(folder), Console()
    found = faults(record)
    for name, text in texts(record).items() if record.samples else ():
        path = folder / name
        if not path.is_file():
            found.append(f"{name} is not there")
        elif path.read_text(encoding="utf-8") != text:
            found.append(f"{name} is not what the samples say")
    for fault in found:
        console.print(f"{folder}: {fault}", style="red", markup=False, soft_wrap=True)
    if not found:
        said = f"{folder}: {len(record.samples)} processes, every table as the samples say"
        console.print(said, markup=False, soft_wrap=True)
    return int(bool(found))


def compare(old: Path, new: Path, threshold: float) -> int:
    """Every cell of two records; 1 if one has become significantly slower than `threshold`."""
    before, after, console = read(old), read(new), wide_console()
    for record in (before, after):
        for said in record.corrupt:
            console.print(f"{record.folder}: left out: {said}", style="yellow", markup=False)
    if before.plan["machine"]["host"] != after.plan["machine"]["host"]:
        console.print("The records are from two machines.", style="yellow")
    table, slower = _changes(before, after, threshold)
    print_table(console, table)
    agree, count = agreement(before, after)
    console.print(f"Ratios within a record: {agree} of {count} agree (their intervals overlap).")
    for name in slower:
        console.print(f"slower: {name}", style="red", markup=False)
    return int(bool(slower))


def _changes(before: Record, after: Record, threshold: float) -> tuple[Table, list[str]]:
    """What became of every cell that both have; the cells that are slower."""
    lines, slower, cells = [], [], measured(after)
    for cell in measured(before):
        if cell not in cells:
            lines.append([cell.twin, cell.name, cell.setting.name, "", "not measured any more"])
            continue
        one, other = (list(by_block(record, cell).values()) for record in (after, before))
        found = unpaired(one, other)
        so = "no difference shown"
        if not found.known:
            so = f"n = {found.n}: too few to say"
        elif found.low > 1 + threshold:
            so = "slower"
            slower.append(f"{cell.twin}, {cell.name}, {cell.setting.name}")
        elif not found.has_one:
            so = "slower, by less than asked" if found.median > 1 else "faster"
        lines.append([cell.twin, cell.name, cell.setting.name, shown(found), so])
    columns = ("twin", "way to train", "setting", "new over old", "so")
    return Table("Microseconds per step, new over old", columns, lines, left=3), slower


def agreement(before: Record, after: Record) -> tuple[int, int]:
    """How many ratios of two records have intervals that overlap, of how many."""
    one, other = ratios(before), ratios(after)
    both = [
        (one[key], other[key])
        for key in one.keys() & other.keys()
        if one[key].known and other[key].known
    ]
    return sum(a.low <= b.high and b.low <= a.high for a, b in both), len(both)
