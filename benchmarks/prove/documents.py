"""What the documents say of equality, from the records of `twins prove`."""

import json
from pathlib import Path

from attention_twins.figures import save_growth
from attention_twins.report import CheckRecord, scores, sentence
from attention_twins.tables import Table
from benchmarks.common.tables import as_markdown
from benchmarks.prove import detection
from benchmarks.prove.tables import overview
from shared.config import MODELS, TUTORIAL_MODELS

CHECK = "results/check"

FAMILY = f"{CHECK}/family"
"""Certificates of the other networks, a file each."""


def redraw_growth(root: Path) -> None:
    """Draw the growth of the difference anew."""
    full = json.loads((root / CHECK / "full.json").read_text())
    save_growth(full["curves"], root / CHECK / "growth.png")


def prove_blocks(root: Path) -> dict[str, dict[str, str]]:
    """Document → name of a block → what stands in it."""
    full, mutants, variants = (
        json.loads((root / CHECK / f"{name}.json").read_text())
        for name in ("full", "mutants", "variants")
    )
    paths = {model: root / FAMILY / f"{model}.json" for model in MODELS}
    family = {m: json.loads(path.read_text()) for m, path in paths.items() if path.exists()}
    return {
        "README.md": {
            "proof": proof_block(full, mutants, variants),
            "family": family_block(family),
        },
        "docs/differences.md": {"effects": effects_block(full, mutants)},
        "docs/porting.md": {"kills": detection_block(mutants)},
    }


def proof_block(full: CheckRecord, mutants: CheckRecord, variants: CheckRecord) -> str:
    """Figure, tables and conditions of every stage; what the variants made of it."""
    parts = [f"![Growth of the difference]({CHECK}/growth.png)"]
    for dtype in dict.fromkeys(row["dtype"] for row in full["rows"]):
        rows = [row for row in full["rows"] if row["dtype"] == dtype]
        models = ", ".join(dict.fromkeys(row["model"] for row in rows))
        parts += [
            f"{dtype}, largest difference of any number from PyTorch, the worst of {models}:",
            as_markdown(scores(rows)),
        ]
    return "\n\n".join(
        [
            *parts,
            f"{sentence(full)} {detection.sentence(mutants['kills'])}",
            f"Conditions: {conditions(full)}. Records: "
            f"[{CHECK}/full.json]({CHECK}/full.json), "
            f"[{CHECK}/mutants.json]({CHECK}/mutants.json).",
            variants_sentence(variants, mutants),
        ]
    )


def variants_sentence(variants: CheckRecord, mutants: CheckRecord) -> str:
    """How the variants of attention fare, and that their wider tolerances let no mistake by."""
    names = ", ".join(dict.fromkeys(case["variant"] for case in variants["cases"]))
    return (
        f"The variants of attention ({names}), to {variants['cases'][0]['steps']:,} steps: "
        f"{sentence(variants).split('.')[0]}. Some of their tolerances are wider: in float64 up to "
        f"{widest(variants):.1e} on the trajectory; the smallest effect of any wrong port above, "
        f"at the stage that sees it first, is {smallest(mutants):.1e}. Record: "
        f"[{CHECK}/variants.json]({CHECK}/variants.json)."
    )


def family_block(certificates: dict[str, CheckRecord]) -> str:
    """How the other networks fare, a line each, and which have not run yet."""
    named = {f"[{model}]({FAMILY}/{model}.json)": record for model, record in certificates.items()}
    left = [model for model in MODELS if model not in (*TUTORIAL_MODELS, *certificates)]
    parts = [
        "The other networks: how many comparisons held, and the largest difference of any weight "
        "from PyTorch after the last step, of all backends, with the widest tolerance:",
        as_markdown(overview(named)),
        f"Conditions: {conditions(next(iter(certificates.values())))}.",
    ]
    if left:
        parts.append(f"So far only shorter, in the tests: {', '.join(left)}.")
    return "\n\n".join(parts)


def widest(record: CheckRecord) -> float:
    """The widest tolerance of a record on the trajectory, in float64."""
    return max(
        row["gate"]
        for row in record["rows"]
        if (row["rung"], row["dtype"]) == ("trajectory", "float64")
    )


def smallest(mutants: CheckRecord) -> float:
    """The smallest effect of a wrong port where it is seen first, in float64."""
    return min(found["effect"] for found in mutants["kills"] if found["effect"])


def effects_block(full: CheckRecord, mutants: CheckRecord) -> str:
    """What each difference does if nothing is done about it."""
    lines = []
    for found in mutants["kills"]:
        if found["mutant"]:
            effect = found["effect"]
            size = "NaN on one side" if effect is None else f"{effect:.1e}"
            lines.append([found["mutant"], found["killed_by"], size])
    for optimizer in dict.fromkeys(r["optimizer"] for r in full["rows"] if r["gate"] is None):
        rows = [r for r in full["rows"] if r["gate"] is None and r["optimizer"] == optimizer]
        effect = max(row["max_abs"] for row in rows)
        lines.append([f"{optimizer}: no bridge", rows[0]["rung"], f"{effect:.1e}"])
    columns = ("difference left as it is", "seen first at the stage", "largest")
    return f"{as_markdown(Table('', columns, lines))}\n\nConditions: {conditions(mutants)}."


def detection_block(mutants: CheckRecord) -> str:
    """The detection matrix."""
    return "\n\n".join(
        [
            as_markdown(detection.matrix(mutants["kills"])),
            f"{detection.sentence(mutants['kills'])} {conditions(mutants)}.",
        ]
    )


def conditions(record: CheckRecord) -> str:
    """What a reader needs to weigh a record."""
    environment = record["environment"]
    names = ("keras", "tensorflow", "jax", "torch", "numpy")
    versions = ", ".join(f"{name} {environment['versions'][name]}" for name in names)
    case = record["cases"][0]
    return (
        f"seed {case['seed']}, n = 1 start, {case['steps']:,} steps; {versions}; "
        f"{environment['processor']}, cpu, one thread for each framework"
    )
