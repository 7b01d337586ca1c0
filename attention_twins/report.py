"""What a comparison found: as a table to read in a minute, and as a record."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from attention_twins.compare import Comparison, Row
from attention_twins.errors import InputError
from attention_twins.parity import Divergence
from attention_twins.provenance import environment, write_json
from attention_twins.tables import Table, print_table
from attention_twins.traces import FASTER_STAGES, STAGES, Place
from attention_twins.twins import title

CheckRecord = dict[str, Any]
"""The head of what is kept of a comparison; its rows come last."""


@dataclass(frozen=True)
class Report:
    """What the comparison of a pair found."""

    ok: bool
    """Every tolerance holds."""

    layers: list[tuple[str, str, str]]
    """Kind, name in Keras, name in PyTorch of every pair of layers."""

    differences: list[str]
    """What no copy of weights can mend, and what to change."""

    comparison: Comparison
    """Every tensor that was compared."""

    record: CheckRecord
    """Models, versions, commit, what failed."""

    def show(self) -> None:
        """Print it all."""
        console = Console()
        layers = ", ".join(f"{kind} ({ours} – {theirs})" for kind, ours, theirs in self.layers)
        lines = ["", f"Layers, Keras – PyTorch: {layers}", *self.differences]
        if self.record["saved"]:
            holds = "" if self.ok else " (not every tolerance holds)"
            lines.append(f"Ported weights: {self.record['saved']}{holds}")
        for text in lines:
            console.print(text, markup=False, highlight=False, soft_wrap=True)
        show(self.record, self.comparison)

    def save(self, path: Path | None) -> None:
        """Write the record as JSON."""
        close_record(self.record, path, **results(self.comparison))


def open_record(command: str, subjects: list[Any]) -> CheckRecord:
    """A record, as far as it is known before the run."""
    return {
        "command": command,
        "status": "running",
        "ok": False,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "cases": [asdict(subject) for subject in subjects],
        "environment": environment(),
    }


def results(comparison: Comparison) -> dict[str, Any]:
    """What a record keeps of a comparison."""
    return {
        "rows": comparison.rows,
        "divergences": [pair | asdict(parted) for pair, parted in comparison.divergences],
        "curves": comparison.curves,
    }


def close_record(record: CheckRecord, path: Path | None, **results: Any) -> None:
    """Complete a record, and write it if it is wanted.

    Raises:
        InputError: it cannot be written.
    """
    record["ended"] = datetime.now(UTC).isoformat(timespec="seconds")
    record |= results
    if path:
        try:
            write_json(path, record)
        except OSError as error:
            raise InputError(f"json must be a file that can be written, got {error}") from error


def show(record: CheckRecord, comparison: Comparison) -> None:
    """Print a table for each floating-point type, every divergence, and one sentence."""
    console = Console()
    console = Console(width=max(140, console.width))
    for dtype in dict.fromkeys(row["dtype"] for row in comparison.rows):
        rows = [row for row in comparison.rows if row["dtype"] == dtype]
        print_table(console, scores(rows))
    for pair, divergence in comparison.divergences:
        console.print()
        for line in screen(pair, divergence):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"\n{sentence(record | {'rows': comparison.rows})}", markup=False, highlight=False
    )


def scores(rows: list[Row]) -> Table:
    """Stage by stage: Keras against PyTorch, all twins against the definition, the tolerance.

    Of one floating-point type.
    """
    pairs = [row for row in rows if row["against"] != "definition"]
    twins = list(dict.fromkeys(row["twin"] for row in pairs))
    defined = any(row["against"] == "definition" for row in rows)
    columns = ["stage", *(title(twin).replace("/", "/\n") for twin in twins)]
    columns += ["all, from\ndefinition"] * defined
    columns += ["tolerance", "ulps,\nworst", "own float32\nerror, worst"]
    models = ", ".join(dict.fromkeys(row["model"] for row in rows))
    head = f"{rows[0]['dtype']}: largest difference from PyTorch; the worst of {models}"
    lines = []
    stages = [*STAGES, *FASTER_STAGES]
    rows = sorted(
        rows, key=lambda row: (stages.index(row["rung"]), row["rung"] != "step" and row["step"])
    )
    for name in dict.fromkeys(line_of(row) for row in rows):
        here = [row for row in rows if line_of(row) == name]
        pairs = [row for row in here if row["against"] != "definition"]
        cells = [cell([row for row in pairs if row["twin"] == twin]) for twin in twins]
        if defined:
            cells.append(cell([row for row in here if row["against"] == "definition"]))
        limited = [row for row in here if row["gate"] is not None]
        every = len(limited) == len(here) or not all(row["ok"] for row in limited)
        known = [row["own_error"] for row in here if row["own_error"] is not None]
        cells += [
            tightest_tolerance(limited) if every else "none",
            f"{max((row['ulps'] for row in limited), default=0):.3g}",
            f"{max(known):.1e}" if known else "",
        ]
        lines.append([name, *cells])
    return Table(head, tuple(columns), lines, left=1)


def tightest_tolerance(rows: list[Row]) -> str:
    """The tolerance of the row that comes nearest to its own, or passes it furthest."""
    tightest = max(rows, key=lambda row: size(row) / row["gate"] if row["gate"] else size(row))
    if not tightest["gate"]:
        return "equal"
    return f"{tightest['gate']:.0e}" + " rel" * tightest["relative"]


def line_of(row: Row) -> str:
    """The table's line for a row."""
    return Place(row["rung"], row["step"], row.get("optimizer", "")).line


