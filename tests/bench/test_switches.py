"""Switches of `twins bench`: each flips what it says, and nothing stays flipped."""

import gc

import keras
import numpy as np
import pytest
import torch

import keras_impl
import torch_impl
from attention_twins.in_keras import steps as keras_steps
from attention_twins.in_torch import steps as torch_steps
from benchmarks.bench import in_keras, in_numba, in_torch, worker
from benchmarks.bench.cells import Cell
from benchmarks.bench.switches import JAX, PYTORCH, SWITCHES, TF
from benchmarks.bench.validity import unproven
from shared.config import DataConfig, ModelConfig, TrainConfig
from shared.tasks import load_data

DATA, CONFIG = load_data(DataConfig(numbers=40)), TrainConfig(epochs=1, batch_size=4)


def torch_cell(switch):
    return Cell(twin=PYTORCH, switch=switch)


def trained_in_torch(switch, monkeypatch):
    """The model, the optimizer and the losses' `item` calls of one epoch under a switch."""
    made, items = [], []
    create = torch_steps.create_optimizer
    monkeypatch.setattr(
        torch_steps, "create_optimizer", lambda *a: made.append(create(*a)) or made[-1]
    )
    item = torch.Tensor.item
    monkeypatch.setattr(torch.Tensor, "item", lambda self: items.append(1) or item(self))
    cell = torch_cell(switch)
    with in_torch.flipped(cell, torch_impl):
        model = torch_impl.create_model(ModelConfig())
        order = np.arange(14)[None]
        result = torch_impl.fit(model, DATA, CONFIG, order, progress=lambda *_: False, snapshots=())
        proof = in_torch.proof(cell, model)
    monkeypatch.undo()
    ours = ("fused", "foreach", "unrolled", "deterministic", "GPU", "TF32", "cuDNN")
    assert not [said for said in unproven(cell, proof) if said.startswith(ours)]
    return model, made[0], len(items), result


@pytest.fixture(scope="module")
def plain():
    model = torch_impl.create_model(ModelConfig())
    return torch_impl.fit(model, DATA, CONFIG, np.arange(14)[None])


@pytest.mark.parametrize(
    "switch", [name for name, s in SWITCHES.items() if PYTORCH in s.twins and not s.cuda]
)
def test_switches_in_pytorch(switch, plain, monkeypatch):
    if switch == "torch.compile":
        pytest.skip("its compiler takes half a minute")
    model, optimizer, items, result = trained_in_torch(switch, monkeypatch)
    assert bool(optimizer.defaults["fused"]) == (switch == "fused")
    assert bool(optimizer.defaults["foreach"]) == (switch == "foreach")
    assert model.rnn.unroll == (switch == "unrolled")
    gradients = [p.grad for p in model.parameters() if p.requires_grad]
    assert all(gradient is not None for gradient in gradients)
    optimizer.zero_grad()
    kept = [p.grad for p in model.parameters() if p.requires_grad]
    assert all(g is not None and not g.any() for g in kept) == (switch == "zeros")
    # The loss of an epoch, and of each of its four steps; Adam has calls of its own.
    _, _, usual, _ = trained_in_torch("", monkeypatch)
    assert (items - usual == 4) == (switch == "item")
    eps = optimizer.param_groups[0]["eps"]
    assert (eps == 1e-8) == (switch == "epsilon")
    same = [np.allclose(result.weights[n], a, rtol=0, atol=1e-6) for n, a in plain.weights.items()]
    assert all(same) or switch == "epsilon"
    assert not torch.are_deterministic_algorithms_enabled()


def test_loader_is_used_and_gives_the_same_batches(plain, monkeypatch):
    batches = []
    loader = in_torch.DataLoader
    monkeypatch.setattr(
        in_torch, "DataLoader", lambda *a, **k: batches.append(loader(*a, **k)) or batches[-1]
    )
    _, _, _, result = trained_in_torch("loader", monkeypatch)
    assert len(batches) == 1 and len(batches[0]) == 4
    assert result.loss == pytest.approx(plain.loss, rel=1e-6)


def test_deterministic_while_it_lasts():
    cell = Cell(twin=PYTORCH, way="fit_compiled")
    with in_torch.flipped(torch_cell("deterministic"), torch_impl):
        assert in_torch.proof(cell, None)["deterministic"]
    assert not in_torch.proof(cell, None)["deterministic"]


def test_tf32_is_off_but_for_its_switch():
    matmul, before = torch.backends.cuda.matmul, torch.backends.cuda.matmul.allow_tf32
    with in_torch.flipped(torch_cell("fused"), torch_impl):
        assert not in_torch.uses_tf32()
    with in_torch.flipped(Cell(twin=PYTORCH, switch="TF32", device="cuda"), torch_impl):
        assert in_torch.uses_tf32() and matmul.allow_tf32
    assert matmul.allow_tf32 == before


