"""The figures of `twins run`, made from its record: PNG to look at, SVG to print."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from attention_twins.figures import panels
from benchmarks.common.figures import Figures, shades
from benchmarks.run.tables import Fit, RunRecord, first_of, twin_of_fit
from shared.config import DECODERS


def loss_figure(record: RunRecord) -> Figure:
    """Training loss of every epoch, a panel for each network."""
    figure, panels = _panels(record)
    for name, axes in panels.items():
        for fit in _fits(record, name):
            loss = np.array(fit["loss"], float)
            twin = twin_of_fit(record, fit)
            axes.plot(np.arange(1, len(loss) + 1), loss, label=twin.framework, **twin.style)
        forced = name in DECODERS and record["data"].get("horizon", 1) > 1
        if not forced:  # persistence has nothing in common with what is given the number before
            persistence = record["baselines"]["persistence"]["train"]
            axes.axhline(persistence, color="0.5", lw=1, ls=":", label="persistence (no network)")
        axes.set(
            title=name + ", teacher-forced" * forced,
            xlabel="epoch",
            ylabel="training MSE",
            yscale="log",
        )
        axes.legend(frameon=False)
    return figure


def attention_figure(record: RunRecord) -> Figure | None:
    """Alpha of every time step over the test rows, between the bounds that tanh sets."""
    fits = [fit for fit in record["fits"] if fit["alpha"]]
    if not fits:
        return None
    names = list(dict.fromkeys(fit["model"] for fit in fits))
    figure, axes_of = panels(len(names), 4.6, 3.8)
    figure.suptitle("Attention weights over the test set (band: smallest to largest)", fontsize=11)
    for name, axes in zip(names, axes_of, strict=True):
        own = [fit for fit in fits if fit["model"] == name]
        steps = len(own[0]["alpha"]["mean"])
        time = np.arange(1, steps + 1)
        for fit in own:
            alpha, twin = fit["alpha"], twin_of_fit(record, fit)
            axes.plot(time, alpha["mean"], label=f"{twin.framework}, mean", **twin.style)
            band = {"color": twin.colour, "alpha": 0.15, "lw": 0}
            axes.fill_between(time, alpha["low"], alpha["high"], **band)
        if name not in DECODERS:  # whose scores are not a tanh's
            high, low = np.e**2 / (np.e**2 + steps - 1), 1 / (1 + (steps - 1) * np.e**2)
            axes.axhline(high, color="0.5", lw=1, ls=":", label=f"highest possible, {high:.3f}")
            axes.axhline(low, color="0.5", lw=1, ls="-.", label=f"lowest possible, {low:.4f}")
        first = ", first number" * (name in DECODERS and record["data"].get("horizon", 1) > 1)
        axes.set(title=name + first, xlabel=f"time step ({steps} is the last)", ylim=(0, None))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 5, 10]))
        axes.legend(frameon=False, fontsize="small")
    figure.axes[0].set_ylabel("alpha")
    return figure


def prediction_figure(record: RunRecord) -> Figure:
    """Predicted against true test numbers, in original numbers, a panel for each network.

    Numbers of many magnitudes are shown on logarithmic axes, without those far below the largest
    one: they are all predicted alike, and would only squeeze the rest.
    """
    figure, panels = _panels(record)
    true = np.array(record["test_numbers"])
    scale = "log" if true.min() > 0 and true.max() > 1e3 * true.min() else "linear"
    shown = true > true.max() * 1e-12 if scale == "log" else np.full(true.shape, True)
    for name, axes in panels.items():
        for fit in _fits(record, name):
            predicted = np.array(fit["test_numbers"], float)
            twin = twin_of_fit(record, fit)
            below = shown & (predicted < 0) & (scale == "log")
            above = shown & ~below
            cross, label = twin.marker == "x", twin.framework
            for side, values, size, marker in (
                (above, predicted, 40, twin.marker),
                (below, -predicted, 8 if cross else 40, "v"),
            ):
                if side.any():
                    axes.scatter(
                        *(true[side], values[side], size),
                        marker=marker,
                        facecolors=twin.colour if cross else "none",
                        edgecolors=None if cross else twin.colour,
                        linewidths=1,
                        label=label,
                    )
                label = f"{twin.framework}: negative, shown as positive"
        axes.plot(*[np.sort(true[shown])] * 2, color="0.5", lw=1, ls=":", label="exact", zorder=0)
        axes.set(
            title=name,
            xlabel=f"true number ({shown.sum()} largest of {len(true)} in the test set)"
            + first_of(record),
            ylabel="predicted number",
            xscale=scale,
            yscale=scale,
        )
        axes.legend(frameon=False, fontsize="small", loc="lower right")
    return figure


def forecast_figure(record: RunRecord) -> Figure | None:
    """Some test rows with what follows them, and each network's forecast, in original numbers.

    On a logarithmic axis a negative forecast is shown as positive, as a triangle.
    """
    forecast = record.get("forecast")
    if not forecast:
        return None
    names = [model["model"] for model in record["models"]]
    count, horizon = len(forecast["true"]), len(forecast["true"][0])
    figure, axes_of = panels(count, 4.2, 4)
    ahead = np.arange(1, horizon + 1)
    for row, axes in enumerate(axes_of):
        seen, true = forecast["seen"][row][-10:], forecast["true"][row]
        forecasts = np.abs([fit["forecast"][row] for fit in record["fits"]]).ravel().tolist()
        numbers = [number for number in seen + true + forecasts if number]
        wide = min(seen + true) > 0 and max(numbers) > 1e3 * min(numbers)
        axes.plot(np.arange(1 - len(seen), 1), seen, "o-", color="0.6", ms=3, lw=1, label="seen")
        axes.plot(ahead, true, "s-", color="0", ms=5, mfc="none", lw=1, label="what follows")
        for fit in record["fits"]:
            twin = twin_of_fit(record, fit)
            colour = shades(twin.colour, len(names))[names.index(fit["model"])]
            style = {"color": colour, "ls": twin.dash, "lw": 1.2}
            predicted = np.array(fit["forecast"][row], float)
            below = wide & (predicted < 0)
            axes.plot(ahead[below], -predicted[below], "v", color=colour, ms=6)
            predicted = np.abs(predicted) if wide else predicted
            axes.plot(ahead, predicted, label=f"{twin.framework} {fit['model']}", **style)
        scale = "log" if wide else "linear"
        axes.set(title=f"test row {row + 1}", xlabel="time step", yscale=scale)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.axes[0].set_ylabel("number")
    names = {"frameon": False, "fontsize": "small", "loc": "outside lower center", "ncols": 4}
    figure.legend(*figure.axes[0].get_legend_handles_labels(), **names)
    return figure


RUN_FIGURES: Figures[RunRecord] = {
    "loss": (loss_figure, "Training loss of every epoch, in both frameworks."),
    "attention": (
        attention_figure,
        "Attention weight of every time step over the test set, in both frameworks.",
    ),
    "predictions": (prediction_figure, "Predicted against true test numbers, in both frameworks."),
    "forecast": (forecast_figure, "What follows some test rows, and what each network forecasts."),
}


def _panels(record: RunRecord) -> tuple[Figure, dict[str, Axes]]:
    """A figure with a panel for each network that at least one framework has finished."""
    names = [m["model"] for m in record["models"] if any(_fits(record, m["model"]))]
    figure, axes = panels(len(names), 5.2, 3.8)
    return figure, dict(zip(names, axes, strict=True))


def _fits(record: RunRecord, name: str) -> list[Fit]:
    return [fit for fit in record["fits"] if fit["model"] == name]