def cell(rows: list[Row]) -> str:
    """The worst of some rows, with a mark."""
    if not rows:
        return ""
    failed = [row for row in rows if not row["ok"]]
    known = [row for row in rows if row["gate"] is None]
    worst = max(size(row) for row in failed or known or rows)
    return f"{number(worst)} {'✗' if failed else '≠' if known else '✓'}"


def size(row: Row) -> float:
    """The difference of a row, as its tolerance counts."""
    return row["max_rel"] if row["relative"] else row["max_abs"]


def number(value: float) -> str:
    """A difference in a few characters."""
    return "0" if value == 0 else f"{value:.1e}"


def screen(pair: Row, divergence: Divergence) -> list[str]:
    """Where two computations part: which tensor, where in it, the values around."""
    where = ", ".join(f"{axis} {i}" for axis, i in divergence.index.items())
    twin, against = title(pair["twin"]), title(pair["against"]).replace("its fit", "own fit")
    lines = [
        f"{twin} – {against}, {pair['model']}, {pair['dtype']}: "
        f"the first difference at the stage {pair['rung']} "
        f"({(STAGES | FASTER_STAGES)[pair['rung']]})",
        f"  tensor   {divergence.tensor}" + (f"   {divergence.problem}" * bool(divergence.problem)),
        f"  phase    {divergence.phase}, training step {divergence.step}"
        + (f", the next one looked at after {pair['equal_until']}" if "equal_until" in pair else "")
        + "".join(f", {key} {pair[key]}" for key in ("optimizer", "from") if key in pair),
    ]
    if divergence.problem:
        return lines
    lines.append(f"  index    {where or 'a single number'}")
    lines.append(f"  {'':8} {twin:>24} {against:>24} {'ulps':>10}")
    for index, actual, desired, ulps in divergence.neighbours:
        lines.append(f"  {f'[{index}]':8} {actual:>24.17g} {desired:>24.17g} {ulps:>10.3g}")
    return lines


def sentence(record: CheckRecord) -> str:
    """How a record ends."""
    rows = [row for row in record["rows"] if row["gate"] is not None]
    failed = [row for row in rows if not row["ok"]]
    text = f"{len(rows) - len(failed):,} of {len(rows):,} comparisons within tolerance."
    known = [row["problem"] for row in record["rows"] if row["gate"] is None and row["ok"]]
    text += "".join(f" ≠: {why}." for why in dict.fromkeys(known))
    if record["failures"]:
        text += f" Not or only partly checked: {', '.join(record['failures'])}."
    if record["status"] == "interrupted":
        text += " Interrupted: only what was finished has been compared."
    return text
