"""Verdicts: what is missing, not finite, wrong or known to differ, from hand-made traces."""

import numpy as np
import pytest

from attention_twins.compare import Verdict, from_float32, from_rounding, judge, own_errors
from attention_twins.parity import RUNGS
from attention_twins.traces import Place, alone, defined, expected, moved, rmsprop_on_paper, split
from attention_twins.training import OPTIMIZERS
from benchmarks.prove.cases import Case
from benchmarks.prove.tables import cell


def climbed():
    """What a perfect twin would have traced: the definition's own values."""
    return defined(Case("rnn_with_attention", "float64", 6, 0))


PAIR = {"model": "rnn", "dtype": "float64", "twin": "A", "against": "B"}


def test_definition_agrees_with_itself():
    verdict = Verdict()
    verdict.add(PAIR, climbed(), climbed(), {})
    assert verdict.ok and {row["max_abs"] for row in verdict.rows} == {0.0}
    assert not verdict.divergences


@pytest.mark.parametrize("rung", ["weights", "forward", "loss", "gradients", "mask"])
def test_each_rung_can_fail(rung):
    actual = climbed()
    (place,) = [place for place in actual if place.rung == rung]
    name = [*actual[place]][-1]
    actual[place][name] = actual[place][name] + 1e-9
    verdict = Verdict()
    verdict.add(PAIR, actual, climbed(), {})
    assert not verdict.ok
    assert {row["rung"] for row in verdict.rows if not row["ok"]} == {rung}
    (pair, parted), *_ = verdict.divergences
    assert pair["rung"] == rung and parted.tensor == name


@pytest.mark.parametrize("side", ["actual", "desired", "both"])
def test_what_is_missing_fails(side):
    traces = {"actual": climbed(), "desired": climbed()}
    places = list(climbed())
    for name in traces:
        if side in (name, "both"):
            del traces[name][Place("gradients", 1)]
    verdict = Verdict()
    verdict.add(PAIR, traces["actual"], traces["desired"], {}, expected=places)
    bad = [row for row in verdict.rows if not row["ok"]]
    assert bad and {row["rung"] for row in bad} == {"gradients"}
    assert {row["problem"] for row in bad} <= {"missing", "not expected"}
    assert verdict.divergences[0][1].problem


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_gradient_that_cancels_has_a_gate_of_its_own(dtype):
    """The softmax does not change if all scores move alike: such a gradient is a sum of nearly 0."""

    def limits(variant):
        case = Case("rnn_with_attention", dtype, 6, 0, variant=variant)
        return from_rounding(moved(case), dtype)

    plain, shared = limits("tutorial"), limits("shared_bias")
    place, general = Place("mask", 1), judge(Place("gradients", 1), "gradient/x", dtype)
    assert general and max(plain.values()) <= general.limit
    assert shared[place, "gradient/attention/b"] > 2 * general.limit
    assert shared[place, "gradient/dense/kernel"] <= general.limit
    # Far from what a wrong port does all the same.
    assert max(shared.values()) < 100 * general.limit


def test_a_limit_widens_its_own_gate_and_no_other():
    actual, place = climbed(), Place("gradients", 1)
    name, size = "gradient/attention/W", abs(climbed()[place]["gradient/attention/W"]).max()
    actual[place][name] = actual[place][name] + 3e-14 * size
    for least, ok in (({}, False), ({(place, name): 4e-14}, True), ({(place, name): 2e-14}, False)):
        verdict = Verdict()
        verdict.add(PAIR, actual, climbed(), {}, least)
        assert verdict.ok == ok


def test_all_places_are_expected():
    places = expected(24_780, masked=True)
    assert {place.rung for place in places} == {*RUNGS} - {"hand-off"}
    assert {place.note for place in places if place.rung == "step"} == {*OPTIMIZERS}
    assert {1, 10, 100, 1000, 24_780} <= {p.step for p in places if p.rung == "trajectory"}
    assert Place("mask", 1) not in expected(100, masked=False)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_has_no_gate_must_be_a_number(value):
    place = Place("step", 2, "rmsprop")
    for one, other, ok in ((1.0, 2.0, True), (value, 2.0, False), (1.0, value, False)):
        verdict = Verdict()
        traces = ({place: {"rnn/kernel": np.array([v])}} for v in (one, other))
        verdict.add(PAIR, *traces, {})
        assert verdict.ok == ok


