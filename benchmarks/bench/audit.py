"""Whether a record can be relied on, and how two of them compare."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from attention_twins.errors import InputError
from attention_twins.tables import Table, print_table
from benchmarks.bench.costs import by_block, failures, measured, ratios
from benchmarks.bench.machine import busy
from benchmarks.bench.records import Record, faults
from benchmarks.bench.session import fastest
from benchmarks.bench.steady import steady_after
from benchmarks.bench.validity import unfit
from benchmarks.bench.views import texts
from benchmarks.bench.worker import rule_of
from benchmarks.common.statistics import FEWEST, unpaired
from benchmarks.common.tables import wide_console


def verify(folder: Path) -> int:
    """Compute every table anew from the raw samples; 0 if all is as it should be."""
    record, console = Record.read(folder), Console()
    wrong = faults(record) + list(_unfounded(record))
    for name, text in texts(record).items() if record.samples else ():
        path = folder / name
        if not path.is_file():
            wrong.append(f"{name} is not there")
        elif path.read_bytes() != text.encode():
            wrong.append(f"{name} is not what the samples say")
    for fault in wrong:
        console.print(f"{folder}: {fault}", style="red", markup=False, soft_wrap=True)
    if not wrong:
        right = f"{folder}: {len(record.samples)} processes, every table as the samples say"
        console.print(right, markup=False, soft_wrap=True)
    return int(bool(wrong))


def _unfounded(record: Record) -> Iterator[str]:
    """Lines whose summary their own raw figures contradict."""
    for i, line in enumerate(record.samples):
        cell, claim = line["cell"], ""
        if line["machine"]["busy"] != busy(line["machine"], fastest(record.samples[:i])):
            claim = "whether the machine was busy"
        elif line["failed"]:
            continue
        elif line["steady_after"] != steady_after(line["seconds"], rule_of(cell)):
            claim = "from when on it was steady"
        elif why := unfit(cell, line):
            claim = f"that it counts, though {why}"
        if claim:
            yield f"block {line['block']} is wrong about {claim}: {cell.key}"


def compare(old: Path, new: Path, threshold: float) -> int:
    """Every cell of two records.

    Returns:
        1 if a cell has become significantly slower than `threshold`, or is measured no more.

    Raises:
        InputError: no cell was measured often enough in both to tell.
    """
    before, after, console = Record.read(old), Record.read(new), wide_console()
    for record in (before, after):
        for fault in faults(record):
            console.print(f"{record.folder}: {fault}", style="yellow", markup=False)
    if before.plan["machine"]["host"] != after.plan["machine"]["host"]:
        console.print("The records are from two machines.", style="yellow")
    table, worse = _changes(before, after, threshold)
    print_table(console, table)
    agree, count = agreement(before, after)
    console.print(f"Ratios within a record: {agree} of {count} agree (their intervals overlap).")
    for change in worse:
        console.print(change, style="red", markup=False)
    return int(bool(worse))


def _changes(before: Record, after: Record, threshold: float) -> tuple[Table, list[str]]:
    """What became of every cell; what is worse."""
    lines, worse, cells, compared = [], [], measured(after), 0
    for cell in [cell for cell in measured(before) if not cell.copy]:
        names = [cell.twin, cell.name, cell.workload.title]
        if cell not in cells:
            verdict = failures(after).get(cell, "not measured any more")
            lines.append([*names, "", verdict])
            worse.append(f"{verdict}: {', '.join(names)}")
            continue
        one, other = (list(by_block(record, cell).values()) for record in (after, before))
        change = unpaired(one, other)
        verdict = change.doubt
        if not verdict and change.low > 1 + threshold:
            verdict = "slower"
            worse.append(f"slower: {', '.join(names)}")
        elif not verdict:
            verdict = "slower, by less than asked" if change.value > 1 else "faster"
        compared += change.known
        lines.append([*names, str(change), verdict])
    for cell in cells:
        if cell not in measured(before) and not cell.copy:
            lines.append([cell.twin, cell.name, cell.workload.title, "", "new"])
    if not compared and not worse:
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
