"""The proof behind `twins check`: every twin climbs, everything is compared, a certificate."""

import tempfile
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from attention_twins.compare import Verdict, from_float32, from_rounding, own_errors
from attention_twins.coordinator import Ascent, Plan
from attention_twins.errors import InputError
from attention_twins.figures import save_growth
from attention_twins.parity import FASTER_RUNGS
from attention_twins.processes import no_interrupt
from attention_twins.provenance import environment, write_json
from attention_twins.stages import climb
from attention_twins.traces import (
    Place,
    Traces,
    alone,
    defined,
    expected,
    moved,
    received,
    rmsprop_on_paper,
    scalar,
)
from attention_twins.traces import (
    faster as quicker,
)
from attention_twins.twins import title
from benchmarks.prove.cases import Case, follows
from benchmarks.prove.tables import show
from shared.config import TUTORIAL_MODELS, WITH_VARIANTS

STEPPED = ("step", "trajectory", "hand-off", *FASTER_RUNGS)
"""Rungs on which an optimizer has stepped."""


def prove(
    models: list[str],
    variants: list[str],
    dtypes: list[str],
    backends: list[str],
    steps: int,
    seed: int,
    faster: bool,
    certificate: Path | None,
    figure: Path | None,
) -> int:
    """Climb, compare, show and write; the exit code."""
    cases = [
        Case(model, dtype, steps, seed, faster=faster, variant=variant)  # type: ignore
        for dtype in dtypes
        for model in models
        for variant in variants
        if variant == "tutorial" or model in WITH_VARIANTS
    ]
    # Derived gates follow from both types, whichever is asked for.
    aside = [
        replace(case, dtype=dtype, faster=False)
        for case in cases
        for dtype in ("float32", "float64")
        if is_derived(case) and dtype not in dtypes
    ]
    climbed = cases + aside
    keras = {f"keras-{backend}": backend for backend in backends}
    plans = {
        name: Plan(backend, ["torch"], len(climbed), climb, (climbed, [backend]), faster)
        for name, backend in keras.items()
    }
    plans["torch"] = Plan("jax", [*keras], len(climbed), climb, (climbed, backends), faster)
    record = open_record("check", cases)
    with tempfile.TemporaryDirectory() as folder:
        ascent = Ascent(plans, Path(folder))
        try:
            ascent.climb()
            record["status"] = "complete"
        except KeyboardInterrupt:
            record["status"] = "interrupted"
        with no_interrupt():  # a second Ctrl-C would lose what the first one left
            verdict = judged(ascent, cases)
            record["failures"] = ascent.named_failures()
            complete = record["status"] == "complete" and not ascent.failures
            record["ok"] = verdict.ok and complete
            show(record, verdict)
            close_record(record, certificate, **results(verdict))
            if figure and verdict.curves:
                save_growth(verdict.curves, figure)
    return 130 if record["status"] == "interrupted" else int(not record["ok"])


def open_record(command: str, cases: list[Case]) -> dict[str, Any]:
    """A certificate, as far as it is known before the start."""
    return {
        "command": command,
        "status": "running",
        "ok": False,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "cases": [asdict(case) for case in cases],
        "environment": environment(),
    }


def results(verdict: Verdict) -> dict[str, Any]:
    """What a certificate keeps of a verdict."""
    return {
        "rows": verdict.rows,
        "divergences": [pair | asdict(parted) for pair, parted in verdict.divergences],
        "curves": verdict.curves,
    }


def close_record(record: dict[str, Any], path: Path | None, **results: Any) -> None:
    """Complete a certificate, and write it if it is wanted.

    Raises:
        InputError: it cannot be written.
    """
    record["ended"] = datetime.now(UTC).isoformat(timespec="seconds")
    record |= results
    if path:
        try:
            write_json(path, record)
        except OSError as error:
            raise InputError(f"json must be a file that can be written, got {error}") from error