def test_first_step_of_rmsprop_is_held_to_its_formula():
    generator = np.random.default_rng(0)
    start, g = generator.normal(size=5), generator.normal(size=5) * 1e-3
    v, lr = 0.1 * g**2, 0.01
    place, weights = Place("step", 1, "rmsprop"), {Place("weights", 0): {"w": start}}
    keras = weights | {place: {"v/w": v, "w": start - lr * g / np.sqrt(v + 1e-7)}}
    for rate, ok in ((lr, True), (10 * lr, False)):
        torch = weights | {place: {"v/w": v, "w": start - rate * g / (np.sqrt(v) + 1e-7)}}
        assert abs(torch[place]["w"] - keras[place]["w"]).max() > 1e-4
        verdict = Verdict()
        verdict.add(PAIR, keras, rmsprop_on_paper(torch), {})
        assert verdict.ok == ok


def test_a_failed_gate_is_never_shown_as_known():
    row = {"gate": None, "relative": False, "max_abs": 0.1, "max_rel": 0.1, "ok": True}
    assert cell([row]).endswith("≠")
    assert cell([row, row | {"gate": 1e-9, "ok": False}]).endswith("✗")
    assert cell([row | {"gate": 1.0}]).endswith("✓")


def test_nothing_compared_is_not_a_proof():
    assert not Verdict().ok


def test_first_divergence_of_a_trajectory_names_the_step():
    desired = {Place("trajectory", step): {"w": np.ones(3)} for step in range(1, 200)}
    actual = {place: {"w": np.ones(3)} for place in desired}
    for step in range(137, 200):
        actual[Place("trajectory", step)]["w"][1] += 1e-6
    verdict = Verdict()
    verdict.add(PAIR, actual, desired, {})
    (_, parted), *_ = verdict.divergences
    assert (parted.step, parted.phase, parted.index) == (137, "update", {"axis 0": 1})
    assert {row["step"] for row in verdict.rows if not row["ok"]} == set(range(137, 200))


def test_a_derived_gate_widens_by_the_twins_own_error_and_no_more():
    place = Place("forward", 1)
    desired = {place: {"output": np.ones(1)}}
    own = {(place, "output"): 1e-5}
    for dtype, error, ok in (
        ("float64", 1e-13, True),
        ("float64", 2e-13, False),
        ("float32", 7e-5, True),
        ("float32", 9e-5, False),
    ):
        actual = {place: {"output": np.ones(1) + error}}
        verdict = Verdict()
        verdict.add(PAIR | {"dtype": dtype}, actual, desired, own, from_float32(own, dtype))
        assert verdict.ok == ok, (dtype, error)
        plain = Verdict()
        plain.add(PAIR | {"dtype": dtype}, actual, desired, own)
        assert not plain.ok


def test_limits_along_a_trajectory_do_not_shrink():
    errors = {(Place("trajectory", s), "w"): e for s, e in ((3, 1e-7), (1, 1e-8), (2, 5e-7))}
    errors[Place("forward", 1), "w"] = 1e-6
    limits = from_float32(errors, "float32")
    steps = [limits[Place("trajectory", step), "w"] for step in (1, 2, 3)]
    np.testing.assert_allclose(steps, [8e-8, 4e-6, 4e-6], rtol=1e-12)


def test_own_error_is_the_distance_of_the_two_types():
    place = Place("forward", 1)
    single = {place: {"output": np.array([1.5], "float32")}}
    assert own_errors(single, {place: {"output": np.array([1.25])}}) == {(place, "output"): 0.25}


def test_only_rmsprop_goes_without_a_gate():
    for optimizer in OPTIMIZERS:
        for name in ("rnn/kernel", "v/rnn/kernel", "t", "tower/kernel"):
            for step in (1, 2):
                known = judge(Place("step", step, optimizer), name, "float64") is None
                assert known == (optimizer == "rmsprop" and step > 1)


def test_files_that_are_not_there_are_left_out(tmp_path):
    assert alone(tmp_path, "jax") == {}
    assert [place.rung for place in split({"output": np.ones(1), "loss": np.ones(())}, {})]
