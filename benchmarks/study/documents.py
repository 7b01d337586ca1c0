"""What docs/findings.md says, from the records of `twins study`."""

from collections.abc import Iterable
from pathlib import Path

from attention_twins.tables import Table
from attention_twins.twins import PYTORCH
from benchmarks.common.statistics import Interval
from benchmarks.common.tables import as_markdown, titled
from benchmarks.study.arms import Arm
from benchmarks.study.comparisons import best_rate, of, rivals, verdict
from benchmarks.study.records import Study
from benchmarks.study.summary import (
    equivalence,
    median_ratio,
    middle,
    probability_better,
    share,
)
from benchmarks.study.tables import (
    answer,
    ceiling,
    percent,
    study_notes,
    study_tables,
)
from benchmarks.study.views import save
from shared.baselines import baselines
from shared.config import MODELS
from shared.tasks import load_data

FOLDER = "results/study"
MARGIN = 0.05

TASKS = ("fibonacci", "log_fibonacci", "recurrences", "addition", "long_addition")
"""Studies of every variant on a task: name of the folder, and of the block."""

STUDIES = ("tutorial", "splits", "learning_rates", "search", *TASKS)
"""All folders."""


def redraw_studies(root: Path) -> None:
    """Make tables and figures of every study anew."""
    for name in STUDIES:
        save(Study.read(root / FOLDER / name), MARGIN)


def study_blocks(root: Path) -> dict[str, dict[str, str]]:
    """Document → name of a block → what stands in it."""

    def study(name: str) -> Study:
        return Study.read(root / FOLDER / name)

    tutorial, splits, rates = study("tutorial"), study("splits"), study("learning_rates")
    search = study("search")
    blocks = {
        "attention": _block(tutorial, answer(tutorial), "Attention", "The tutorial"),
        "setups": _block(
            tutorial, setups_sentence(tutorial), "Errors", "Training", "Set-ups", figure="errors"
        ),
        "twins": _block(tutorial, twins_sentence(tutorial), "Twins"),
        "splits": splits_sentence(splits),
        "learning_rates": _block(
            rates, rates_sentence(rates), "Learning rates", "Attention against"
        ),
        "search": _block(
            *(search, search_sentence(search), "Found", "Errors", "Attention against"),
            figure="errors",
        ),
    }
    for name in TASKS:
        task = study(name)
        sentence = f"{winners(task)} {ceilings(task)}"
        blocks[name] = _block(task, sentence, "Errors", "Attention", "Variants", figure="errors")
    return {"docs/findings.md": blocks}


def _block(study: Study, sentence: str, *titles: str, figure: str = "") -> str:
    """A sentence, a figure, the tables whose titles begin so, the conditions."""
    parts = [sentence] if sentence else []
    if figure:
        parts.append(f"![{figure}](../{FOLDER}/{study.folder.name}/{figure}.png)")
    parts += [
        titled(table) for table in study_tables(study, MARGIN) if table.title.startswith(titles)
    ]
    return "\n\n".join([*parts, " ".join(study_notes(study, MARGIN)), _link(study)])


def _link(study: Study) -> str:
    folder = f"{FOLDER}/{study.folder.name}"
    return f"Record: [{folder}](../{folder})."


def _arm(study: Study, **wanted: object) -> Arm:
    """The first arm with these values."""
    return next(
        arm for arm in study.arms if all(getattr(arm, name) == v for name, v in wanted.items())
    )


def _by_verdict(found: Iterable[tuple[Interval, str]]) -> dict[str, list[str]]:
    """Verdict → the names it holds for, if any."""
    sides: dict[str, list[str]] = {"better": [], "worse": [], "no difference shown": []}
    for better, name in found:
        sides[verdict(better)].append(name)
    return {said: names for said, names in sides.items() if names}


def setups_sentence(study: Study) -> str:
    """What each of PyTorch's ways does to the port of the network with attention."""
    said, found = [], []
    twin = of(study, _arm(study, twin=PYTORCH.name, model="rnn_with_attention", setup="twin"))
    for setup in dict.fromkeys(arm.setup for arm in study.arms if arm.setup != "twin"):
        own = of(study, _arm(study, twin=PYTORCH.name, model="rnn_with_attention", setup=setup))
        said.append(f"{setup} {median_ratio(own, twin)}")
        found.append((probability_better(own, twin), setup))
    sides = "; ".join(f"{name}: {', '.join(own)}" for name, own in _by_verdict(found).items())
    return (
        "The median test error of PyTorch's network with attention, times that of the twin set-up: "
        f"{'; '.join(said)}. Start by start against the twin set-up, {sides}."
    )


