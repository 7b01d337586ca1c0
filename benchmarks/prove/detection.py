"""`twins check --mutants`: which stage sees which wrong port."""

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Console

from attention_twins.compare import Verdict, from_float32, from_rounding
from attention_twins.coordinator import Ascent, Plan
from attention_twins.parity import RUNGS
from attention_twins.stages import climb
from attention_twins.tables import Table, print_table
from attention_twins.traces import alone, expected, moved, received, rmsprop_on_paper
from attention_twins.twins import PYTORCH, TENSORFLOW
from benchmarks.prove.cases import Case, follows
from benchmarks.prove.certificate import (
    arrivals,
    close_record,
    is_derived,
    larger,
    open_record,
    own_float32_errors,
    stepped,
)
from benchmarks.prove.tables import screen
from benchmarks.prove.wrong_ports import MUTANTS
from shared.config import TUTORIAL_MODELS

STEPS = 60
"""Steps of a wrong port's trajectory: none of them needs more."""

KERAS = TENSORFLOW
"""What the wrong ports are compared with: the backend whose rounding needs a bridge, too."""

Detection = dict[str, Any]
"""As `detect` makes it and a certificate keeps it."""


def hunt(seed: int, certificate: Path | None) -> int:
    """Run the correct port and every wrong one, show the detection matrix; the exit code.

    0 if the correct port passes and every wrong one is seen by the stage that should see it first.
    """
    models = dict.fromkeys([*TUTORIAL_MODELS, *(mutant.model for mutant in MUTANTS.values())])
    correct = [Case(model, "float64", STEPS, seed) for model in models]
    # For networks outside the tutorial tolerances follow from their float32 errors.
    single = [replace(case, dtype="float32") for case in correct if is_derived(case)]
    wrong = [Case(mutant.model, "float64", STEPS, seed, name) for name, mutant in MUTANTS.items()]
    plans = {
        KERAS.worker: Plan(
            *(KERAS.backend, [], len(correct + single)),
            *(climb, (correct + single, [KERAS.backend])),
        ),
        PYTORCH.worker: Plan(
            *("jax", [KERAS.worker], len(correct + single + wrong)),
            *(climb, (correct + single + wrong, [KERAS.backend])),
        ),
    }
    record = open_record("check --mutants", correct)
    with tempfile.TemporaryDirectory() as folder:
        ascent = Ascent(plans, Path(folder))
        try:
            ascent.climb()
        except KeyboardInterrupt:
            record["status"] = "interrupted"
            close_record(record, certificate)
            raise
        record |= {"status": "complete", "failures": ascent.named_failures()}
        detections = [detect(ascent.folder, case) for case in correct + wrong] * (
            not ascent.failures
        )
    record["ok"] = bool(detections) and all(found["ok"] for found in detections)
    show(detections)
    close_record(record, certificate, kills=detections)
    return int(not record["ok"])


def detect(folder: Path, case: Case) -> Detection:
    """Which stages see a port, and where it parts from Keras first."""
    ours, theirs = (
        folder / PYTORCH.worker / case.name,
        folder / KERAS.worker / case.correct.name,
    )
    followed, verdict = follows(KERAS.backend, case.dtype), Verdict()
    pair = {
        "model": case.model,
        "dtype": case.dtype,
        "twin": case.mutant or PYTORCH.name,
        "against": KERAS.name,
    }
    actual = rmsprop_on_paper(alone(ours, followed))
    least = limits(folder, case.correct)
    places = expected(STEPS, masked=True)
    verdict.add(pair, actual, alone(theirs, followed), {}, least, places)
    arrived = arrivals(STEPS, KERAS.worker)
    verdict.add(pair, *received(ours, theirs, followed), {}, least, arrived)
    seen = {rung: any(r["rung"] == rung and not r["ok"] for r in verdict.rows) for rung in RUNGS}
    first = next((rung for rung in RUNGS if seen[rung]), None)
    places = [screen(pair, parted) for pair, parted in verdict.divergences[:1]]
    effect = [row["max_abs"] for row in verdict.rows if row["rung"] == first and not row["ok"]]
    return {
        "mutant": case.mutant,
        "model": case.model,
        "rungs": seen,
        "killed_by": first,
        "effect": max(effect, default=0.0),
        "ok": first == (MUTANTS[case.mutant].killed_by if case.mutant else None),
        "first_divergence": places[0] if places else [],
    }


@cache
def limits(folder: Path, case: Case) -> dict[Any, float]:
    """What the tolerances of a network must allow a correct port."""
    rounding = from_rounding(moved(case), case.dtype)
    if not is_derived(case):
        return rounding
    ours, theirs = (
        own_float32_errors(folder / twin.worker, case.title, KERAS.backend)
        for twin in (PYTORCH, KERAS)
    )
    return larger(rounding, stepped(from_float32(larger(ours, theirs), case.dtype)))


def show(detections: list[Detection]) -> None:
    """Print the detection matrix."""
    console = Console()
    console = Console(width=max(120, console.width))
    print_table(console, matrix(detections))
    console.print(sentence(detections), markup=False, highlight=False)


def matrix(detections: list[Detection]) -> Table:
    """A line for each port, a column for each stage."""
    lines = [
        [
            (found["mutant"] or f"the correct one, {found['model']}") + " ✗" * (not found["ok"]),
            *("●" if seen else "·" for seen in found["rungs"].values()),
        ]
        for found in detections
    ]
    title = "● the stage sees it   · the stage does not   ✗ not as expected"
    return Table(title, ("port", *RUNGS), lines, left=1)


def sentence(detections: list[Detection]) -> str:
    """How many wrong ports are seen, and how many up to each stage."""
    wrong = [found for found in detections if found["mutant"]]
    alive = [found["mutant"] for found in wrong if not found["killed_by"]]
    text = f"{len(wrong) - len(alive)} of {len(wrong)} wrong ports are seen"
    counts = []
    for rung in RUNGS:
        new = sum(found["killed_by"] == rung for found in wrong)
        if new:
            counts.append(f"{new} first by {rung}")
    text += f": {', '.join(counts)}." if counts else "."
    odd = [found["mutant"] or "the correct one" for found in detections if not found["ok"]]
    return text + f" Not as expected: {', '.join(odd)}." * bool(odd)
