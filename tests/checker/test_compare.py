"""Comparisons: what is missing, not finite, wrong or known to differ, from hand-made traces."""

import numpy as np
import pytest
from helpers import key

from attention_twins.compare import Comparison
from attention_twins.parity import Key
from attention_twins.report import cell
from attention_twins.tolerances import from_float32, from_rounding, own_errors, tolerance_of
from attention_twins.traces import (
    STAGES,
    Place,
    computed_alone,
    expected_alone,
    rmsprop_on_paper,
)
from attention_twins.training import OPTIMIZERS
from benchmarks.prove.cases import Case
from benchmarks.prove.definition import defined, moved


def traced():
    """What a perfect twin would have traced: the definition's own values."""
    return defined(Case("rnn_with_attention", "float64", 6, 0))


OUTPUT = key("output")
W, V = Key("weight", "rnn", "kernel"), Key("v", "rnn", "kernel")
PAIR = {"model": "rnn", "dtype": "float64", "twin": "A", "against": "B"}


def test_definition_agrees_with_itself():
    comparison = Comparison()
    comparison.add(PAIR, traced(), traced(), {})
    assert comparison.ok and {row["max_abs"] for row in comparison.rows} == {0.0}
    assert not comparison.divergences


@pytest.mark.parametrize("stage", ["weights", "forward", "loss", "gradients", "mask"])
def test_each_stage_can_fail(stage):
    actual = traced()
    (place,) = [place for place in actual if place.stage == stage]
    name = [*actual[place]][-1]
    actual[place][name] = actual[place][name] + 1e-9
    comparison = Comparison()
    comparison.add(PAIR, actual, traced(), {})
    assert not comparison.ok
    assert {row["rung"] for row in comparison.rows if not row["ok"]} == {stage}
    (pair, parted), *_ = comparison.divergences
    assert pair["rung"] == stage and parted.tensor == str(name)


@pytest.mark.parametrize("side", ["actual", "desired", "both"])
def test_what_is_missing_fails(side):
    traces = {"actual": traced(), "desired": traced()}
    places = list(traced())
    for name in traces:
        if side in (name, "both"):
            del traces[name][Place("gradients", 1)]
    comparison = Comparison()
    comparison.add(PAIR, traces["actual"], traces["desired"], {}, expected=places)
    bad = [row for row in comparison.rows if not row["ok"]]
    assert bad and {row["rung"] for row in bad} == {"gradients"}
    assert {row["problem"] for row in bad} <= {"missing", "not expected"}
    assert comparison.divergences[0][1].problem


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_gradient_that_cancels_has_a_tolerance_of_its_own(dtype):
    """The softmax does not change if all scores move alike: such a gradient is a sum of nearly 0."""

    def limits(variant):
        case = Case("rnn_with_attention", dtype, 6, 0, variant=variant)
        return from_rounding(moved(case), dtype)

    plain, shared = limits("tutorial"), limits("shared_bias")
    place, general = Place("mask", 1), tolerance_of(Place("gradients", 1), key("gradient/x"), dtype)
    assert general and max(plain.values()) <= general.limit
    assert shared[place, key("gradient/attention/b")] > 2 * general.limit
    assert shared[place, key("gradient/dense/kernel")] <= general.limit
    # Far from what a wrong port does all the same.
    assert max(shared.values()) < 100 * general.limit


def test_a_limit_widens_its_own_tolerance_and_no_other():
    actual, place = traced(), Place("gradients", 1)
    name = key("gradient/attention/W")
    size = abs(traced()[place][name]).max()
    actual[place][name] = actual[place][name] + 3e-14 * size
    for least, ok in (({}, False), ({(place, name): 4e-14}, True), ({(place, name): 2e-14}, False)):
        comparison = Comparison()
        comparison.add(PAIR, actual, traced(), {}, least)
        assert comparison.ok == ok


def test_all_places_are_expected():
    places = expected_alone(24_780, masked=True)
    assert {place.stage for place in places} == {*STAGES} - {"hand-off"}
    assert {place.note for place in places if place.stage == "step"} == {*OPTIMIZERS}
    assert {1, 10, 100, 1000, 24_780} <= {p.step for p in places if p.stage == "trajectory"}
    assert Place("mask", 1) not in expected_alone(100, masked=False)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_has_no_tolerance_must_be_a_number(value):
    place = Place("step", 2, "rmsprop")
    for one, other, ok in ((1.0, 2.0, True), (value, 2.0, False), (1.0, value, False)):
        comparison = Comparison()
        traces = ({place: {W: np.array([v])}} for v in (one, other))
        comparison.add(PAIR, *traces, {})
        assert comparison.ok == ok