def test_one_call_of_keras_for_all_epochs(monkeypatch):
    """Its first epoch is that of `fit`; it ends when it is told to."""
    calls, ended = [], []
    fit = keras.Model.fit
    monkeypatch.setattr(keras.Model, "fit", lambda *a, **k: calls.append(k) or fit(*a, **k))
    order = np.stack([np.arange(14)] * 9)
    cell = Cell(twin={"tensorflow": TF, "jax": JAX}[keras.backend.backend()], switch="one call")
    plain = keras_impl.fit(keras_impl.create_model(ModelConfig()), DATA, CONFIG, order[:3])
    assert len(calls) == 3
    with in_keras.flipped(cell, keras_impl):
        found = keras_impl.fit(
            keras_impl.create_model(ModelConfig()),
            DATA,
            CONFIG,
            order=order,
            progress=lambda epochs, loss: ended.append(loss) or epochs == 3,
            snapshots=(4,),
        )
    assert len(calls) == 4 and found.loss == ended == plain.loss
    assert found.snapshots.keys() == {4}
    for name, array in plain.weights.items():
        np.testing.assert_array_equal(found.weights[name], array)


def test_callback_after_every_step_ends_asynchronous_dispatch():
    """Keras dispatches callbacks on threads of its own, unless one looks after every step."""
    seen = []
    for switch in ("", "callback"):
        cell = Cell(twin=JAX, switch=switch)
        with in_keras.flipped(cell, keras_impl):
            watcher = keras_steps.Watcher(CONFIG, ())
        callbacks = keras.callbacks.CallbackList([watcher])
        seen.append(callbacks._async_train)
    assert seen == [keras.backend.backend() == "jax", False]  # on TensorFlow it never does


@pytest.mark.parametrize("switch", ["", "steps_per_execution", "jit_compile", "unroll", "epsilon"])
def test_switches_in_keras(switch):
    if switch == "jit_compile" and keras.backend.backend() != "tensorflow":
        pytest.skip("there it is on anyway")
    twin = {"tensorflow": TF, "jax": JAX}[keras.backend.backend()]
    cell = Cell(twin=twin, switch=switch, steps=4)
    with in_keras.flipped(cell, keras_impl):
        model = keras_impl.create_model(ModelConfig())
        keras_impl.fit(model, DATA, CONFIG, np.arange(14)[None])
        proof = in_keras.proof(cell, model)
    ours = ("steps_per_execution", "unrolled", "backend", "GPU", "TF32")
    assert not [said for said in unproven(cell, proof) if said.startswith(ours)]
    assert model.steps_per_execution == (4 if switch == "steps_per_execution" else 1)
    assert model.layers[0].unroll == (switch == "unroll")
    assert (model.optimizer.epsilon == 1e-8) == (switch == "epsilon")
    if keras.backend.backend() == "tensorflow":
        assert model.jit_compile == (switch == "jit_compile")
    model = keras_impl.create_model(ModelConfig())
    keras_impl.fit(model, DATA, CONFIG, np.arange(14)[None])
    assert model.steps_per_execution == 1 and not model.layers[0].unroll
    assert model.optimizer.epsilon == 1e-7


def test_every_switch_of_keras_is_one_that_keras_has_here():
    """Names of patches that no cell can have would be dead code."""
    ours = {name for name, s in SWITCHES.items() if any("Keras" in twin for twin in s.twins)}
    assert {"steps_per_execution", "jit_compile", "unroll", "unrolled", "epsilon"} <= ours


@pytest.mark.parametrize("side", [in_keras, in_torch, in_numba], ids=lambda m: m.__name__)
def test_sides_have_the_same_names(side):
    for name in ("begin", "synchronise", "flipped", "device_mib", "proof"):
        assert callable(getattr(side, name))


def test_process_says_all_that_a_line_needs(monkeypatch):
    """In this process, with the scalar limit: what is sent, and the collector as it was."""
    said = {}
    cell = Cell(twin="scalar loop", way="floor", steps=100)
    worker.measure(lambda kind, content: said.update({kind: content}), lambda: None, cell)
    gc.unfreeze()
    found = said["measured"]
    assert found["proof"]["numba"] >= 1 and found["proof"]["collector"]
    assert found["steady_after"] and len(found["seconds"]) >= found["steady_after"] + 3
    assert found["together"] == 1 and found["peak_mib"] >= found["before_mib"]
    assert {array.dtype.name for array in found["weights"].values()} == {"float32"}
    assert gc.isenabled()
