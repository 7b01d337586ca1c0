"""Differences, tolerances and first divergences: hand-made traces with known answers."""

import numpy as np
import pytest
from helpers import key

from attention_twins.errors import InputError
from attention_twins.parity import (
    Key,
    Tolerance,
    difference,
    first_divergence,
)
from attention_twins.tolerances import tolerance
from attention_twins.traces import STAGES, Place, load_traces, save_traces

NAN, INF = np.nan, np.inf
A = Key("forward", "", "a")
PLACE = Place("forward", 1)


def one(values, dtype="float64"):
    return {A: np.array(values, dtype)}


def test_difference_of_numbers():
    found = difference(A, one([1.0, -2.0, 4.5]), one([1.0, -2.5, 4.0]), Tolerance(0.5))
    assert (found.max_abs, found.max_rel, found.ok) == (0.5, 0.125, True)
    assert found.ulps == 0.5 / np.spacing(4.0)
    assert not difference(A, one([1.0]), one([1.5]), Tolerance(0.49)).ok


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_neighbouring_numbers_are_one_ulp_apart(dtype):
    value = np.array([0.7], dtype)
    found = difference(A, {A: np.nextafter(value, value + 1)}, {A: value}, Tolerance(0))
    assert found.ulps == 1
    assert not found.ok


def test_relative_tolerance_measures_against_the_largest_value():
    actual, desired = one([100.0, 1e-3]), one([100.0, 0.0])
    assert difference(A, actual, desired, Tolerance(1e-5, relative=True)).ok
    assert not difference(A, actual, desired, Tolerance(0.9e-5, relative=True)).ok


@pytest.mark.parametrize(
    ("actual", "desired"),
    [
        ([NAN], [1.0]),
        ([1.0], [NAN]),
        ([INF], [1.0]),
        ([1.0], [INF]),
        ([INF], [-INF]),
        ([INF], [NAN]),
        ([1.0, 2.0], [1.0]),
        ([[1.0]], [1.0]),
        ([], [1.0]),
    ],
)
@pytest.mark.parametrize("limit", [Tolerance(1e9), Tolerance(1e9, relative=True)])
def test_one_sided_oddities_fail_at_any_tolerance(actual, desired, limit):
    found = difference(A, one(actual), one(desired), limit)
    assert not found.ok and found.max_abs == INF
    assert first_divergence(one(actual), one(desired), limit) is not None


def test_the_same_oddity_on_both_sides_is_equal():
    both = one([NAN, INF, -INF, 1.0])
    assert difference(A, both, both, Tolerance(0)).max_abs == 0


def test_type_and_presence_are_part_of_equality():
    single, double = one([1.0], "float32"), one([1.0])
    assert "float32, should be float64" in difference(A, single, double, Tolerance(1)).problem
    assert difference(A, {}, double, Tolerance(1)).problem == "missing"
    assert difference(A, double, {}, Tolerance(1)).problem == "not expected"
    for actual, desired in ((single, double), ({}, double), (double, {})):
        assert not difference(A, actual, desired, Tolerance(1)).ok
        parted = first_divergence(actual, desired, Tolerance(1))
        assert parted is not None and parted.problem and parted.tensor == "a"


def traces():
    """A forward pass, a loss and two gradients, all right."""
    generator = np.random.default_rng(0)
    shapes = {
        "rnn/h": (2, 5, 3),
        "attention/alpha": (2, 5),
        "output": (2, 1),
        "loss": (),
        "gradient/dense/kernel": (3, 1),
        "gradient/x": (2, 5, 3),
    }
    return {key(name): generator.normal(size=shape) for name, shape in shapes.items()}


def changed(name, *indices):
    trace = traces()
    for index in indices:
        trace[key(name)][index] += 1e-3
    return trace


def test_equal_traces_do_not_part():
    assert first_divergence(traces(), traces(), Tolerance(0)) is None