def judged(ascent: Ascent, cases: list[Any]) -> Verdict:
    """Compare all that is on disk: every twin with the definition, every Keras with PyTorch.

    A gradient that is a sum which cancels has a gate derived from what a rounding does to it.
    Variants of our networks, networks other than the tutorial's two, and other people's, have gates
    derived from their own float32 errors as well, ours only once an optimizer has stepped: its
    state is as large as the gradients are, and Adam makes much of the rounding of gradients as
    small as its ε, and where all scores move alike, steps of rounding alone. Other people's models
    have no definition.
    """
    verdict, folder = Verdict(), ascent.folder
    backends = [plan.backend for name, plan in ascent.plans.items() if name != "torch"]
    for case in cases:
        ours = isinstance(case, Case)
        tutorial = ours and not is_derived(case)
        definition = defined(case) if ours else {}
        rounding = from_rounding(moved(case), case.dtype) if ours else {}
        own = {
            name: own_float32_errors(folder / name, case.title, plan.backend)
            for name, plan in ascent.plans.items()
        }
        # By how much a training amplifies rounding is the network's matter, not a twin's: each
        # twin's error is one draw of it.
        all_own = reduce(larger, own.values())
        torch = folder / "torch" / case.name
        for name, plan in ascent.plans.items():
            here, trained = (
                folder / name / case.name,
                backends if name == "torch" else [plan.backend],
            )
            followed = min(follows(backend, case.dtype) for backend in trained)
            actual = alone(here, followed)
            pair = {"model": case.title, "dtype": case.dtype, "twin": title(name)}
            if ours and case.dtype == "float64":
                known, whole = only(actual, definition), definition
                if name not in ascent.finished:
                    known, whole = common(known, whole)
                verdict.add(pair | {"against": "definition"}, known, whole, own[name], rounding)
            if case.faster:
                found, should = quicker(here, followed, case.steps)
                places = [Place(rung, case.steps) for rung in FASTER_RUNGS]
                if name not in ascent.finished:
                    (found, should), places = common(found, should), []
                least = stepped(from_float32(all_own, case.dtype)) if is_derived(case) else None
                verdict.add(pair | {"against": "its fit"}, found, should, {}, least, places)
            if name == "torch":
                if case.faster and tutorial and name in ascent.finished:
                    _add_floor(verdict, case, actual, followed)
            else:
                pair["against"] = "PyTorch"
                worst, least = own[name], rounding
                if not tutorial:
                    both = larger(own[name], own["torch"])
                    wide = stepped(from_float32(all_own, case.dtype)) if ours else None
                    least = larger(rounding, wide or from_float32(both, case.dtype))
                    worst = worst if ours else both
                desired = rmsprop_on_paper(alone(torch, followed))
                if not ours:
                    actual, desired = comparable(actual, desired)
                pairs = [
                    (actual, desired, expected(case.steps, masked=ours)),
                    (*received(here, torch, followed), arrivals(case.steps, "torch")),
                    (*received(torch, here, followed), arrivals(case.steps, name)),
                ]
                for found, should, places in pairs:
                    if not ascent.finished.issuperset((name, "torch")):
                        (found, should), places = common(found, should), []
                    verdict.add(pair, found, should, worst, least, places)
    return verdict


def _add_floor(verdict: Verdict, case: Case, torch: Traces, followed: str) -> None:
    """Compare the floor's trajectory with PyTorch's; both follow the same backend's rounding."""
    desired = {place: trace for place, trace in torch.items() if place.rung == "trajectory"}
    pair = {"model": case.model, "dtype": case.dtype, "twin": "scalar loop", "against": "PyTorch"}
    verdict.add(pair, scalar(case, followed), desired, {})


def arrivals(steps: int, partner: str) -> list[Place]:
    """Where something from a partner is compared."""
    return [Place("weights", 0, partner), Place("hand-off", steps, partner)]


def common(actual: Traces, desired: Traces) -> tuple[Traces, Traces]:
    """Of both sets of traces, what the other one has too: for workers that did not finish."""
    places = actual.keys() & desired.keys()
    return {p: actual[p] for p in places}, {p: desired[p] for p in desired if p in places}


def comparable(actual: Traces, desired: Traces) -> tuple[Traces, Traces]:
    """Two guests' traces, without what only one framework shows between the layers.

    PyTorch hides the states between the layers of a deep module, and those of a cell.
    """
    place = Place("forward", 1)
    if place in actual and place in desired:
        names = [name for name in desired[place] if name in actual[place] or name == "output"]
        actual = actual | {place: {n: actual[place][n] for n in names if n in actual[place]}}
        desired = desired | {place: {name: desired[place][name] for name in names}}
    return actual, desired


def larger(one: dict[Any, float], other: dict[Any, float]) -> dict[Any, float]:
    """The larger value of each key."""
    return {key: max(one.get(key, 0), other.get(key, 0)) for key in one.keys() | other.keys()}


def own_float32_errors(folder: Path, model: str, backend: str) -> dict[Any, float]:
    """How far a twin's float32 run of a network is from its float64 run, if both were made."""
    single, double = (
        alone(folder / f"{model}-{dtype}", follows(backend, dtype))
        for dtype in ("float32", "float64")
    )
    errors = own_errors(single, double)
    largest: dict[str, float] = {}
    for (place, name), error in sorted(errors.items(), key=lambda item: item[0][0].step):
        if place.rung == "trajectory" and np.isfinite(error):
            largest[name] = max(error, largest.get(name, 0.0))
            # What is handed over in its middle ends as it does, and so do the faster ways.
            for note in ("torch", "keras-tensorflow", "keras-jax", "keras-torch"):
                errors[Place("hand-off", place.step, note), name] = largest[name]
            for rung in FASTER_RUNGS:
                errors[Place(rung, place.step), name] = largest[name]
    return errors


def is_derived(case: Any) -> bool:
    """The gates of one of our networks follow from its own float32 errors, too."""
    if not isinstance(case, Case):
        return False
    return case.variant != "tutorial" or case.model not in TUTORIAL_MODELS


def stepped(limits: dict[Any, float]) -> dict[Any, float]:
    """Those of places where an optimizer has stepped."""
    return {key: limit for key, limit in limits.items() if key[0].rung in STEPPED}


def only(actual: Traces, desired: Traces) -> Traces:
    """Of what a twin traced, what the definition knows: not the inputs of its layers."""
    return {
        place: {name: array for name, array in trace.items() if name in desired[place]}
        for place, trace in actual.items()
        if place in desired
    }
