"""Differences, gates and first divergences: hand-made traces with known answers."""

import numpy as np
import pytest

from attention_twins.errors import InputError
from attention_twins.parity import (
    RUNGS,
    Gate,
    difference,
    first_divergence,
    gate,
    load_trace,
    save_trace,
)

NAN, INF = np.nan, np.inf


def one(values, dtype="float64"):
    return {"a": np.array(values, dtype)}


def test_difference_of_numbers():
    found = difference("a", one([1.0, -2.0, 4.5]), one([1.0, -2.5, 4.0]), Gate(0.5))
    assert (found.max_abs, found.max_rel, found.ok) == (0.5, 0.125, True)
    assert found.ulps == 0.5 / np.spacing(4.0)
    assert not difference("a", one([1.0]), one([1.5]), Gate(0.49)).ok


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_neighbouring_numbers_are_one_ulp_apart(dtype):
    value = np.array([0.7], dtype)
    found = difference("a", {"a": np.nextafter(value, value + 1)}, {"a": value}, Gate(0))
    assert found.ulps == 1
    assert not found.ok


def test_relative_gate_measures_against_the_largest_value():
    actual, desired = one([100.0, 1e-3]), one([100.0, 0.0])
    assert difference("a", actual, desired, Gate(1e-5, relative=True)).ok
    assert not difference("a", actual, desired, Gate(0.9e-5, relative=True)).ok


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
@pytest.mark.parametrize("limit", [Gate(1e9), Gate(1e9, relative=True)])
def test_one_sided_oddities_fail_at_any_gate(actual, desired, limit):
    found = difference("a", one(actual), one(desired), limit)
    assert not found.ok and found.max_abs == INF
    assert first_divergence(one(actual), one(desired), limit) is not None


def test_the_same_oddity_on_both_sides_is_equal():
    both = one([NAN, INF, -INF, 1.0])
    assert difference("a", both, both, Gate(0)).max_abs == 0


def test_type_and_presence_are_part_of_equality():
    single, double = one([1.0], "float32"), one([1.0])
    assert "float32, should be float64" in difference("a", single, double, Gate(1)).problem
    assert difference("a", {}, double, Gate(1)).problem == "missing"
    assert difference("a", double, {}, Gate(1)).problem == "not expected"
    for actual, desired in ((single, double), ({}, double), (double, {})):
        assert not difference("a", actual, desired, Gate(1)).ok
        parted = first_divergence(actual, desired, Gate(1))
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
    return {name: generator.normal(size=shape) for name, shape in shapes.items()}


def changed(name, *indices):
    trace = traces()
    for index in indices:
        trace[name][index] += 1e-3
    return trace


def test_equal_traces_do_not_part():
    assert first_divergence(traces(), traces(), Gate(0)) is None


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
    parted = first_divergence(changed(name, *indices), traces(), Gate(1e-6), step=7)
    assert parted is not None
    assert (parted.tensor, parted.phase, parted.step) == (name, phase, 7)
    assert parted.index == index
    shown = {place: values for place, *values in parted.neighbours}
    actual, desired, ulps = shown[", ".join(map(str, index.values()))]
    assert actual - desired == pytest.approx(1e-3) and ulps > 1e9
    assert all(values[2] == 0 for place, values in shown.items() if values[0] == values[1])


def test_earlier_tensor_wins():
    trace = changed("loss", ()) | {"rnn/h": changed("rnn/h", (1, 4, 2))["rnn/h"]}
    parted = first_divergence(trace, traces(), Gate(1e-6))
    assert parted is not None and parted.tensor == "rnn/h"


def test_neighbourhood_stays_inside_the_tensor():
    for index in ((0, 0, 0), (1, 4, 2)):
        parted = first_divergence(changed("rnn/h", index), traces(), Gate(1e-6))
        assert parted is not None and len(parted.neighbours) == 3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gates_are_at_least_as_tight_as_promised(dtype):
    promised = {
        "float64": {"forward": 1e-14, "gradients": 1e-14, 1: 1e-15, 1000: 1e-13, 24_780: 1e-11},
        "float32": {"forward": 2e-6, "gradients": 5e-6, 1: 1e-6, 1000: 1e-5, 24_780: 1e-4},
    }[dtype]
    for key, limit in promised.items():
        found = gate("trajectory", dtype, key) if isinstance(key, int) else gate(key, dtype)
        assert 0 < found.limit <= limit, key
        assert found.relative == (key == "gradients")
    assert gate("weights", dtype).limit == 0
    for rung in RUNGS:
        assert gate(rung, dtype, 3).limit <= 1e-5
    steps = (1, 2, 10, 11, 1000, 1001, 24_780)
    limits = [gate("trajectory", dtype, step).limit for step in steps]
    assert limits == sorted(limits) and len(set(limits)) == 4


def test_trace_comes_back_from_its_file(tmp_path):
    trace = {
        "z": np.array([NAN, INF, -0.0]),
        "a/b": np.float32(3) * np.ones((2, 3), "float32").T,
        "loss": np.array(0.5),
        "t": np.array(3, np.int64),
    }
    path = tmp_path / "new" / "trace.safetensors"
    save_trace(path, trace)
    again = load_trace(path)
    assert list(again) == list(trace)
    for name, array in trace.items():
        assert again[name].dtype == array.dtype and again[name].shape == array.shape
        np.testing.assert_array_equal(again[name], array)


def test_broken_files_are_refused(tmp_path):
    path = tmp_path / "trace.safetensors"
    with pytest.raises(InputError, match="whole file"):
        load_trace(path)
    save_trace(path, {"a": np.ones(3)})
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputError, match="whole file"):
        load_trace(path)
