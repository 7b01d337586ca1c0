"""Whether a record can be relied on, and how two of them compare."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from attention_twins.errors import InputError
from attention_twins.tables import Table, print_table
from benchmarks.bench.costs import by_block, failures, measured, ratios
from benchmarks.bench.machine import busy
from benchmarks.bench.measuring import fastest
from benchmarks.bench.records import Record, faults, read
from benchmarks.bench.steady import steady_after
from benchmarks.bench.validity import unfit
from benchmarks.bench.views import texts
from benchmarks.bench.worker import rule_of
from benchmarks.common.statistics import FEWEST, unpaired
from benchmarks.common.tables import wide_console


def verify(folder: Path) -> int:
    """Compute every table anew from the raw samples; 0 if all is as it should be."""
    record, console = read(folder), Console()
    found = faults(record) + list(_unfounded(record))
    for name, text in texts(record).items() if record.samples else ():
        path = folder / name
        if not path.is_file():
            found.append(f"{name} is not there")
        elif path.read_bytes() != text.encode():
            found.append(f"{name} is not what the samples say")
    for fault in found:
        console.print(f"{folder}: {fault}", style="red", markup=False, soft_wrap=True)
    if not found:
        said = f"{folder}: {len(record.samples)} processes, every table as the samples say"
        console.print(said, markup=False, soft_wrap=True)
    return int(bool(found))


def _unfounded(record: Record) -> Iterator[str]:
    """What lines say about themselves, and their raw figures do not."""
    for i, line in enumerate(record.samples):
        cell, said = line["cell"], ""
        if line["machine"]["busy"] != busy(line["machine"], fastest(record.samples[:i])):
            said = "whether the machine was busy"
        elif line["failed"]:
            continue
        elif line["steady_after"] != steady_after(line["seconds"], rule_of(cell)):
            said = "from when on it was steady"
        elif why := unfit(cell, line):
            said = f"that it counts, though {why}"
        if said:
            yield f"block {line['block']} is wrong about {said}: {cell.key}"


def compare(old: Path, new: Path, threshold: float) -> int:
    """Every cell of two records.

    Returns:
        1 if a cell has become significantly slower than `threshold`, or is measured no more.

    Raises:
        InputError: no cell was measured often enough in both to tell.
    """
    before, after, console = read(old), read(new), wide_console()
    for record in (before, after):
        for said in faults(record):
            console.print(f"{record.folder}: {said}", style="yellow", markup=False)
    if before.plan["machine"]["host"] != after.plan["machine"]["host"]:
        console.print("The records are from two machines.", style="yellow")
    table, worse = _changes(before, after, threshold)
    print_table(console, table)
    agree, count = agreement(before, after)
    console.print(f"Ratios within a record: {agree} of {count} agree (their intervals overlap).")
    for said in worse:
        console.print(said, style="red", markup=False)
    return int(bool(worse))


def _changes(before: Record, after: Record, threshold: float) -> tuple[Table, list[str]]:
    """What became of every cell; what is worse."""
    lines, worse, cells, told = [], [], measured(after), 0
    for cell in [cell for cell in measured(before) if not cell.copy]:
        name = f"{cell.twin}, {cell.name}, {cell.setting.name}"
        if cell not in cells:
            so = failures(after).get(cell, "not measured any more")
            lines.append([cell.twin, cell.name, cell.setting.name, "", so])
            worse.append(f"{so}: {name}")
            continue
        one, other = (list(by_block(record, cell).values()) for record in (after, before))
        found = unpaired(one, other)
        so = found.doubt
        if not so and found.low > 1 + threshold:
            so = "slower"
            worse.append(f"slower: {name}")
        elif not so:
            so = "slower, by less than asked" if found.median > 1 else "faster"
        told += found.known
        lines.append([cell.twin, cell.name, cell.setting.name, str(found), so])
    for cell in cells:
        if cell not in measured(before) and not cell.copy:
            lines.append([cell.twin, cell.name, cell.setting.name, "", "new"])
    if not told and not worse:
        raise InputError(f"compare needs cells that both have measured {FEWEST} times or more")
    columns = ("twin", "way to train", "setting", "new over old", "verdict")
    return Table("Microseconds per step, new over old", columns, lines, left=3), worse


def agreement(before: Record, after: Record) -> tuple[int, int]:
    """How many ratios of two records have intervals that overlap, of how many."""
    one, other = ratios(before), ratios(after)
    both = [
        (one[key], other[key])
        for key in one.keys() & other.keys()
        if one[key].known and other[key].known
    ]
    return sum(a.low <= b.high and b.low <= a.high for a, b in both), len(both)