def test_first_step_of_rmsprop_is_held_to_its_formula():
    generator = np.random.default_rng(0)
    start, g = generator.normal(size=5), generator.normal(size=5) * 1e-3
    v, lr = 0.1 * g**2, 0.01
    place, weights = Place("step", 1, "rmsprop"), {Place("weights", 0): {W: start}}
    keras = weights | {place: {V: v, W: start - lr * g / np.sqrt(v + 1e-7)}}
    for rate, ok in ((lr, True), (10 * lr, False)):
        torch = weights | {place: {V: v, W: start - rate * g / (np.sqrt(v) + 1e-7)}}
        assert abs(torch[place][W] - keras[place][W]).max() > 1e-4
        comparison = Comparison()
        comparison.add(PAIR, keras, rmsprop_on_paper(torch), {})
        assert comparison.ok == ok


def test_a_failed_tolerance_is_never_shown_as_known():
    row = {"gate": None, "relative": False, "max_abs": 0.1, "max_rel": 0.1, "ok": True}
    assert cell([row]).endswith("≠")
    assert cell([row, row | {"gate": 1e-9, "ok": False}]).endswith("✗")
    assert cell([row | {"gate": 1.0}]).endswith("✓")


def test_nothing_compared_is_not_a_proof():
    assert not Comparison().ok


def test_first_divergence_of_a_trajectory_names_the_step():
    desired = {Place("trajectory", step): {W: np.ones(3)} for step in range(1, 200)}
    actual = {place: {W: np.ones(3)} for place in desired}
    for step in range(137, 200):
        actual[Place("trajectory", step)][W][1] += 1e-6
    comparison = Comparison()
    comparison.add(PAIR, actual, desired, {})
    (_, parted), *_ = comparison.divergences
    assert (parted.step, parted.phase, parted.index) == (137, "update", {"axis 0": 1})
    assert {row["step"] for row in comparison.rows if not row["ok"]} == set(range(137, 200))


def test_a_derived_tolerance_widens_by_the_twins_own_error_and_no_more():
    place = Place("forward", 1)
    desired = {place: {OUTPUT: np.ones(1)}}
    own = {(place, OUTPUT): 1e-5}
    for dtype, error, ok in (
        ("float64", 1e-13, True),
        ("float64", 2e-13, False),
        ("float32", 7e-5, True),
        ("float32", 9e-5, False),
    ):
        actual = {place: {OUTPUT: np.ones(1) + error}}
        comparison = Comparison()
        comparison.add(PAIR | {"dtype": dtype}, actual, desired, own, from_float32(own, dtype))
        assert comparison.ok == ok, (dtype, error)
        plain = Comparison()
        plain.add(PAIR | {"dtype": dtype}, actual, desired, own)
        assert not plain.ok


def test_limits_along_a_trajectory_do_not_shrink():
    errors = {(Place("trajectory", s), W): e for s, e in ((3, 1e-7), (1, 1e-8), (2, 5e-7))}
    errors[Place("forward", 1), W] = 1e-6
    limits = from_float32(errors, "float32")
    steps = [limits[Place("trajectory", step), W] for step in (1, 2, 3)]
    np.testing.assert_allclose(steps, [8e-8, 4e-6, 4e-6], rtol=1e-12)


def test_own_error_is_the_distance_of_the_two_types():
    place = Place("forward", 1)
    single = {place: {OUTPUT: np.array([1.5], "float32")}}
    assert own_errors(single, {place: {OUTPUT: np.array([1.25])}}) == {(place, OUTPUT): 0.25}


def test_only_rmsprop_goes_without_a_tolerance():
    for optimizer in OPTIMIZERS:
        for name in ("rnn/kernel", "v/rnn/kernel", "t", "tower/kernel"):
            for step in (1, 2):
                known = (
                    tolerance_of(Place("step", step, optimizer), key(name, "weight"), "float64")
                    is None
                )
                assert known == (optimizer == "rmsprop" and step > 1)


def test_files_that_are_not_there_are_left_out(tmp_path):
    assert computed_alone(tmp_path, "jax") == {}
