"""What docs/findings.md says, from the records of `twins study`."""

from pathlib import Path

from benchmarks.sheets import Table, as_markdown
from benchmarks.studies.arms import Arm
from benchmarks.studies.records import Study, read
from benchmarks.studies.summary import median_ratio, probability_better, quantiles, share
from benchmarks.studies.tables import notes, of, percent, tables
from shared.baselines import baselines
from shared.config import MODELS
from shared.tasks import load_data

FOLDER = "results/study"
MARGIN = 0.05


def blocks(root: Path) -> dict[str, str]:
    """Name of a block of docs/findings.md → what stands in it."""

    def study(name: str) -> Study:
        return read(root / FOLDER / name)

    tutorial, splits, rates = study("tutorial"), study("splits"), study("learning_rates")
    found = {
        "attention": _block(tutorial, attention_sentence(tutorial), "Attention", "The tutorial"),
        "setups": _block(tutorial, setups_sentence(tutorial), "Errors", "Set-ups", figure="errors"),
        "twins": _block(tutorial, "", "Twins"),
        "splits": splits_sentence(splits),
        "learning_rates": _block(rates, "", "Learning rates", "Attention against"),
    }
    for name in ("fibonacci", "log_fibonacci", "recurrences", "addition", "long_addition"):
        own = study(name)
        found[name] = _block(own, winners(own), "Errors", "Attention", figure="errors")
    return found


def _block(study: Study, sentence: str, *titles: str, figure: str = "") -> str:
    """A sentence, a figure, the tables whose titles begin so, the conditions."""
    parts = [sentence] if sentence else []
    if figure:
        parts.append(f"![{figure}](../{FOLDER}/{study.folder.name}/{figure}.png)")
    parts += [
        f"**{table.title}**\n\n{as_markdown(table)}"
        for table in tables(study, MARGIN)
        if table.title.startswith(titles)
    ]
    return "\n\n".join([*parts, " ".join(notes(study, MARGIN)), _link(study)])


def _link(study: Study) -> str:
    folder = f"{FOLDER}/{study.folder.name}"
    return f"Record: [{folder}](../{folder})."


def _arm(study: Study, **wanted: object) -> Arm:
    """The first arm with these values."""
    return next(
        arm for arm in study.arms if all(getattr(arm, name) == v for name, v in wanted.items())
    )


def attention_sentence(study: Study) -> str:
    """With against without, in the twin set-up."""
    attends, plain = (
        _arm(study, model=model, setup="twin") for model in ("rnn_with_attention", "rnn")
    )
    ours, theirs = of(study, attends), of(study, plain)
    persistence = baselines(load_data(attends.data_config))["persistence"]["test"]
    middle, other = (quantiles([*errors.values()])[2] for errors in (ours, theirs))
    return (
        f"Over {len(ours):,} starts the median test error is {middle:.1e} with attention and "
        f"{other:.1e} without. On one start and the same rows attention ends better in "
        f"{percent(probability_better(ours, theirs))} of the cases; "
        f"{percent(share([*ours.values()], persistence))} of its starts end worse than repeating "
        "the last number does, without attention "
        f"{percent(share([*theirs.values()], persistence))}."
    )


def setups_sentence(study: Study) -> str:
    """What each of PyTorch's ways does to the port of the network with attention."""
    said = []
    twin = of(study, _arm(study, twin="PyTorch", model="rnn_with_attention", setup="twin"))
    for setup in dict.fromkeys(arm.setup for arm in study.arms if arm.setup != "twin"):
        own = of(study, _arm(study, twin="PyTorch", model="rnn_with_attention", setup=setup))
        said.append(f"{setup} {median_ratio(own, twin)}")
    return (
        "The median test error of PyTorch's network with attention, times that of the twin set-up: "
        f"{'; '.join(said)}."
    )


def splits_sentence(study: Study) -> str:
    """How much the split decides."""
    lines, wins = [], 0
    splits = list(dict.fromkeys(arm.split for arm in study.arms))
    for split in splits:
        ours, theirs = (
            of(study, _arm(study, model=model, split=split))
            for model in ("rnn_with_attention", "rnn")
        )
        better = probability_better(ours, theirs)
        wins += better.low > 0.5
        middles = [f"{quantiles([*errors.values()])[2]:.1e}" for errors in (ours, theirs)]
        lines.append([str(split), *middles, str(better)])
    columns = ("split", "median with attention", "without", "P(attention better)")
    table = as_markdown(Table("", columns, lines, left=1))
    return "\n\n".join(
        [
            f"Attention is better, beyond doubt, on {wins} of {len(splits)} splits.",
            table,
            " ".join(notes(study, MARGIN)),
            _link(study),
        ]
    )


def winners(study: Study) -> str:
    """Which variants of attention beat the network without, and which one is best."""
    plain = of(study, _arm(study, model="rnn"))
    said, best = [], ("no attention", quantiles([*plain.values()])[2])
    for arm in study.arms:
        if "attention" in MODELS[arm.model]:
            errors = of(study, arm)
            middle = quantiles([*errors.values()])[2]
            if probability_better(errors, plain).low > 0.5:
                said.append(arm.variant)
            if middle < best[1]:
                best = (arm.variant, middle)
    wins = f"better than no attention: {', '.join(said)}" if said else "none beats no attention"
    return f"Of the variants, {wins}; the smallest median test error, {best[1]:.1e}, has {best[0]}."
