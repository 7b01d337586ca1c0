"""The figures of a study, each as SVG and PNG."""

import numpy as np
from matplotlib.figure import Figure

from attention_twins.figures import panels
from attention_twins.twins import TWIN_OF
from benchmarks.common.figures import DASHES, Figures, shades
from benchmarks.study.arms import label
from benchmarks.study.comparisons import best_rate, of
from benchmarks.study.records import Study
from benchmarks.study.summary import quantiles
from benchmarks.study.tables import RATE, as_tutorial
from shared.baselines import TUTORIAL, baselines
from shared.config import DECODERS, MODELS
from shared.tasks import load_data


def errors_figure(study: Study) -> Figure | None:
    """The distribution of test errors, an arm a row: every start a dot, quantiles as a line."""
    arms = [arm for arm in study.arms if of(study, arm)]
    if not arms:
        return None
    figure = Figure(figsize=(9, 1.4 + 0.34 * len(arms)), layout="constrained")
    axes = figure.subplots()
    noise = np.random.default_rng(0)
    tutorials = [arm for arm in arms if as_tutorial(arm) and best_rate(study, arm) == RATE]
    for row, arm in enumerate(arms):
        errors = np.array([*of(study, arm).values()])
        shown = errors[np.isfinite(errors) & (errors > 0)]
        twin, height = TWIN_OF[arm.twin], row + noise.uniform(-0.22, 0.22, shown.size)
        axes.plot(shown, height, ".", ms=2.5, alpha=0.5, color=twin.colour, mew=0)
        if not shown.size:
            continue
        low, lower, middle, upper, high = quantiles(shown.tolist())
        dash = "-" if "attention" in MODELS[arm.model] else ":"
        axes.plot([low, high], [row, row], color="0.15", lw=1.2, ls=dash)
        axes.plot([lower, upper], [row, row], color="0.15", lw=3)
        axes.plot(middle, row, "o", ms=5, mfc="white", mec="0.15")
        if arm in tutorials:
            axes.plot(TUTORIAL[arm.model]["test"], row, "x", color="0", ms=7)
    alike = len({arm.data_config for arm in arms}) == 1  # else each has baselines of its own
    simple = baselines(load_data(arms[0].data_config)) if alike else {}
    for (name, sides), style in zip(simple.items(), ("-", "--", ":", "-."), strict=False):
        if sides["test"] > 1e-12:
            axes.axvline(sides["test"], color="0.6", lw=1, ls=style, label=name, zorder=0)
    if tutorials:
        axes.plot([], [], "x", color="0", ms=7, ls="", label="the tutorial's own figure")
    axes.set_yticks(range(len(arms)), [label(arm, study.arms) for arm in arms], fontsize="small")
    axes.invert_yaxis()
    axes.set(  # long names leave the axis little room: two lines
        xscale="log",
        xlabel="test MSE (dots: starts; line: 5 to 95 %, dotted without attention,\n"
        "bold 25 to 75 %, median)",
    )
    if tutorials or simple:
        axes.legend(
            frameon=False, fontsize="x-small", ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1)
        )
    axes.grid(axis="x", lw=0.3)
    return figure


def loss_figure(study: Study) -> Figure | None:
    """Training loss against epochs: the median start of each arm, and the middle half of them."""
    arms = [arm for arm in study.arms if of(study, arm)]
    if not arms:
        return None
    names = list(dict.fromkeys(arm.model for arm in arms))
    figure, axes_of = panels(len(names), 5.2, 4, sharey=True)
    for axes, name in zip(axes_of, names, strict=True):
        own = [arm for arm in arms if arm.model == name]
        for arm in own:
            of_twin = [other for other in own if other.twin == arm.twin]
            place, twin = of_twin.index(arm), TWIN_OF[arm.twin]
            colour = shades(twin.colour, len(of_twin))[place]
            dash = twin.dash if len(of_twin) == 1 else DASHES[place % len(DASHES)]
            starts = study.trainings(arm, best_rate(study, arm))
            losses = np.array([start["loss"] for start in starts], float)
            losses = np.nan_to_num(losses, nan=np.inf)  # null has become NaN
            epochs = np.arange(1, losses.shape[1] + 1)
            low, middle, high = np.quantile(
                losses, [0.25, 0.5, 0.75], axis=0, method="inverted_cdf"
            )
            axes.plot(epochs, middle, color=colour, ls=dash, label=label(arm, own))
            axes.fill_between(epochs, low, high, color=colour, alpha=0.12, lw=0)
        forced = ", teacher-forced" * (name in DECODERS and own[0].horizon > 1)
        axes.set(yscale="log", title=name + forced, xlabel="epoch")
        axes.legend(frameon=False, fontsize="x-small")
        axes.grid(lw=0.3)
    axes_of[0].set_ylabel("training loss")
    return figure


STUDY_FIGURES: Figures[Study] = {
    "errors": (errors_figure, "Test errors of every start, an arm a row, with quantiles."),
    "loss": (
        loss_figure,
        "Training loss against epochs, median and middle half of the starts.",
    ),
}
