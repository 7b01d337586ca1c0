"""Optimizers, in both twins: the same steps, state that travels."""

import numpy as np
import pytest
from helpers import BACKEND, aligned, config_of, furthest, some_data

import keras_impl
import torch_impl
from attention_twins.errors import InputError
from attention_twins.in_keras import optimizer as in_keras
from attention_twins.in_torch import optimizer as in_torch
from attention_twins.training import OPTIMIZERS, Snapshot
from shared.config import TrainConfig
from shared.data import batch_order
from shared.weights import random_weights

BRIDGED = [name for name in OPTIMIZERS if name != "rmsprop"]
MODEL = "rnn_with_attention"

OPTIMIZER = {keras_impl: in_keras, torch_impl: in_torch}


def train(
    twin, order, optimizer="adam", resume_from=None, snapshots=(), dtype="float64", **options
):
    config = TrainConfig(
        **{"learning_rate": 0.01, "batch_size": 4, "keras_backend": BACKEND} | options,
        optimizer=optimizer,
    )
    created = twin.create_model(config_of(MODEL, dtype), config.setup)
    if resume_from is None:
        twin.set_weights(created, random_weights(config_of(MODEL, dtype)))
    return twin.fit(
        created, some_data(dtype), config, order, resume_from=resume_from, snapshots=snapshots
    )


def furthest_state(actual, desired):
    assert list(actual) == list(desired)
    return max(abs(actual[name] - desired[name]).max() for name in desired)


@pytest.mark.parametrize("optimizer", BRIDGED)
def test_steps_and_state_are_equal(optimizer):
    order = batch_order(23, 4, 0)
    keras, torch = (
        train(twin, order, optimizer, snapshots=(1, 2, 3)) for twin in (keras_impl, torch_impl)
    )
    for step in (1, 2, 3):
        ours, theirs = keras.snapshots[step], torch.snapshots[step]
        assert furthest(ours, theirs) <= 1e-15
        assert furthest_state(ours.state, theirs.state) <= 1e-15
        if "t" in OPTIMIZERS[optimizer]:
            assert ours.state["t"] == theirs.state["t"] == step
    assert furthest(keras, torch) <= 1e-14
    assert furthest(keras.snapshots[1], keras.snapshots[3]) > 1e-3


def test_rmsprop_is_unbridgeable_by_its_epsilon_alone():
    """Equal state after a step, then √(v + ε) against √v + ε, which explains all of the rest."""
    order = np.arange(4)[np.newaxis]
    keras, torch = (train(twin, order, "rmsprop") for twin in (keras_impl, torch_impl))
    start = random_weights(config_of(MODEL, "float64"))
    assert furthest_state(keras.state, torch.state) <= 1e-15
    assert furthest(keras, torch) > 1e-3
    for name, array in start.items():
        v = keras.state[f"v/{name}"]
        g = np.sqrt(v / 0.1)
        ours, theirs = 0.01 * g / np.sqrt(v + 1e-7), 0.01 * g / (np.sqrt(v) + 1e-7)
        np.testing.assert_allclose(abs(keras.weights[name] - array), ours, rtol=1e-7, atol=1e-12)
        np.testing.assert_allclose(abs(torch.weights[name] - array), theirs, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize(
    "optimizer",
    ["adam", *(pytest.param(o, marks=pytest.mark.slow) for o in BRIDGED if o != "adam")],
)
@pytest.mark.parametrize("first", [keras_impl, torch_impl])
@pytest.mark.parametrize("second", [keras_impl, torch_impl])
def test_second_half_in_the_other_framework(optimizer, first, second):
    order = batch_order(23, 6, 0)
    whole = train(first, order, optimizer)
    half = train(first, order[:3], optimizer)
    rest = train(second, order[3:], optimizer, half)
    limit = 0 if first is second else 1e-14
    if second is torch_impl and optimizer == "sgd":
        limit = 1e-14  # its momentum is divided by the learning rate and multiplied again
    assert furthest(rest, whole) <= limit
    assert furthest_state(rest.state, whole.state) <= limit
    weights_only = Snapshot(half.weights, {n: np.zeros_like(a) for n, a in half.state.items()})
    assert furthest(train(second, order[3:], optimizer, weights_only), whole) > 1e-5


def test_states_are_copies(twin):
    half = train(twin, batch_order(23, 1, 0))
    config = TrainConfig(keras_backend=BACKEND)
    created = twin.create_model(config_of(MODEL, "float64"))
    own = OPTIMIZER[twin]
    optimizer = own.create_optimizer(created, config)
    given = {name: aligned(array) for name, array in half.state.items()}
    own.set_state(created, optimizer, config, given)
    got = own.get_state(created, optimizer, config)
    for array in [*given.values(), *got.values()]:
        array[...] = 7
    assert furthest_state(own.get_state(created, optimizer, config), half.state) == 0


def test_snapshots_do_not_disturb(twin):
    order = batch_order(23, 2, 0)
    plain = train(twin, order)
    watched = train(twin, order, snapshots=range(1, 13))
    assert furthest(plain, watched) == 0 and plain.loss == watched.loss
    assert list(watched.snapshots) == list(range(1, 13))
    assert furthest(watched.snapshots[12], watched) == 0
    assert furthest(watched.snapshots[11], watched) > 0


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_state_has_the_names_and_shapes_of_the_weights(twin, optimizer):
    result = train(twin, batch_order(23, 1, 0), optimizer)
    names = {
        f"{moment}/{name}": array.shape
        for moment in OPTIMIZERS[optimizer]
        if moment != "t"
        for name, array in result.weights.items()
    }
    assert {n: a.shape for n, a in result.state.items() if n != "t"} == names
    assert ("t" in result.state) == ("t" in OPTIMIZERS[optimizer])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("m/rnn/bias"), "missing: m/rnn/bias"),
        (lambda state: state.update(more=np.ones(1)), "extra: 'more'"),
        (lambda state: state.update({"v/rnn/bias": np.ones(9)}), "must have shape"),
        (lambda state: state.update({"v/rnn/bias": np.ones(4, "float32")}), "must be float64"),
        (lambda state: state["m/rnn/bias"].fill(np.nan), "must be finite"),
        (lambda state: state.pop("t"), "t must be the number of steps"),
        (lambda state: state.update(t=np.array(-3)), "t must be the number of steps"),
    ],
)
def test_states_that_do_not_fit_are_refused(twin, change, message):
    half = train(twin, batch_order(23, 1, 0))
    state = {name: array.copy() for name, array in half.state.items()}
    change(state)
    with pytest.raises(InputError, match=message):
        train(twin, batch_order(23, 1, 0), resume_from=Snapshot(half.weights, state))


def test_native_training_cannot_be_handed_over(twin):
    half = train(twin, batch_order(23, 1, 0))
    with pytest.raises(InputError, match="setup must be twin"):
        train(twin, batch_order(23, 1, 0), resume_from=half, setup="native")


@pytest.mark.parametrize("loss", ["mse", "mae", "bce"])
def test_losses_are_equal(loss):
    keras, torch = (
        train(twin, batch_order(23, 2, 0), loss=loss) for twin in (keras_impl, torch_impl)
    )
    np.testing.assert_allclose(keras.loss, torch.loss, rtol=1e-13)
    assert furthest(keras, torch) <= 1e-13
