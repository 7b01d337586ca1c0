"""How two trainings grow apart, as a figure. Matplotlib is needed for it and for nothing else."""

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attention_twins.errors import InputError
from attention_twins.tolerances import tolerance
from attention_twins.twins import TWIN_OF

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


Curve = Mapping[str, Any]
"""Largest difference of any weight from PyTorch (`max_abs`) after `steps`: a pair's, as a
certificate keeps it."""


def panels(
    count: int,
    width: float,
    height: float,
    across: int = 4,
    sharex: bool = False,
    sharey: bool = False,
) -> "tuple[Figure, list[Axes]]":
    """A figure of panels, so many in a row at most, each so many inches wide and high.

    Raises:
        InputError: matplotlib cannot be imported.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            "figure needs matplotlib, which cannot be imported; "
            f"install it with: {sys.executable} -m pip install matplotlib"
        ) from error
    columns, rows = min(across, count), -(-count // across)
    figure = Figure(figsize=(max(6.5, width * columns), height * rows), layout="constrained")
    axes = [*figure.subplots(rows, columns, squeeze=False, sharex=sharex, sharey=sharey).flat]
    for unused in axes[count:]:
        unused.remove()
    return figure, axes[:count]


def growth_figure(curves: Sequence[Curve]) -> "Figure":
    """How the largest difference of any weight grows, a panel for each network and type."""
    kinds = list(dict.fromkeys((curve["model"], curve["dtype"]) for curve in curves))
    across = 2 if len(kinds) <= 4 else 4
    figure, axes_of = panels(len(kinds), 5.2, 4, across, sharex=True)
    handles = {}
    for (model, dtype), axes in zip(kinds, axes_of, strict=True):
        here = [curve for curve in curves if (curve["model"], curve["dtype"]) == (model, dtype)]
        for curve in here:
            twin = TWIN_OF[curve["twin"]]
            values = [v if v and math.isfinite(v) else math.nan for v in curve["max_abs"]]
            (handles[twin.title],) = axes.plot(curve["steps"], values, lw=1.2, **twin.style)
        steps = max((curve["steps"] for curve in here), key=len)
        limits = [tolerance("trajectory", dtype, step).limit for step in steps]
        (handles["tolerance"],) = axes.step(steps, limits, where="pre", color="0.5", lw=1, ls=":")
        axes.set(title=f"{model}, {dtype}", xlabel="training step (equal bits are not drawn)")
        axes.set(xscale="log", yscale="log")
    figure.supylabel("largest difference of any weight from PyTorch", fontsize="medium")
    names = {"frameon": False, "fontsize": "small", "loc": "outside lower center", "ncols": 5}
    figure.legend([*handles.values()], [*handles], **names)
    return figure


def save_growth(curves: Sequence[Curve], path: Path) -> None:
    """Write `growth_figure` to a file.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        growth_figure(curves).savefig(path, dpi=150)
    except OSError as error:
        raise InputError(f"figure must be a file that can be written, got {error}") from error