def twins_sentence(study: Study) -> str:
    """Whether PyTorch and Keras come to the same, from the same seed."""
    pairs = []
    for arm in study.arms:
        if arm.twin == PYTORCH.name and arm.setup in ("twin", "initializers", "bias_start"):
            others = (a for a in study.arms if a.twin != PYTORCH.name and a.setup == arm.setup)
            other = next(a for a in others if a.model == arm.model)
            pairs.append(equivalence(of(study, arm), of(study, other), MARGIN))
    shown = sum(pair.shown for pair in pairs)
    return (
        f"Equivalent in {shown} of {len(pairs)} pairs. That is about the mean over starts; of "
        f"single starts at least {min(pair.within for pair in pairs):.1%} end within the margin, "
        f"and one ends a factor of {1 + max(pair.largest for pair in pairs):.2g} apart."
    )


def splits_sentence(study: Study) -> str:
    """How much the split decides."""
    lines, shown = [], []
    splits = list(dict.fromkeys(arm.split for arm in study.arms))
    for split in splits:
        ours, theirs = (
            of(study, _arm(study, model=model, split=split))
            for model in ("rnn_with_attention", "rnn")
        )
        better = probability_better(ours, theirs)
        shown.append(verdict(better))
        middles = [f"{middle([*errors.values()]):.1e}" for errors in (ours, theirs)]
        lines.append([str(split), *middles, str(better), shown[-1]])
    columns = ("split", "median with attention", "without", "P(attention better)", "verdict")
    table = as_markdown(Table("", columns, lines, left=1))
    return "\n\n".join(
        [
            f"Attention is better on {shown.count('better')} of {len(splits)} splits, worse on "
            f"{shown.count('worse')}; on {shown.count('no difference shown')} no difference is "
            "shown.",
            table,
            " ".join(study_notes(study, MARGIN)),
            _link(study),
        ]
    )


def rates_sentence(study: Study) -> str:
    """Each network at its best learning rate, and both at one."""
    ((arm, other),) = rivals(study)
    best = [best_rate(study, each) for each in (arm, other)]
    better = probability_better(of(study, arm), of(study, other))
    at = _by_verdict(
        (probability_better(study.errors(arm, rate), study.errors(other, rate)), f"{rate:g}")
        for rate in study.rates
    )
    said = {"better": "is better", "worse": "is worse", "no difference shown": "is no different"}
    sides = ", ".join(f"{said[name]} at {' and '.join(rates)}" for name, rates in at.items())
    return (
        f"At its own best rate ({best[0]:g}; without attention {best[1]:g}) attention is better "
        f"with a probability of {better}: {verdict(better)}. Where both have one rate, the one "
        f"with attention {sides}."
    )


def search_sentence(study: Study) -> str:
    """For which networks a search has found something better, and which one is the best then."""
    pairs, medians = [], {}
    for base, found in study.searched:
        errors = of(study, found)
        pairs.append((probability_better(errors, of(study, base)), base.model))
        medians[base.model] = middle([*errors.values()])
    said = "; ".join(f"{name}: {', '.join(own)}" for name, own in _by_verdict(pairs).items())
    model, other = sorted(medians, key=lambda model: medians[model])[:2]
    return (
        f"What {study.plan['searched']['trials']} trials have found, against what was searched "
        f"from, {said}. Of all that was found the smallest median test error, "
        f"{medians[model]:.1e}, has {model}; the next, {medians[other]:.1e}, {other}."
    )


def winners(study: Study) -> str:
    """Which variants of attention beat the network without, and which one has the best median."""
    plain = of(study, _arm(study, model="rnn"))
    better, best, errors = [], "no attention", plain
    variants = [arm for arm in study.arms if "attention" in MODELS[arm.model]]
    for arm in variants:
        of_arm = of(study, arm)
        if probability_better(of_arm, plain).low > 0.5:
            better.append(arm.variant)
        if middle([*of_arm.values()]) < middle([*errors.values()]):
            best, errors = arm.variant, of_arm
    wins = f"better than no attention: {', '.join(better)}" if better else "none beats no attention"
    simple = baselines(load_data(variants[0].data_config))["persistence"]["test"]
    worse = percent(share([*errors.values()], simple))
    return (
        f"Of the {len(variants)} kinds of attention trained, {wins}. The smallest median test "
        f"error, {middle([*errors.values()]):.1e}, has {best}; {worse} of its starts end worse "
        "than repeating the last number does."
    )


def ceilings(study: Study) -> str:
    """Whose weights pass what scores within (−1, 1) allow."""
    shares = []
    for arm in (arm for arm in study.arms if "attention" in MODELS[arm.model]):
        largest = [x["largest_weight"] for x in study.trainings(arm, best_rate(study, arm))]
        above = sum(weight > ceiling(arm.time_steps) + 1e-6 for weight in largest if weight)
        shares.append(f"{arm.variant} {above / len(largest):.0%}")
    limit = ceiling(study.arms[0].time_steps)
    return f"Starts with a weight above tanh's ceiling of {limit:.3f}: {', '.join(shares)}."
