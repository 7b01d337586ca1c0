"""What must hold before a measurement counts: each kind of failing cell."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.bench.cells import Cell
from benchmarks.bench.grid import GRIDS, load_grid
from benchmarks.bench.switches import SWITCHES, TF
from benchmarks.bench.validity import claims, failed, reference, target, unproven
from benchmarks.bench.worker import order_of
from benchmarks.common import scalar_limit
from shared.tasks import load_data
from shared.weights import initial_weights

CELL = Cell(twin="PyTorch", steps=40)


def proof_of(cell):
    """What a runtime says that took the path."""
    return {name: 3 if value == "some" else value for name, value in claims(cell).items()}


def measured(cell=CELL, **changes):
    """What a process says in which all is well."""
    weights = reference(cell.workload, cell.dtype, cell.train_config(1).keras_backend, 0, 1, False)
    return {
        "weights": {name: array.copy() for name, array in weights.items()},
        "loss": [1.0, 0.6, 0.4],
        "seconds": [3.0, 1.0, 1.0, 1.0, 1.0, 1.0],
        "steady_after": 3,
        "proof": proof_of(cell),
    } | changes


def test_what_is_right_counts():
    found = measured()
    assert failed(CELL, found) == ""
    assert found["gate"]["distance"] == 0 and "weights" not in found
    assert found["gate"]["steps"] == 40


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": [1.0, float("nan"), 0.5]}, "the loss is not finite"),
        ({"loss": [1.0, 0.5, float("inf")]}, "the loss is not finite"),
        ({"loss": [1.0, 0.5, 1.0]}, "the loss does not fall: 1, then 1"),
        ({"loss": [[1.0, 0.5], [1.0, 2.0]]}, "the loss does not fall: 1, then 2"),
        ({"steady_after": None}, "not steady after 6 epochs"),
        ({"steady_after": 4}, "not steady after 6 epochs"),
    ],
)
def test_what_did_not_train_does_not_count(changes, message):
    assert failed(CELL, measured(**changes)) == message


@pytest.mark.parametrize("wrong", [1e-3, float("nan")])
def test_what_trained_otherwise_does_not_count(wrong):
    found = measured()
    found["weights"]["attention/b"][3] += wrong
    assert failed(CELL, found).startswith("trained otherwise than the reference: ")
    found = measured()
    found["weights"]["dense/bias"] = found["weights"]["dense/bias"].astype("float64")
    assert failed(CELL, found).startswith("trained otherwise than the reference: inf")


def test_rounding_counts_as_right():
    found = measured()
    found["weights"]["attention/b"] += np.float32(1e-7)
    assert failed(CELL, found) == "" and 0 < found["gate"]["distance"] < 1e-6


def test_another_learning_rate_would_be_seen():
    cell = replace(CELL, dtype="float64")
    config = replace(cell.train_config(1), learning_rate=1.01e-3, keras_backend="tensorflow")
    start, data = initial_weights(cell.model_config, 0), load_data(cell.data_config)
    other = scalar_limit.fit(cell.model_config, start, data, config, order_of(cell, 1)[:1]).weights
    assert "trained otherwise" in failed(cell, measured(cell, weights=other))


def test_switches_with_another_training_are_not_compared():
    cell = replace(CELL, switch="epsilon")
    found = measured(CELL, proof=proof_of(cell))
    found["weights"]["attention/b"] += 9
    assert failed(cell, found) == "" and "gate" not in found


def cells():
    for name in ("default", "ledger", "full"):
        yield from load_grid(GRIDS / f"{name}.toml").cells


# each path: what the runtime would say if another one had been taken
LIES = {"XLA": None, "TF32": True, "cuDNN": True, "graphs": 7, "graph breaks": 1, "threads": 9}
LIES |= {"deterministic": True, "backend": "theano", "numba": 0, "collector": None, "GPU": True}
LIES |= {"unrolled": True, "fused": True, "foreach": True, "steps_per_execution": 7}


@pytest.mark.parametrize("name", LIES)
def test_every_claim_can_fail(name):
    seen = 0
    for cell in dict.fromkeys(cells()):
        proof = proof_of(cell)
        assert unproven(cell, proof) == []
        if name in claims(cell):
            wrong = not proof[name] if isinstance(proof[name], bool) else LIES[name]
            if claims(cell)[name] == "some":
                wrong = 0
            (said,) = unproven(cell, proof | {name: wrong})
            assert said.startswith(f"{name} is {wrong!r}")
            without = {key: value for key, value in proof.items() if key != name}
            assert unproven(cell, without)  # what cannot be read is not proven
            seen += 1
    assert seen


def test_paths_that_differ_make_different_claims():
    def says(name, **options):
        return claims(Cell(**options)).get(name)

    assert says("XLA", twin=TF) is False and says("XLA", twin=TF, switch="jit_compile") is True
    assert says("XLA", twin=TF, way="fit_compiled") is True
    assert says("XLA", twin=TF, device="cuda") is True
    assert says("XLA", twin=TF, device="cuda", switch="deterministic") is False
    assert says("graphs", twin="PyTorch") == 0
    assert says("graphs", twin="PyTorch", switch="torch.compile") == "some"
    assert says("graphs", twin="Keras/torch", way="fit_compiled") == "some"
    assert says("cuDNN", twin="PyTorch", device="cuda") is True
    assert says("cuDNN", twin="PyTorch", device="cuda", way="fit_compiled") is False
    assert says("cuDNN", twin="PyTorch", device="cuda", switch="unrolled") is False
    assert says("XLA", twin="Keras/jax") == "jit(train_step)"
    assert says("XLA", twin="Keras/jax", way="fit_compiled") == "jit(steps)"
    assert says("steps_per_execution", twin="Keras/jax") == 1
    assert says("steps_per_execution", twin=TF, switch="steps_per_execution") == 826
    assert says("unrolled", twin=TF) is False and says("unrolled", twin=TF, switch="unroll") is True
    assert says("fused", twin="PyTorch", switch="fused") is True
    assert says("GPU", twin=TF, device="cuda") is True
    assert says("TF32", twin="Keras/jax", device="cuda", switch="TF32") is True
    assert all(switch.twins for switch in SWITCHES.values())


def test_loss_to_reach():
    """What repeating the last number has is 2.07e-4 (the sum of squares is φ⁻³)."""
    found = target(None)
    assert found["loss"] == pytest.approx(2.07e-4, rel=1e-2) and found["epochs"] == 19
    assert target(1e-3)["epochs"] < 19 and target(1e-30)["epochs"] is None
