"""Networks of layers in a row, in Keras 3. Mirror: torch_impl/networks.py."""

from functools import partial

import keras
from keras import layers

from attention_twins.in_keras.runtime import floatx
from keras_impl.attention import create_attention
from keras_impl.conv import Conv1D, MaxPooling1D
from keras_impl.rnn import GRU, LSTM, SimpleRNN
from shared.config import KERNEL_SIZE, Activation, Bias, First, Score, check_activation

RECURRENT = {"rnn": SimpleRNN, "lstm": LSTM, "gru": GRU}


def create_network(
    first: First,
    hidden_units: int,
    dense_units: int,
    input_shape: tuple[int, int],
    activation: Activation,
    *,
    attention: bool = False,
    score: Score = "tanh",
    temperature: bool = False,
    bias: Bias = "per_step",
    unroll: bool = False,
    dtype: str | None = None,
) -> keras.Sequential:
    """A first layer, attention over all its steps if it is wanted, then a dense layer.

    Without attention the dense layer sees the last state, or all steps of a convolution: of those
    the kernel sees three at once, and two of its results are pooled into one.

    Args:
        first: the first layer: rnn, lstm, gru or conv.
        hidden_units: its units, or the convolution's channels (H).
        dense_units: units of the dense layer (D).
        input_shape: (time steps T, features F) of one row.
        activation: one name for both layers, or (first: tanh, relu; dense: tanh, relu, sigmoid,
            linear); LSTM and GRU have tanh only.
        attention: put attention between the two layers.
        score: of the attention: as in Attention, or additive: that of AdditiveAttention.
        temperature: of the attention.
        bias: of the attention.
        unroll: write out what is done over time instead of calling the fast kernel.
        second_bias: PyTorch only: train its second recurrent bias too; Keras has none.
        dtype: float32 or float64; the framework's default if None.

    Shape:
        (B, T, F) → (B, D).

    Raises:
        InputError: unknown activation.
    """
    first_activation, dense_activation = check_activation(activation, first)
    named = {"activation": first_activation, "unroll": unroll, "dtype": dtype, "name": first}
    parts: list[keras.Layer] = []
    with floatx(dtype):
        if first == "conv":
            parts.append(Conv1D(hidden_units, KERNEL_SIZE, **named))
            parts.append(MaxPooling1D(dtype=dtype, name="pool"))
        else:
            parts.append(RECURRENT[first](hidden_units, return_sequences=attention, **named))
        if attention:
            parts.append(create_attention(score, temperature, bias, dtype))
        elif first == "conv":
            parts.append(layers.Flatten(dtype=dtype, name="flatten"))
        dense = layers.Dense(dense_units, activation=dense_activation, dtype=dtype, name="dense")
        return keras.Sequential([keras.Input(input_shape, dtype=dtype), *parts, dense])


create_rnn = partial(create_network, "rnn")
"""The tutorial's network without attention: a SimpleRNN, then a dense layer on its last state."""

create_rnn_with_attention = partial(create_network, "rnn", attention=True)
"""The tutorial's network with attention over all states of a SimpleRNN."""

create_lstm = partial(create_network, "lstm")
create_gru = partial(create_network, "gru")
create_conv = partial(create_network, "conv")
