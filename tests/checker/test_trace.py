"""Traces, in both twins: every intermediate and every gradient, against the definition."""

import re

import numpy as np
import pytest
from helpers import config_of, some_data

import keras_impl
from attention_twins.parity import named
from shared import reference
from shared.config import MODELS
from shared.weights import random_weights


def traced(twin, model, dtype="float64", masked=False, rows=7):
    """A trace, its weights and its batch."""
    config = config_of(model, dtype)
    data = some_data(dtype, shape=config.input_shape)
    weights = random_weights(config)
    created = twin.create_model(config)
    twin.set_weights(created, weights)
    mask = None
    if masked:
        mask = np.random.default_rng(1).uniform(size=(rows, config.time_steps)) < 0.6
        mask[2] = False
    x, y = data.train_x[:rows], data.train_y[:rows]
    return named(twin.trace(created, x, y, mask)), (config, weights, x, y, mask), created


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_forward_pass_and_gradients_are_those_of_the_definition(twin, model, masked):
    trace, (config, weights, x, y, mask), _ = traced(twin, model, masked=masked)
    desired = reference.forward(config, weights, x, mask)
    for name, array in desired.items():
        np.testing.assert_allclose(trace[name], array, rtol=0, atol=2e-15, err_msg=name)
    loss = ((desired["output"] - y) ** 2).mean()
    np.testing.assert_allclose(trace["loss"], loss, rtol=1e-14)
    gradients = reference.gradients(config, weights, x, y, mask)
    assert {name.removeprefix("gradient/") for name in trace if "gradient" in name} == {*gradients}
    for name, array in gradients.items():
        scale = abs(array).max()
        assert scale > 0
        actual = trace[f"gradient/{name}"]
        np.testing.assert_allclose(actual, array, rtol=0, atol=1e-14 * scale, err_msg=name)


@pytest.mark.parametrize("model", MODELS)
def test_order_is_the_order_of_computation(twin, model):
    trace, (config, weights, x, *_), _ = traced(twin, model)
    inner = [name for name in trace if re.search(r"/input(_\d+)?$|^decoder/h", name)]
    forward = [name for name in trace if name not in inner]
    expected = [*reference.forward(config, weights, x), "loss"]
    expected += [f"gradient/{name}" for name in [*reversed(weights), "x"]]
    assert forward == expected
    assert "dense/input" in inner


def test_input_of_the_dense_layer_is_what_the_definition_hands_it(twin):
    trace, *_ = traced(twin, "rnn")
    np.testing.assert_array_equal(trace["dense/input"], trace["rnn/h"][:, -1])
    trace, *_ = traced(twin, "rnn_with_attention")
    np.testing.assert_array_equal(trace["dense/input"], trace["attention/context"])


def test_dtype_stays(twin, dtype):
    trace, *_ = traced(twin, "rnn_with_attention", dtype)
    assert {array.dtype.name for array in trace.values()} == {dtype}


def test_model_is_left_as_it_was(twin):
    first, (_, weights, x, y, _), created = traced(twin, "rnn_with_attention")
    for name, array in twin.get_weights(created).items():
        np.testing.assert_array_equal(array, weights[name])
    again = named(twin.trace(created, x, y))
    for name, array in first.items():
        np.testing.assert_array_equal(again[name], array)
    np.testing.assert_array_equal(twin.predict(created, x), first["output"])
    assert twin.predict(created, x).shape == (7, 2)


def test_state_carried_through_masked_steps_is_seen(twin):
    """The mask changes the result: a mask that is dropped would be seen above."""
    plain, *_ = traced(twin, "rnn")
    masked, (*_, mask), _ = traced(twin, "rnn", masked=True)
    assert abs(masked["output"] - plain["output"]).max() > 1e-2
    np.testing.assert_array_equal(masked["rnn/h"][2], 0)
    for row, t in np.argwhere(~mask[:, 1:]):
        np.testing.assert_array_equal(masked["rnn/h"][row, t + 1], masked["rnn/h"][row, t])


@pytest.mark.parametrize("model", MODELS)
def test_twins_name_the_same_tensors(model):
    import torch_impl

    keras, *_ = traced(keras_impl, model)
    torch, *_ = traced(torch_impl, model)
    assert list(keras) == list(torch)
