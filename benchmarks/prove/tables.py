"""What `twins check` shows: a table to read in a minute, where twins part, a figure."""

import math
from pathlib import Path
from typing import Any

import rich.box
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from attention_twins.compare import Comparison
from attention_twins.errors import InputError
from attention_twins.parity import Divergence
from attention_twins.tolerances import tolerance
from attention_twins.traces import FASTER_STAGES, STAGES, Place
from benchmarks.common.tables import Table as Sheet
from benchmarks.run.figures import panels


def show(record: dict[str, Any], verdict: Comparison) -> None:
    """Print a table for each floating-point type, every divergence, and one sentence."""
    console = Console()
    console = Console(width=max(140, console.width))
    for dtype in dict.fromkeys(row["dtype"] for row in verdict.rows):
        rows = [row for row in verdict.rows if row["dtype"] == dtype]
        models = ", ".join(dict.fromkeys(row["model"] for row in rows))
        console.print(f"\n{dtype}: largest difference from PyTorch; the worst of {models}")
        console.print(table(rows))
    for pair, divergence in verdict.divergences:
        console.print()
        for line in screen(pair, divergence):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(f"\n{sentence(record | {'rows': verdict.rows})}", markup=False, highlight=False)


def table(rows: list[dict[str, Any]]) -> Table:
    """The scores, with coloured marks."""
    columns, lines = scores(rows)
    made = Table(box=rich.box.SIMPLE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        left = column == "rung"
        made.add_column(column, justify="left" if left else "right", no_wrap=True)
    colours = {"✓": "green", "✗": "red", "≠": "yellow"}
    for line in lines:
        cells = []
        for text in line:
            colour = colours.get(text[-1:])
            cells.append(f"{text[:-1]}[{colour}]{text[-1]}[/]" if colour else text)
        made.add_row(*cells)
    return made


def scores(rows: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Rung by rung: each Keras against PyTorch, all twins against the definition, the gate.

    Returns:
        Titles of the columns, and a line of cells for each rung.
    """
    pairs = [row for row in rows if row["against"] != "definition"]
    twins = list(dict.fromkeys(row["twin"] for row in pairs))
    defined = any(row["against"] == "definition" for row in rows)
    columns = ["rung", *(twin.replace("/", "/\n") for twin in twins)]
    columns += ["all, from\ndefinition"] * defined
    columns += ["gate", "ulps,\nworst", "own float32\nerror, worst"]
    lines = []
    rungs = [*STAGES, *FASTER_STAGES]
    rows = sorted(
        rows, key=lambda row: (rungs.index(row["rung"]), row["rung"] != "step" and row["step"])
    )
    for name in dict.fromkeys(line_of(row) for row in rows):
        here = [row for row in rows if line_of(row) == name]
        pairs = [row for row in here if row["against"] != "definition"]
        cells = [cell([row for row in pairs if row["twin"] == twin]) for twin in twins]
        if defined:
            cells.append(cell([row for row in here if row["against"] == "definition"]))
        gated = [row for row in here if row["gate"] is not None]
        limit = gate_of(gated) if len(gated) == len(here) or not all_ok(gated) else "none"
        known = [row["own_error"] for row in here if row["own_error"] is not None]
        cells += [
            limit,
            f"{max((row['ulps'] for row in gated), default=0):.3g}",
            f"{max(known):.1e}" if known else "",
        ]
        lines.append([name, *cells])
    return columns, lines


def overview(certificates: dict[str, dict[str, Any]]) -> Sheet:
    """A line for each certificate: what held, and by how much the weights differ at the end."""
    lines = []
    for name, record in certificates.items():
        gated = [row for row in record["rows"] if row["gate"] is not None]
        steps = max(case["steps"] for case in record["cases"])
        held = sum(row["ok"] for row in gated)
        line = [name, f"{steps:,}", f"{held:,} of {len(gated):,}"]
        for dtype in ("float64", "float32"):
            end = "trajectory", steps, dtype
            last = [row for row in gated if (row["rung"], row["step"], row["dtype"]) == end]
            largest = [max(row[key] for row in last) for key in ("max_abs", "gate") if last]
            line += map(number, largest) if last else ["", ""]
        lines.append(line)
    columns = ("network", "steps", "within their gates", "float64", "gate", "float32", "gate")
    return Sheet("Other networks", columns, lines, left=1)


def all_ok(rows: list[dict[str, Any]]) -> bool:
    """Every gate holds."""
    return all(row["ok"] for row in rows)


def gate_of(rows: list[dict[str, Any]]) -> str:
    """The gate of the row that comes nearest to its own, or passes it furthest."""
    tightest = max(rows, key=lambda row: size(row) / row["gate"] if row["gate"] else size(row))
    if not tightest["gate"]:
        return "equal"
    return f"{tightest['gate']:.0e}" + " rel" * tightest["relative"]


def line_of(row: dict[str, Any]) -> str:
    """The table's line for a row."""
    return Place(row["rung"], row["step"], row.get("optimizer", "")).line


def cell(rows: list[dict[str, Any]]) -> str:
    """The worst of some rows, with a mark."""
    if not rows:
        return ""
    failed = [row for row in rows if not row["ok"]]
    known = [row for row in rows if row["gate"] is None]
    worst = max(size(row) for row in failed or known or rows)
    return f"{number(worst)} {'✗' if failed else '≠' if known else '✓'}"


def size(row: dict[str, Any]) -> float:
    """The difference of a row, as its gate counts."""
    return row["max_rel"] if row["relative"] else row["max_abs"]


def number(value: float) -> str:
    """A difference in a few characters."""
    return "0" if value == 0 else f"{value:.1e}"


def screen(pair: dict[str, Any], divergence: Divergence) -> list[str]:
    """Where two computations part: which tensor, where in it, the values around."""
    where = ", ".join(f"{axis} {i}" for axis, i in divergence.index.items())
    lines = [
        f"{pair['twin']} – {pair['against']}, {pair['model']}, {pair['dtype']}: "
        f"the first difference on the rung {pair['rung']} ({(STAGES | FASTER_STAGES)[pair['rung']]})",
        f"  tensor   {divergence.tensor}" + (f"   {divergence.problem}" * bool(divergence.problem)),
        f"  phase    {divergence.phase}, training step {divergence.step}"
        + (f", the next one looked at after {pair['equal_until']}" if "equal_until" in pair else "")
        + "".join(f", {key} {pair[key]}" for key in ("optimizer", "from") if key in pair),
    ]
    if divergence.problem:
        return lines
    lines.append(f"  index    {where or 'a single number'}")
    lines.append(f"  {'':8} {pair['twin']:>24} {pair['against']:>24} {'ulps':>10}")
    for index, actual, desired, ulps in divergence.neighbours:
        lines.append(f"  {f'[{index}]':8} {actual:>24.17g} {desired:>24.17g} {ulps:>10.3g}")
    return lines


def sentence(record: dict[str, Any]) -> str:
    """How a certificate ends."""
    rows = [row for row in record["rows"] if row["gate"] is not None]
    failed = [row for row in rows if not row["ok"]]
    text = f"{len(rows) - len(failed):,} of {len(rows):,} comparisons within their gates."
    known = [row["problem"] for row in record["rows"] if row["gate"] is None and row["ok"]]
    text += "".join(f" ≠: {why}." for why in dict.fromkeys(known))
    if record["failures"]:
        text += f" Not or only partly checked: {', '.join(record['failures'])}."
    if record["status"] == "interrupted":
        text += " Interrupted: only what was finished has been compared."
    return text


def save_growth(curves: list[dict[str, Any]], path: Path) -> None:
    """Write `growth_figure` to a file.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        growth_figure(curves).savefig(path, dpi=150)
    except OSError as error:
        raise InputError(f"figure must be a file that can be written, got {error}") from error


def growth_figure(curves: list[dict[str, Any]]) -> Figure:
    """How the largest difference of any weight grows with the steps."""
    models = list(dict.fromkeys(curve["model"] for curve in curves))
    figure, axes_of = panels(len(models), 5.2, 4.4, sharex=True, sharey=True)
    colours = {
        "Keras/tensorflow": "#c1272d",
        "Keras/jax": "#0a6ebd",
        "Keras/torch": "#3a7d44",
        "scalar loop": "0.2",
    }
    for model, axes in zip(models, axes_of, strict=True):
        for curve in (curve for curve in curves if curve["model"] == model):
            values = [v if v and math.isfinite(v) else math.nan for v in curve["max_abs"]]
            axes.plot(
                curve["steps"],
                values,
                color=colours[curve["twin"]],
                ls="-" if curve["dtype"] == "float64" else "--",
                lw=1.2,
                label=f"{curve['twin']}, {curve['dtype']}",
            )
        steps = max((curve["steps"] for curve in curves), key=len)
        for dtype in dict.fromkeys(curve["dtype"] for curve in curves):
            gates = [tolerance("trajectory", dtype, step).limit for step in steps]
            label = "gates" if dtype == curves[0]["dtype"] else None
            axes.step(steps, gates, where="pre", color="0.5", lw=1, ls=":", label=label)
        axes.set(title=model, xlabel="training step (equal bits are not drawn)")
        axes.set(xscale="log", yscale="log")
    axes_of[0].set_ylabel("largest difference of any weight from PyTorch")
    handles, labels = axes_of[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, frameon=False, fontsize="small", loc="outside lower center", ncols=4
    )
    return figure
