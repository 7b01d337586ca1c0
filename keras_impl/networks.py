"""Networks of layers in a row, in Keras 3. Mirror: torch_impl/networks.py."""

from typing import Any

import keras
from keras import layers

from attention_twins.in_keras.runtime import floatx
from keras_impl.attention import create_attention
from keras_impl.conv import Conv1D, MaxPooling1D
from keras_impl.rnn import GRU, LSTM, SimpleRNN
from shared.config import KERNEL_SIZE, Activation, Bias, Score, check_activation


def create_rnn(
    hidden_units: int,
    dense_units: int,
    input_shape: tuple[int, int],
    activation: Activation,
    *,
    unroll: bool = False,
    dtype: str | None = None,
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
    sizes = hidden_units, dense_units, input_shape
    return _recurrent_network(SimpleRNN, "rnn", *sizes, activation, unroll=unroll, dtype=dtype)


def create_rnn_with_attention(
    hidden_units: int,
    dense_units: int,
    input_shape: tuple[int, int],
    activation: Activation,
    *,
    score: Score = "tanh",
    temperature: bool = False,
    bias: Bias = "per_step",
    unroll: bool = False,
    dtype: str | None = None,
) -> keras.Sequential:
    """A recurrent layer, attention over all its states, then a dense layer on the context.

    Args, Shape, Raises: as `create_rnn`; further
        score, temperature, bias: of the attention; additive: that of AdditiveAttention.
    """
    sizes = hidden_units, dense_units, input_shape
    options: Any = {"score": score, "temperature": temperature, "bias": bias}
    options |= {"attention": True, "unroll": unroll, "dtype": dtype}
    return _recurrent_network(SimpleRNN, "rnn", *sizes, activation, **options)


def create_lstm(
    hidden_units: int,
    dense_units: int,
    input_shape: tuple[int, int],
    activation: Activation,
    *,
    attention: bool = False,
    unroll: bool = False,
    dtype: str | None = None,
    **options: Any,
) -> keras.Sequential:
    """An LSTM, then a dense layer on its last state, or on the context of all its states.

    Args, Shape, Raises: as `create_rnn`; further
        attention: put attention over all states between the two layers.
        options: of the attention: score, temperature, bias.
    """
    sizes = hidden_units, dense_units, input_shape
    options |= {"attention": attention, "unroll": unroll, "dtype": dtype}
    return _recurrent_network(LSTM, "lstm", *sizes, activation, **options)


def create_gru(
    hidden_units: int,
    dense_units: int,
    input_shape: tuple[int, int],
    activation: Activation,
    *,
    attention: bool = False,
    unroll: bool = False,
    dtype: str | None = None,
    **options: Any,
) -> keras.Sequential:
    """A GRU, then a dense layer on its last state, or on the context of all its states.

    Args, Shape, Raises: as `create_lstm`.
    """
    sizes = hidden_units, dense_units, input_shape
    options |= {"attention": attention, "unroll": unroll, "dtype": dtype}
    return _recurrent_network(GRU, "gru", *sizes, activation, **options)


def create_conv(
    hidden_units: int,
    dense_units: int,
    input_shape: tuple[int, int],
    activation: Activation,
    *,
    attention: bool = False,
    unroll: bool = False,
    dtype: str | None = None,
    **options: Any,
) -> keras.Sequential:
    """A convolution, pooling, then a dense layer on all steps, or on the context of them.

    The kernel sees three steps at once, and two of its results are pooled into one.

    Args, Shape, Raises: as `create_lstm`; `hidden_units` are the convolution's channels.
    """
    own, dense = check_activation(activation, "conv")
    named = {"unroll": unroll, "dtype": dtype, "name": "conv"}
    with floatx(dtype):
        conv = Conv1D(hidden_units, KERNEL_SIZE, activation=own, **named)
        pool = MaxPooling1D(dtype=dtype, name="pool")
        middle = layers.Flatten(dtype=dtype, name="flatten")
        if attention:
            middle = create_attention(dtype=dtype, **options)
        return _network(input_shape, [conv, pool, middle], dense_units, dense, dtype)


def _recurrent_network(
    kind: type[SimpleRNN] | type[LSTM] | type[GRU],
    name: str,
    hidden_units: int,
    dense_units: int,
    input_shape: tuple[int, int],
    activation: Activation,
    attention: bool = False,
    unroll: bool = False,
    dtype: str | None = None,
    **options: Any,
) -> keras.Sequential:
    """A recurrent layer of a kind, attention with these options if it is wanted, a dense layer."""
    own, dense = check_activation(activation, name)
    named = {"activation": own, "unroll": unroll, "dtype": dtype, "name": name}
    with floatx(dtype):
        parts: list[keras.Layer] = [kind(hidden_units, return_sequences=attention, **named)]
        if attention:
            parts.append(create_attention(dtype=dtype, **options))
        return _network(input_shape, parts, dense_units, dense, dtype)


def _network(
    input_shape: tuple[int, int],
    parts: list[keras.Layer],
    dense_units: int,
    activation: str,
    dtype: str | None,
) -> keras.Sequential:
    """All layers in a row, and the dense one."""
    dense = layers.Dense(dense_units, activation=activation, dtype=dtype, name="dense")
    return keras.Sequential([keras.Input(input_shape, dtype=dtype), *parts, dense])
