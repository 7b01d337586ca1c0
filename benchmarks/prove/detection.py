"""`twins prove --wrong-ports`: which stage sees which wrong port."""

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Console

from attention_twins.compare import Comparison
from attention_twins.coordinator import Coordinator, Plan
from attention_twins.report import close_record, open_record, screen
from attention_twins.stages import run
from attention_twins.tables import Table, print_table
from attention_twins.tolerances import (
    Limits,
    from_float32,
    from_rounding,
    larger,
    once_stepped,
    own_float32_errors,
    rounds_like,
)
from attention_twins.traces import (
    STAGES,
    computed_alone,
    computed_from,
    expected_alone,
    expected_from,
    rmsprop_on_paper,
)
from attention_twins.training import KerasBackend
from attention_twins.twins import PYTORCH, TENSORFLOW
from benchmarks.prove.cases import Case
from benchmarks.prove.definition import moved
from benchmarks.prove.wrong_ports import WRONG_PORTS
from shared.config import TUTORIAL_MODELS

STEPS = 60
"""Steps of a wrong port's trajectory: none of them needs more."""

KERAS = TENSORFLOW
"""What the wrong ports are compared with: the backend whose rounding needs a bridge, too."""

Detection = dict[str, Any]
"""Which stages see a port, as a record keeps it."""


def detect(seed: int, json: Path | None) -> int:
    """Run the correct port and every wrong one; show the detection matrix; the exit code.

    0 if the correct port passes and every wrong one is seen by the stage that should see it first.
    """
    models = dict.fromkeys([*TUTORIAL_MODELS, *(port.model for port in WRONG_PORTS.values())])
    correct = [Case(model, "float64", STEPS, seed) for model in models]
    # Tolerances of networks other than the tutorial's follow from what float32 makes of them.
    single = [replace(case, dtype="float32") for case in correct if case.is_derived]
    wrong = [Case(port.model, "float64", STEPS, seed, name) for name, port in WRONG_PORTS.items()]

    def plan(package: str, backend: KerasBackend, partners: list[str], cases: list[Case]) -> Plan:
        return Plan(backend, partners, len(cases), run, package, (cases, ["tensorflow"]))

    plans = {
        KERAS.worker: plan(KERAS.package, "tensorflow", [], correct + single),
        PYTORCH.worker: plan(PYTORCH.package, "jax", [KERAS.worker], correct + single + wrong),
    }
    record = open_record("check --mutants", correct)
    with tempfile.TemporaryDirectory() as folder:
        coordinator = Coordinator(plans, Path(folder))
        try:
            coordinator.run()
        except KeyboardInterrupt:
            record["status"] = "interrupted"
            close_record(record, json)
            raise
        record |= {"status": "complete", "failures": coordinator.named_failures()}
        detections = []
        if not coordinator.failures:
            detections = [detection(coordinator.folder, case) for case in correct + wrong]
    record["ok"] = bool(detections) and all(row["ok"] for row in detections)
    show(detections)
    close_record(record, json, kills=detections)
    return int(not record["ok"])


def detection(folder: Path, case: Case) -> Detection:
    """Which stages see a port, and where it parts from Keras first."""
    ours, theirs = folder / PYTORCH.worker / case.name, folder / KERAS.worker / case.correct.name
    rounding, comparison = rounds_like(KERAS.backend, case.dtype), Comparison()
    pair = {
        "model": case.model,
        "dtype": case.dtype,
        "twin": case.mutant or PYTORCH.name,
        "against": KERAS.name,
    }
    actual = rmsprop_on_paper(computed_alone(ours, rounding))
    least = limits(folder, case.correct)
    places = expected_alone(STEPS, masked=True)
    comparison.add(pair, actual, computed_alone(theirs, rounding), {}, least, places)
    arrived = computed_from(ours, theirs, rounding)
    comparison.add(pair, *arrived, {}, least, expected_from(STEPS, KERAS.worker))
    failed = [row for row in comparison.rows if not row["ok"]]
    seen = {stage: any(row["rung"] == stage for row in failed) for stage in STAGES}
    first = next((stage for stage in STAGES if seen[stage]), None)
    shown = [screen(pair, parted) for pair, parted in comparison.divergences[:1]]
    effect = [row["max_abs"] for row in failed if row["rung"] == first]
    expected = WRONG_PORTS[case.mutant].seen_first_by if case.mutant else None
    return {
        "mutant": case.mutant,
        "model": case.model,
        "rungs": seen,
        "killed_by": first,
        "effect": max(effect, default=0.0),
        "ok": first == expected,
        "first_divergence": shown[0] if shown else [],
    }


@cache
def limits(folder: Path, case: Case) -> Limits:
    """What the tolerances of a network must allow a correct port."""
    rounding = from_rounding(moved(case), case.dtype)
    if not case.is_derived:
        return rounding
    ours, theirs = (
        own_float32_errors(folder / twin.worker, case.title, KERAS.backend)
        for twin in (PYTORCH, KERAS)
    )
    return larger(rounding, once_stepped(from_float32(larger(ours, theirs), case.dtype)))


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
    return Table(title, ("port", *STAGES), lines, left=1)


def sentence(detections: list[Detection]) -> str:
    """How many wrong ports are seen, and how many up to each stage."""
    wrong = [found for found in detections if found["mutant"]]
    alive = [found["mutant"] for found in wrong if not found["killed_by"]]
    text = f"{len(wrong) - len(alive)} of {len(wrong)} wrong ports are seen"
    counts = []
    for stage in STAGES:
        new = sum(found["killed_by"] == stage for found in wrong)
        if new:
            counts.append(f"{new} first by {stage}")
    text += f": {', '.join(counts)}." if counts else "."
    odd = [found["mutant"] or "the correct one" for found in detections if not found["ok"]]
    return text + f" Not as expected: {', '.join(odd)}." * bool(odd)
