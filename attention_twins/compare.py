"""Compares the traces of two workers: a row for every tensor, and where they part first."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from attention_twins.coordinator import Coordinator
from attention_twins.parity import (
    Difference,
    Divergence,
    Key,
    Tolerance,
    Trace,
    difference,
    first_divergence,
)
from attention_twins.subject import Subject
from attention_twins.tolerances import (
    FINITE,
    Limits,
    from_float32,
    known_difference,
    larger,
    own_float32_errors,
    rounds_like,
    tolerance_of,
)
from attention_twins.traces import (
    LANDMARKS,
    Place,
    Traces,
    computed_alone,
    computed_from,
    expected_alone,
    expected_from,
    in_both,
    rmsprop_on_paper,
)
from attention_twins.twins import title

Row = dict[str, Any]
"""One tensor compared, as JSON has it."""

PHASES = {"weights": "copying", "step": "update", "trajectory": "update", "hand-off": "update"}
"""Stage → phase of a training step, where the keys of the tensors do not tell."""


@dataclass
class Comparison:
    """All that was compared."""

    rows: list[Row] = field(default_factory=list)
    """One for each tensor of each pair of traces."""

    divergences: list[tuple[dict[str, Any], Divergence]] = field(default_factory=list)
    """For each pair of traces that differ: which pair, and where they part first."""

    curves: list[dict[str, Any]] = field(default_factory=list)
    """How the largest difference of any weight grows with the steps."""

    @property
    def ok(self) -> bool:
        """All tolerances hold, and there is at least one."""
        return bool(self.rows) and all(row["ok"] for row in self.rows)

    def add(
        self,
        pair: dict[str, Any],
        actual: Traces,
        desired: Traces,
        own: Limits,
        least: Limits | None = None,
        expected: Iterable[Place] = (),
    ) -> None:
        """Compare two sets of traces; a place that only one of them has is a failure.

        Args:
            pair: model, dtype, twin, against: goes into every row.
            actual: what the twin computed.
            desired: what it should be.
            own: the twin's own float32 errors.
            least: limits that no tolerance is below, as it counts.
            expected: places that both must have.
        """
        dtype, parted, curve = pair["dtype"], False, {}
        landmarks = {*LANDMARKS, max((place.step for place in desired), default=0)}

        def limit(place: Place, key: Key) -> Tolerance | None:
            tolerance = tolerance_of(place, key, dtype)
            if tolerance is None or not tolerance.limit:
                return tolerance
            derived = (least or {}).get((place, key), 0.0)
            return replace(tolerance, limit=max(tolerance.limit, derived))

        before = 0
        for place in dict.fromkeys([*desired, *actual, *expected]):
            should, trace = desired.get(place, {}), actual.get(place, {})
            largest = 0.0
            for key in dict.fromkeys([*should, *trace]) or [Key("", "", "everything")]:
                tolerance = limit(place, key)
                distance = difference(key, trace, should, tolerance or FINITE)
                row = _row(pair, place, key, distance, tolerance)
                row["own_error"] = own.get((place, key))
                largest = max(largest, distance.max_abs)
                if place.stage != "trajectory" or place.step in landmarks or not distance.ok:
                    self.rows.append(row)
                if not distance.ok and not parted:
                    parted = True
                    where = _where(place, key, trace, should, tolerance or FINITE)
                    head = pair | {"rung": place.stage, **_note(place)}
                    if place.stage == "trajectory":
                        head["equal_until"] = before
                    self.divergences.append((head, where))
            if place.stage == "trajectory":
                curve[place.step] = largest
                before = place.step
        if curve:
            self.curves.append(pair | {"steps": [*curve], "max_abs": [*curve.values()]})


def compare_pair(coordinator: Coordinator, subjects: list[Subject]) -> Comparison:
    """Compare every Keras worker with PyTorch's.

    Tolerances are derived from both workers' own float32 errors: there is no definition.
    """
    comparison, folder = Comparison(), coordinator.folder
    for subject in subjects:
        own = {
            name: own_float32_errors(folder / name, subject.title, plan.keras_backend)
            for name, plan in coordinator.plans.items()
        }
        for name in coordinator.plans:
            if name != "torch":
                both = larger(own[name], own["torch"])
                least = from_float32(both, subject.dtype)
                add_twin(comparison, coordinator, name, subject, both, least, shown_by_both)
    return comparison


def add_twin(
    comparison: Comparison,
    coordinator: Coordinator,
    keras: str,
    subject: Subject,
    own: Limits,
    least: Limits,
    comparable: Any = lambda actual, desired: (actual, desired),
    masked: bool = False,
) -> None:
    """Compare a Keras worker with PyTorch's: alone, and with what each made of the other's.

    Args:
        comparison: where the rows go.
        coordinator: has run both workers.
        keras: name of the Keras worker.
        subject: what was compared.
        own: float32 errors.
        least: limits that no tolerance is below.
        comparable: takes both workers' traces, leaves what can be compared.
        masked: there is a stage with a mask.
    """
    rounding = rounds_like(coordinator.plans[keras].keras_backend, subject.dtype)
    ours, theirs = (coordinator.folder / name / subject.name for name in (keras, "torch"))
    pair = {"model": subject.title, "dtype": subject.dtype, "twin": title(keras)}
    pair["against"] = "PyTorch"
    alone = comparable(
        computed_alone(ours, rounding), rmsprop_on_paper(computed_alone(theirs, rounding))
    )
    for (actual, desired), expected in (
        (alone, expected_alone(subject.steps, masked)),
        (computed_from(ours, theirs, rounding), expected_from(subject.steps, "torch")),
        (computed_from(theirs, ours, rounding), expected_from(subject.steps, keras)),
    ):
        if not coordinator.finished.issuperset((keras, "torch")):
            (actual, desired), expected = in_both(actual, desired), []
        comparison.add(pair, actual, desired, own, least, expected)


def shown_by_both(actual: Traces, desired: Traces) -> tuple[Traces, Traces]:
    """Two user models' traces, without what only one framework shows between the layers.

    PyTorch hides the states between the layers of a deep module, and those of a cell.
    """
    place, output = Place("forward", 1), Key("forward", "", "output")
    if place in actual and place in desired:
        keys = [key for key in desired[place] if key in actual[place] or key == output]
        actual = actual | {place: {k: actual[place][k] for k in keys if k in actual[place]}}
        desired = desired | {place: {key: desired[place][key] for key in keys}}
    return actual, desired


def _where(place: Place, key: Key, actual: Trace, desired: Trace, limit: Tolerance) -> Divergence:
    """The first divergence in a tensor that has one."""
    phase = PHASES.get(place.stage, "")
    one, other = ({key: trace[key]} if key in trace else {} for trace in (actual, desired))
    divergence = first_divergence(one, other, limit, place.step, phase)
    return divergence or Divergence(str(key), phase or "forward", place.step, {}, [], "missing")


def _row(
    pair: dict[str, Any],
    place: Place,
    key: Key,
    distance: Difference,
    tolerance: Tolerance | None,
) -> Row:
    """One tensor compared."""
    return {
        **pair,
        "rung": place.stage,
        "step": place.step,
        **_note(place),
        "tensor": distance.tensor,
        "max_abs": distance.max_abs,
        "max_rel": distance.max_rel,
        "ulps": distance.ulps,
        "gate": tolerance.limit if tolerance else None,
        "relative": tolerance.relative if tolerance else False,
        "ok": distance.ok,
        "problem": distance.problem or known_difference(place, key),
    }


def _note(place: Place) -> dict[str, str]:
    """What a row says of a place beside stage and step."""
    return {"optimizer" if place.stage == "step" else "from": place.note} if place.note else {}