@pytest.mark.parametrize(
    ("name", "indices", "phase", "index"),
    [
        ("rnn/h", [(0, 4, 1), (1, 2, 0)], "forward", {"row": 1, "time step": 2, "unit": 0}),
        ("attention/alpha", [(0, 3), (1, 3)], "forward", {"row": 0, "time step": 3}),
        ("output", [(1, 0)], "forward", {"row": 1, "unit": 0}),
        ("loss", [()], "forward", {}),
        ("gradient/dense/kernel", [(2, 0)], "backward", {"axis 0": 2, "axis 1": 0}),
        # Backwards in time: the latest step is the first.
        ("gradient/x", [(0, 1, 0), (1, 3, 2)], "backward", {"row": 1, "time step": 3, "unit": 2}),
    ],
)
def test_first_divergence_in_the_order_of_computation(name, indices, phase, index):
    parted = first_divergence(changed(name, *indices), traces(), Tolerance(1e-6), step=7)
    assert parted is not None
    assert (parted.tensor, parted.phase, parted.step) == (name, phase, 7)
    assert parted.index == index
    shown = {place: values for place, *values in parted.neighbours}
    actual, desired, ulps = shown[", ".join(map(str, index.values()))]
    assert actual - desired == pytest.approx(1e-3) and ulps > 1e9
    assert all(values[2] == 0 for place, values in shown.items() if values[0] == values[1])


def test_earlier_tensor_wins():
    trace = changed("loss", ()) | {key("rnn/h"): changed("rnn/h", (1, 4, 2))[key("rnn/h")]}
    parted = first_divergence(trace, traces(), Tolerance(1e-6))
    assert parted is not None and parted.tensor == "rnn/h"


def test_neighbourhood_stays_inside_the_tensor():
    for index in ((0, 0, 0), (1, 4, 2)):
        parted = first_divergence(changed("rnn/h", index), traces(), Tolerance(1e-6))
        assert parted is not None and len(parted.neighbours) == 3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tolerances_are_at_least_as_tight_as_promised(dtype):
    promised = {
        "float64": {"forward": 1e-14, "gradients": 1e-14, 1: 1e-15, 1000: 1e-13, 24_780: 1e-11},
        "float32": {"forward": 2e-6, "gradients": 5e-6, 1: 1e-6, 1000: 1e-5, 24_780: 1e-4},
    }[dtype]
    for name, limit in promised.items():
        step, stage = (name, "trajectory") if isinstance(name, int) else (1, name)
        found = tolerance(stage, dtype, step)
        assert 0 < found.limit <= limit, name
        assert found.relative == (name == "gradients")
    assert tolerance("weights", dtype).limit == 0
    for stage in STAGES:
        assert tolerance(stage, dtype, 3).limit <= 1e-5
    steps = (1, 2, 10, 11, 1000, 1001, 24_780)
    limits = [tolerance("trajectory", dtype, step).limit for step in steps]
    assert limits == sorted(limits) and len(set(limits)) == 4


def test_trace_comes_back_from_its_file(tmp_path):
    trace = {
        key("z"): np.array([NAN, INF, -0.0]),
        Key("weight", "a", "b/c", 2): np.float32(3) * np.ones((2, 3), "float32").T,
        key("loss"): np.array(0.5),
        key("t"): np.array(3, np.int64),
    }
    path = tmp_path / "new" / "trace.safetensors"
    save_traces(path, {PLACE: trace, Place("step", 2, "adam"): {A: np.ones(1)}})
    both = load_traces(path)
    assert list(both) == [PLACE, Place("step", 2, "adam")]
    again = both[PLACE]
    assert list(again) == list(trace)
    for name, array in trace.items():
        assert again[name].dtype == array.dtype and again[name].shape == array.shape
        np.testing.assert_array_equal(again[name], array)


def test_broken_files_are_refused(tmp_path):
    path = tmp_path / "trace.safetensors"
    with pytest.raises(InputError, match="whole file"):
        load_traces(path)
    save_traces(path, {PLACE: {A: np.ones(3)}})
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputError, match="whole file"):
        load_traces(path)
