"""The definition itself, held against numbers that one can check by hand."""

import math

import numpy as np
import pytest

from shared import reference
from shared.config import MODELS, ModelConfig
from shared.weights import random_weights


def test_simple_rnn_by_hand():
    x = np.array([[[1.0], [0.0]]])
    kernel, recurrent, bias = (
        np.array([[2.0, 0.0]]),
        np.array([[0.0, 3.0], [0.0, 0.0]]),
        np.zeros(2),
    )
    first = [math.tanh(2), 0]
    second = [0, math.tanh(3 * math.tanh(2))]  # unit 0 feeds unit 1: rows of the kernel send
    np.testing.assert_allclose(
        reference.simple_rnn(x, kernel, recurrent, bias), [[first, second]], rtol=1e-15
    )


def test_attention_by_hand():
    """Scores 0 and atanh(½)·2 → e = 0 and 0.8; the weights are 1 : e^0.8."""
    x, W, b = np.array([[[0.0], [2.0]]]), np.array([[math.atanh(0.5)]]), np.zeros((2, 1))
    result = reference.attention(x, W, b)
    share = math.exp(0.8) / (1 + math.exp(0.8))
    np.testing.assert_allclose(result["e"], [[0, 0.8]], rtol=1e-15)
    np.testing.assert_allclose(result["alpha"], [[1 - share, share]], rtol=1e-15)
    np.testing.assert_allclose(result["context"], [[2 * share]], rtol=1e-15)


def test_forward_by_hand():
    config = ModelConfig(model="rnn", units=1, time_steps=1, dtype="float64")
    weights = {
        "rnn/kernel": np.array([[0.5]]),
        "rnn/recurrent_kernel": np.array([[9.0]]),
        "rnn/bias": np.array([0.25]),
        "dense/kernel": np.array([[3.0]]),
        "dense/bias": np.array([-1.0]),
    }
    output = reference.forward(config, weights, np.array([[[1.5]]]))["output"]
    np.testing.assert_allclose(output, [[math.tanh(3 * math.tanh(1.0) - 1)]], rtol=1e-15)


@pytest.mark.parametrize("activation", [("tanh", "sigmoid"), ("relu", "linear"), ("tanh", "relu")])
@pytest.mark.parametrize("model", MODELS)
def test_complex_steps_are_derivatives(model, activation):
    """Im f(w + ih) / h is f′(w) to the last digit; a finite difference confirms six of them."""
    if MODELS[model][0] in ("lstm", "gru"):
        activation = "tanh", activation[1]
    config = ModelConfig(model=model, units=3, time_steps=4, activation=activation, dtype="float64")
    weights = random_weights(config)
    weights["dense/bias"] += 1  # keep relu from a constant 0
    x = np.random.default_rng(1).normal(size=(5, 4, 1))

    def loss(weights):
        return (reference.forward(config, weights, x)["output"] ** 2).sum()

    moved = False
    for name, array in weights.items():
        direction = np.random.default_rng(2).normal(size=array.shape)

        def at(step, name=name, array=array, direction=direction):
            return loss(weights | {name: array + step * direction})

        derivative = at(1e-30j).imag / 1e-30
        difference = (at(1e-6) - at(-1e-6)) / 2e-6
        np.testing.assert_allclose(difference, derivative, rtol=1e-6, atol=1e-9)
        moved = moved or derivative != 0
    assert moved


def test_every_intermediate_in_the_order_of_computation():
    config = ModelConfig(units=3, time_steps=4, dense_units=2, dtype="float32")
    x = np.ones((5, 4, 1), np.float32)
    trace = reference.forward(config, random_weights(config), x)
    assert {name: array.shape for name, array in trace.items()} == {
        "rnn/h": (5, 4, 3),
        "attention/e": (5, 4),
        "attention/alpha": (5, 4),
        "attention/context": (5, 3),
        "output": (5, 2),
    }
    assert [name.split("/")[-1] for name in trace] == ["h", "e", "alpha", "context", "output"]
    assert {array.dtype for array in trace.values()} == {np.dtype("float32")}
