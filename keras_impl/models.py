"""The networks, in Keras 3. Mirror: torch_impl/models.py."""

from typing import Any

import keras
import numpy as np
from keras import layers

from keras_impl.attention import AdditiveAttention, Attention
from keras_impl.rnn import SimpleRNN
from keras_impl.runtime import floatx
from keras_impl.weights import set_weights
from shared.config import ModelConfig, Setup, check_activation
from shared.weights import initial_weights


def create_rnn(
    hidden_units, dense_units, input_shape, activation, *, unroll=False, dtype=None
) -> keras.Sequential:
    """A recurrent layer, then a dense layer on its last state.

    Args:
        hidden_units: units of the recurrent layer (H).
        dense_units: units of the dense layer (D).
        input_shape: (time steps T, features F) of one row.
        activation: one name for both layers, or (recurrent: tanh, relu; dense: tanh, relu,
            sigmoid, linear).
        unroll: write the recurrence out as a loop over time instead of calling the fast kernel.
        second_bias: PyTorch only: train its second recurrent bias too; Keras has none.
        dtype: float32 or float64; the framework's default if None.

    Shape:
        (B, T, F) → (B, D).

    Raises:
        InputError: unknown activation.
    """
    recurrent_activation, dense_activation = check_activation(activation)
    with floatx(dtype):
        return keras.Sequential(
            [
                keras.Input(input_shape, dtype=dtype),
                SimpleRNN(
                    hidden_units,
                    activation=recurrent_activation,
                    unroll=unroll,
                    dtype=dtype,
                    name="rnn",
                ),  # (B, H)
                layers.Dense(dense_units, activation=dense_activation, dtype=dtype, name="dense"),
            ]
        )


def create_rnn_with_attention(
    hidden_units,
    dense_units,
    input_shape,
    activation,
    *,
    score="tanh",
    temperature=False,
    bias="per_step",
    unroll=False,
    dtype=None,
) -> keras.Sequential:
    """A recurrent layer, attention over all its states, then a dense layer on the context.

    Args, Shape, Raises: as `create_rnn`; further
        score, temperature, bias: of the attention; additive: that of AdditiveAttention.
    """
    recurrent_activation, dense_activation = check_activation(activation)
    named = {"dtype": dtype, "name": "attention"}
    with floatx(dtype):
        if score == "additive":
            attention = AdditiveAttention(**named)
        else:
            options: Any = {"score": score, "temperature": temperature, "bias": bias}
            attention = Attention(**options, **named)
        return keras.Sequential(
            [
                keras.Input(input_shape, dtype=dtype),
                SimpleRNN(
                    hidden_units,
                    activation=recurrent_activation,
                    return_sequences=True,
                    unroll=unroll,
                    dtype=dtype,
                    name="rnn",
                ),  # (B, T, H)
                attention,  # (B, H)
                layers.Dense(dense_units, activation=dense_activation, dtype=dtype, name="dense"),
            ]
        )


MODELS = {"rnn": create_rnn, "rnn_with_attention": create_rnn_with_attention}
"""Name of a network → the function that makes it."""


def create_model(config: ModelConfig, setup: Setup = "twin", seed: int = 0) -> keras.Sequential:
    """The network that `config` describes, with its start.

    Args:
        config: which network, how large.
        setup: native: as the framework comes: its own initialisers; in PyTorch two RNN biases.
            Else weights `initial_weights(config, seed, setup)`, and one RNN bias but for
            second_bias.
        seed: decides the initial weights.
    """
    keras.utils.set_random_seed(seed)
    model = MODELS[config.model](
        config.units,
        config.dense_units,
        config.input_shape,
        config.activation,
        dtype=config.dtype,
        **config.options,
    )
    if setup != "native":
        set_weights(model, initial_weights(config, seed, setup))
    return model


def predict(model: keras.Sequential, x: np.ndarray) -> np.ndarray:
    """What the network makes of x (B, T, F), as an array (B, D) of its dtype."""
    with floatx(x.dtype.name):
        return np.asarray(keras.ops.convert_to_numpy(model(x)))


def attention_scores(model: keras.Sequential, x: np.ndarray) -> np.ndarray | None:
    """Alpha (B, T) for x (B, T, F), the weight of each time step; None without attention."""
    rnn, *rest = model.layers
    attention = next((layer for layer in rest if isinstance(layer, Attention)), None)
    if attention is None:
        return None
    with floatx(x.dtype.name):
        return np.asarray(keras.ops.convert_to_numpy(attention.attend(rnn(x))[1]))
