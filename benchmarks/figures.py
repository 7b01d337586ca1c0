"""The figures of `twins run`, made from its record: PNG to look at, SVG to print."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.tables import FRAMEWORKS

STYLE: dict[str, dict[str, Any]] = {
    "keras": {"color": "#c1272d", "ls": "-"},
    "torch": {"color": "#0a6ebd", "ls": "--"},
}
"""Colours that stay apart for the colour-blind; PyTorch dashed, so that equal curves both show."""


def save_figures(record: dict[str, Any], folder: Path) -> list[Path]:
    """Write every figure that the record has data for; the files written."""
    makers = {"loss": loss_figure, "attention": attention_figure, "predictions": prediction_figure}
    files = []
    for name, make in makers.items():
        figure = make(record)
        if figure is not None:
            files += save_figure(figure, folder / name)
    return files


def save_figure(figure: Figure, path: Path) -> list[Path]:
    """Write a figure to `path`.png and `path`.svg, the same bytes for the same figure."""
    files = []
    with matplotlib.rc_context({"svg.hashsalt": "attention-twins", "svg.fonttype": "none"}):
        for suffix, metadata in ((".png", {}), (".svg", {"Date": None})):
            files.append(path.with_suffix(suffix))
            figure.savefig(files[-1], dpi=150, metadata=metadata)
    return files


def loss_figure(record: dict[str, Any]) -> Figure:
    """Training loss of every epoch, a panel for each network."""
    figure, panels = _panels(record)
    for name, axes in panels.items():
        for fit in _fits(record, name):
            loss = np.array(fit["loss"], float)
            axes.plot(np.arange(1, len(loss) + 1), loss, label=_label(fit), **STYLE[fit["twin"]])
        persistence = record["baselines"]["persistence"]["train"]
        axes.axhline(persistence, color="0.5", lw=1, ls=":", label="persistence (no network)")
        axes.set(title=name, xlabel="epoch", ylabel="training MSE", yscale="log")
        axes.legend(frameon=False)
    return figure


def attention_figure(record: dict[str, Any]) -> Figure | None:
    """Alpha of every time step over the test rows, between the bounds that tanh sets."""
    fits = [fit for fit in record["fits"] if fit["alpha"]]
    if not fits:
        return None
    figure = Figure(figsize=(6.5, 3.8), layout="constrained")
    axes = figure.subplots()
    steps = len(fits[0]["alpha"]["mean"])
    time = np.arange(1, steps + 1)
    for fit in fits:
        alpha, style = fit["alpha"], STYLE[fit["twin"]]
        axes.plot(time, alpha["mean"], label=f"{_label(fit)}, mean", **style)
        axes.fill_between(time, alpha["low"], alpha["high"], color=style["color"], alpha=0.15, lw=0)
    ceiling, floor = np.e**2 / (np.e**2 + steps - 1), 1 / (1 + (steps - 1) * np.e**2)
    axes.axhline(ceiling, color="0.5", lw=1, ls=":", label=f"highest possible, {ceiling:.3f}")
    axes.axhline(floor, color="0.5", lw=1, ls="-.", label=f"lowest possible, {floor:.4f}")
    axes.set(
        title="Attention weights over the test set (band: smallest to largest)",
        xlabel=f"time step ({steps} is the last number seen)",
        ylabel="alpha",
        ylim=(0, None),
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 5, 10]))
    axes.legend(frameon=False, fontsize="small")
    return figure


def prediction_figure(record: dict[str, Any]) -> Figure:
    """Predicted against true test numbers, in original numbers, a panel for each network.

    Numbers of many magnitudes are shown on logarithmic axes, without those far below the largest
    one: they are all predicted alike, and would only squeeze the rest.
    """
    figure, panels = _panels(record)
    true = np.array(record["test_numbers"])
    scale = "log" if true.min() > 0 and true.max() > 1e3 * true.min() else "linear"
    shown = true > true.max() * 1e-12 if scale == "log" else np.full(true.shape, True)
    for name, axes in panels.items():
        for fit, marker in zip(_fits(record, name), "ox", strict=False):
            predicted = np.array(fit["test_numbers"], float)
            style: dict[str, Any] = {"color": STYLE[fit["twin"]]["color"], "lw": 1}
            below = shown & (predicted < 0) & (scale == "log")
            above = shown & ~below
            if marker == "o":
                style["facecolors"] = "none"
            axes.scatter(
                true[above], predicted[above], s=40, marker=marker, label=_label(fit), **style
            )
            if below.any():
                axes.scatter(
                    true[below],
                    -predicted[below],
                    s=40 if marker == "o" else 8,
                    marker="v",
                    label=f"{_label(fit)}: negative, shown as positive",
                    **style,
                )
        axes.plot(*[np.sort(true[shown])] * 2, color="0.5", lw=1, ls=":", label="exact", zorder=0)
        axes.set(
            title=name,
            xlabel=f"true number ({shown.sum()} largest of {len(true)} in the test set)",
            ylabel="predicted number",
            xscale=scale,
            yscale=scale,
        )
        axes.legend(frameon=False, fontsize="small", loc="lower right")
    return figure


def _panels(record: dict[str, Any]) -> tuple[Figure, dict[str, Axes]]:
    """A figure with a panel for each network that at least one framework has finished."""
    names = [m["model"] for m in record["models"] if any(_fits(record, m["model"]))]
    figure = Figure(figsize=(5.2 * len(names), 3.8), layout="constrained")
    axes = figure.subplots(1, len(names), squeeze=False)[0]
    return figure, dict(zip(names, axes, strict=True))


def _fits(record: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [fit for fit in record["fits"] if fit["model"] == name]


def _label(fit: dict[str, Any]) -> str:
    return FRAMEWORKS[fit["twin"]]
