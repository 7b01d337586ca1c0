"""The proof of our own networks: every twin runs every stage, everything is compared, a record."""

import tempfile
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any, get_args

from attention_twins.compare import Comparison, add_twin
from attention_twins.coordinator import Coordinator, Plan
from attention_twins.figures import save_growth
from attention_twins.processes import no_interrupt
from attention_twins.report import close_record, open_record, results, show
from attention_twins.stages import run
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
    FASTER_STAGES,
    Place,
    Traces,
    computed_alone,
    in_both,
    load_trace,
)
from attention_twins.training import Dtype, KerasBackend
from attention_twins.twins import SCALAR_LIMIT, title
from benchmarks.prove.cases import Case
from benchmarks.prove.definition import defined, moved, scalar


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be proven, and where it goes."""

    cases: list[Case]
    keras_backends: list[KerasBackend]
    json: Path | None = None
    figure: Path | None = None


def prove(request: Request) -> int:
    """Run, compare, show and write; the exit code."""
    cases = request.cases
    dtypes = {case.dtype for case in cases}
    # Derived tolerances follow from both types, whichever is asked for.
    aside = [
        replace(case, dtype=dtype, faster=False)
        for case in cases
        for dtype in get_args(Dtype)
        if case.is_derived and dtype not in dtypes
    ]
    subjects = cases + aside
    faster = any(case.faster for case in cases)
    keras = {f"keras-{backend}": backend for backend in request.keras_backends}

    def plan(package: str, backend: KerasBackend, partners: list[str], like: list) -> Plan:
        return Plan(backend, partners, len(subjects), run, package, (subjects, like), faster)

    plans = {name: plan("keras_impl", b, ["torch"], [b]) for name, b in keras.items()}
    plans["torch"] = plan("torch_impl", "jax", [*keras], request.keras_backends)
    record = open_record("check", cases)
    with tempfile.TemporaryDirectory() as folder:
        coordinator = Coordinator(plans, Path(folder))
        try:
            coordinator.run()
            record["status"] = "complete"
        except KeyboardInterrupt:
            record["status"] = "interrupted"
        with no_interrupt():  # a second Ctrl-C would lose what the first one left
            comparison = compare_networks(coordinator, cases)
            record["failures"] = coordinator.named_failures()
            complete = record["status"] == "complete" and not coordinator.failures
            record["ok"] = comparison.ok and complete
            show(record, comparison)
            close_record(record, request.json, **results(comparison))
            if request.figure and comparison.curves:
                save_growth(comparison.curves, request.figure)
    return 130 if record["status"] == "interrupted" else int(not record["ok"])


def compare_networks(coordinator: Coordinator, cases: list[Case]) -> Comparison:
    """Compare all that is on disk: every twin with the definition, every Keras with PyTorch.

    Gradients: a tolerance from what a rounding of every number does to them. After an optimizer
    step, and for networks other than the tutorial's: 8 times the twins' own float32 errors. Its
    state is as large as the gradients are, and Adam makes much of the rounding of gradients as
    small as its ε, and where all scores move alike, steps of rounding alone.
    """
    comparison, folder = Comparison(), coordinator.folder
    for case in cases:
        definition = defined(case)
        rounding_limits = from_rounding(moved(case), case.dtype)
        own = {
            name: own_float32_errors(folder / name, case.title, plan.keras_backend)
            for name, plan in coordinator.plans.items()
        }
        # By how much a training amplifies rounding is the network's matter, not a twin's: each
        # twin's error is one draw of it.
        trained = once_stepped(from_float32(reduce(larger, own.values()), case.dtype))
        derived = trained if case.is_derived else {}
        for name in coordinator.plans:
            if case.dtype == "float64":
                add_definition(
                    comparison, coordinator, name, case, definition, own[name], rounding_limits
                )
            if case.faster:
                add_faster(comparison, coordinator, name, case, derived)
            if name != "torch":
                least = larger(rounding_limits, derived)
                add_twin(comparison, coordinator, name, case, own[name], least, masked=True)
            elif case.faster and not case.is_derived and name in coordinator.finished:
                add_scalar_limit(comparison, coordinator, case)
    return comparison


def pair_of(case: Case, worker: str, against: str) -> dict[str, Any]:
    """What every row says of a comparison."""
    return {"model": case.title, "dtype": case.dtype, "twin": title(worker), "against": against}


def rounding_of(coordinator: Coordinator, worker: str, case: Case) -> str:
    """The rounding of those traces of a worker that are compared: of PyTorch's, one of many."""
    plans = coordinator.plans
    workers = [name for name in plans if name != "torch"] if worker == "torch" else [worker]
    backends = [plans[name].keras_backend for name in workers]
    return min(rounds_like(backend, case.dtype) for backend in backends)


def add_definition(
    comparison: Comparison,
    coordinator: Coordinator,
    worker: str,
    case: Case,
    definition: Traces,
    own: Limits,
    least: Limits,
) -> None:
    """Compare a worker with the definition, in what the definition knows: not layers' inputs."""
    traces = computed_alone(
        coordinator.folder / worker / case.name, rounding_of(coordinator, worker, case)
    )
    actual = {
        place: {key: array for key, array in trace.items() if key in definition[place]}
        for place, trace in traces.items()
        if place in definition
    }
    if worker not in coordinator.finished:
        actual, definition = in_both(actual, definition)
    comparison.add(pair_of(case, worker, "definition"), actual, definition, own, least)


def add_faster(
    comparison: Comparison, coordinator: Coordinator, worker: str, case: Case, least: Limits
) -> None:
    """Compare what a worker trained by the faster ways with what it trained by `fit`."""
    folder = coordinator.folder / worker / case.name
    rounding = rounding_of(coordinator, worker, case)
    actual: Traces = {}
    desired: Traces = {}
    for stage in FASTER_STAGES:
        path, place = folder / f"{stage}-{rounding}.safetensors", Place(stage, case.steps)
        if path.exists():
            actual[place] = load_trace(path)
            desired[place] = load_trace(folder / f"fit-{rounding}.safetensors")
    expected = [Place(stage, case.steps) for stage in FASTER_STAGES]
    if worker not in coordinator.finished:
        (actual, desired), expected = in_both(actual, desired), []
    comparison.add(pair_of(case, worker, "its fit"), actual, desired, {}, least, expected)


def add_scalar_limit(comparison: Comparison, coordinator: Coordinator, case: Case) -> None:
    """Compare the scalar limit's trajectory with PyTorch's; both round like the same backend."""
    rounding = rounding_of(coordinator, "torch", case)
    traces = computed_alone(coordinator.folder / "torch" / case.name, rounding)
    desired = {place: trace for place, trace in traces.items() if place.stage == "trajectory"}
    pair = pair_of(case, "torch", "PyTorch") | {"model": case.model, "twin": SCALAR_LIMIT.name}
    comparison.add(pair, scalar(case, rounding), desired, {})
