"""Networks of layers in a row, in Keras 3. Mirror: torch_impl/networks.py."""

from typing import Any

import keras
from keras import layers

from attention_twins.in_keras.runtime import floatx
from keras_impl.attention import create_attention
from keras_impl.conv import Conv1D, MaxPooling1D
from keras_impl.rnn import GRU, LSTM, SimpleRNN
from shared.config import KERNEL_SIZE, check_activation


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
    with floatx(dtype):
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
                create_attention(score, temperature, bias, dtype),  # (B, H)
                layers.Dense(dense_units, activation=dense_activation, dtype=dtype, name="dense"),
            ]
        )


def create_lstm(
    hidden_units,
    dense_units,
    input_shape,
    activation,
    *,
    attention=False,
    unroll=False,
    dtype=None,
    **options,
) -> keras.Sequential:
    """An LSTM, then a dense layer on its last state, or on the context of all its states.

    Args, Shape, Raises: as `create_rnn`; further
        attention: put attention over all states between the two layers.
        options: of the attention: score, temperature, bias.
    """
    _, dense_activation = check_activation(activation, "lstm")
    with floatx(dtype):
        lstm = LSTM(
            hidden_units, return_sequences=attention, unroll=unroll, dtype=dtype, name="lstm"
        )
        return _network(
            input_shape,
            [lstm],
            create_attention(dtype=dtype, **options) if attention else None,
            layers.Dense(dense_units, activation=dense_activation, dtype=dtype, name="dense"),
        )


def create_gru(
    hidden_units,
    dense_units,
    input_shape,
    activation,
    *,
    attention=False,
    unroll=False,
    dtype=None,
    **options,
) -> keras.Sequential:
    """A GRU, then a dense layer on its last state, or on the context of all its states.

    Args, Shape, Raises: as `create_lstm`.
    """
    _, dense_activation = check_activation(activation, "gru")
    with floatx(dtype):
        gru = GRU(hidden_units, return_sequences=attention, unroll=unroll, dtype=dtype, name="gru")
        return _network(
            input_shape,
            [gru],
            create_attention(dtype=dtype, **options) if attention else None,
            layers.Dense(dense_units, activation=dense_activation, dtype=dtype, name="dense"),
        )


def create_conv(
    hidden_units,
    dense_units,
    input_shape,
    activation,
    *,
    attention=False,
    unroll=False,
    dtype=None,
    **options,
) -> keras.Sequential:
    """A convolution, pooling, then a dense layer on all steps, or on the context of them.

    The kernel sees three steps at once, and two of its results are pooled into one.

    Args, Shape, Raises: as `create_lstm`; `hidden_units` are the convolution's channels.
    """
    conv_activation, dense_activation = check_activation(activation, "conv")
    with floatx(dtype):
        conv = Conv1D(
            hidden_units,
            KERNEL_SIZE,
            activation=conv_activation,
            unroll=unroll,
            dtype=dtype,
            name="conv",
        )
        return _network(
            input_shape,
            [conv, MaxPooling1D(dtype=dtype, name="pool")],
            create_attention(dtype=dtype, **options)
            if attention
            else layers.Flatten(dtype=dtype, name="flatten"),
            layers.Dense(dense_units, activation=dense_activation, dtype=dtype, name="dense"),
        )


def _network(input_shape: Any, first: list[Any], middle: Any, dense: Any) -> keras.Sequential:
    """All layers in a row; there may be none in the middle."""
    dtype = dense.dtype
    parts = [keras.Input(input_shape, dtype=dtype), *first, middle, dense]
    return keras.Sequential([part for part in parts if part is not None])
