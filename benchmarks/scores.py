"""What `twins check` shows: a table to read in a minute, where twins part, a figure."""

import math
from pathlib import Path
from typing import Any

import rich.box
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks.verdict import Place, Verdict
from shared.config import InputError
from shared.parity import RUNGS, Divergence, gate


def show(record: dict[str, Any], verdict: Verdict) -> None:
    """Print a table for each floating-point type, every divergence, and one sentence."""
    console = Console()
    console = Console(width=max(120, console.width))
    for dtype in dict.fromkeys(row["dtype"] for row in verdict.rows):
        rows = [row for row in verdict.rows if row["dtype"] == dtype]
        models = ", ".join(dict.fromkeys(row["model"] for row in rows))
        console.print(f"\n{dtype}: largest difference from PyTorch; the worst of {models}")
        console.print(table(rows))
    for pair, divergence in verdict.divergences:
        console.print()
        for line in screen(pair, divergence):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(f"\n{sentence(record, verdict)}", markup=False, highlight=False)


def table(rows: list[dict[str, Any]]) -> Table:
    """Rung by rung: each Keras against PyTorch, all twins against the definition, the gate."""
    against = dict.fromkeys((row["twin"], row["against"]) for row in rows)
    columns = [key for key in against if key[1] != "definition"]
    made = Table(box=rich.box.SIMPLE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    made.add_column("rung", no_wrap=True)
    for twin, _ in columns:
        made.add_column(twin.replace("/", "/\n"), justify="right", no_wrap=True)
    names = ["all, from\ndefinition", "gate", "ulps,\nworst", "own float32\nerror, worst"]
    if not any(row["against"] == "definition" for row in rows):
        names = names[1:]
    for name in names:
        made.add_column(name, justify="right", no_wrap=True)
    for line in dict.fromkeys(line_of(row) for row in rows):
        here = [row for row in rows if line_of(row) == line]
        cells = [cell([r for r in here if (r["twin"], r["against"]) == key]) for key in columns]
        if len(names) == 4:
            cells.append(cell([row for row in here if row["against"] == "definition"]))
        limits = [row["gate"] for row in here if row["relative"] == (line == "gradients")]
        limit = "none" if None in limits else f"{max(limits):.0e}" if max(limits) else "equal"
        own = [row["own_error"] for row in here if row["own_error"] is not None]
        made.add_row(
            line,
            *cells,
            limit + " rel" * (line == "gradients"),
            f"{max(row['ulps'] for row in here):.3g}",
            f"{max(own):.1e}" if own else "",
        )
    return made


def line_of(row: dict[str, Any]) -> str:
    """The table's line for a row."""
    return Place(row["rung"], row["step"], row.get("optimizer", "")).line


def cell(rows: list[dict[str, Any]]) -> str:
    """The worst of some rows, with a mark."""
    if not rows:
        return ""
    known = [row["max_abs"] for row in rows if row["gate"] is None]
    if known:
        return f"{number(max(known))} [yellow]≠[/]"
    worst = max(row["max_rel"] if row["relative"] else row["max_abs"] for row in rows)
    return f"{number(worst)} {'[green]✓[/]' if all(row['ok'] for row in rows) else '[red]✗[/]'}"


def number(value: float) -> str:
    """A difference in a few characters."""
    return "0" if value == 0 else f"{value:.1e}"


def screen(pair: dict[str, Any], divergence: Divergence) -> list[str]:
    """Where two computations part: which tensor, where in it, the values around."""
    where = ", ".join(f"{axis} {i}" for axis, i in divergence.index.items())
    lines = [
        f"{pair['twin']} – {pair['against']}, {pair['model']}, {pair['dtype']}: "
        f"the first difference on the rung {pair['rung']} ({RUNGS[pair['rung']]})",
        f"  tensor   {divergence.tensor}" + (f"   {divergence.problem}" * bool(divergence.problem)),
        f"  phase    {divergence.phase}, training step {divergence.step}"
        + "".join(f", {key} {pair[key]}" for key in ("optimizer", "from") if key in pair),
    ]
    if divergence.problem:
        return lines
    lines.append(f"  index    {where or 'a single number'}")
    lines.append(f"  {'':8} {pair['twin']:>24} {pair['against']:>24} {'ulps':>10}")
    for index, actual, desired, ulps in divergence.neighbours:
        lines.append(f"  {f'[{index}]':8} {actual:>24.17g} {desired:>24.17g} {ulps:>10.3g}")
    return lines


def sentence(record: dict[str, Any], verdict: Verdict) -> str:
    """How it ended."""
    rows = [row for row in verdict.rows if row["gate"] is not None]
    failed = [row for row in rows if not row["ok"]]
    known = len({(row["dtype"], line_of(row)) for row in verdict.rows if row["gate"] is None})
    text = f"{len(rows) - len(failed)} of {len(rows)} comparisons within their gates."
    if known:
        text += f" ≠: known to differ, no gate ({known} lines)."
    if record["failures"]:
        text += f" Not or only partly checked: {', '.join(record['failures'])}."
    if record["status"] == "interrupted":
        text += " Interrupted: only what was finished has been compared."
    return text


def save_growth(curves: list[dict[str, Any]], path: Path) -> None:
    """Draw how the largest difference of any weight grows with the steps.

    Raises:
        InputError: the file cannot be written.
    """
    models = list(dict.fromkeys(curve["model"] for curve in curves))
    figure = Figure(figsize=(max(6.4, 5.2 * len(models)), 4.4), layout="constrained")
    panels = figure.subplots(1, len(models), squeeze=False, sharex=True, sharey=True)[0]
    colours = {"Keras/tensorflow": "#c1272d", "Keras/jax": "#0a6ebd", "Keras/torch": "#3a7d44"}
    for model, axes in zip(models, panels, strict=True):
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
            gates = [gate("trajectory", dtype, step).limit for step in steps]
            label = "gates" if dtype == curves[0]["dtype"] else None
            axes.step(steps, gates, where="pre", color="0.5", lw=1, ls=":", label=label)
        axes.set(title=model, xlabel="training step (equal bits are not drawn)")
        axes.set(xscale="log", yscale="log")
    panels[0].set_ylabel("largest difference of any weight from PyTorch")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, frameon=False, fontsize="small", loc="outside lower center", ncols=4
    )
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise InputError(f"figure must be a file that can be written, got {error}") from error
