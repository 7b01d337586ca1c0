"""Networks of layers in a row, in PyTorch. Mirror: keras_impl/networks.py."""

from collections import OrderedDict
from typing import Any

import torch
from torch import nn

from shared.config import KERNEL_SIZE, check_activation
from torch_impl.attention import Attention, create_attention
from torch_impl.conv import Conv1D, MaxPooling1D
from torch_impl.rnn import GRU, LSTM, Recurrent, SimpleRNN


class Sequential(nn.Sequential):
    """nn.Sequential that hands a mask to the layers that take one, as Keras's does."""

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """What the last layer makes of x under mask (B, T)."""
        for layer in self:
            x = layer(x, mask) if isinstance(layer, MASKED) else layer(x)
            if mask is not None and isinstance(layer, Conv1D | MaxPooling1D):
                mask = layer.compute_mask(x, mask)
        return x


MASKED = (Recurrent, Attention, Conv1D, MaxPooling1D)
"""Layers that take a mask."""


ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "linear": nn.Identity}


def create_rnn(
    hidden_units,
    dense_units,
    input_shape,
    activation,
    *,
    unroll=False,
    second_bias=False,
    dtype=None,
) -> nn.Sequential:
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
    _, features = input_shape
    dtype = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    return Sequential(
        OrderedDict(
            rnn=SimpleRNN(
                features,
                hidden_units,
                activation=recurrent_activation,
                unroll=unroll,
                second_bias=second_bias,
                dtype=dtype,
            ),  # (B, H)
            dense=nn.Linear(hidden_units, dense_units, dtype=dtype),  # (B, D)
            activation=ACTIVATIONS[dense_activation](),
        )
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
    second_bias=False,
    dtype=None,
) -> nn.Sequential:
    """A recurrent layer, attention over all its states, then a dense layer on the context.

    Args, Shape, Raises: as `create_rnn`; further
        score, temperature, bias: of the attention; additive: that of AdditiveAttention.
    """
    recurrent_activation, dense_activation = check_activation(activation)
    time_steps, features = input_shape
    dtype = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    return Sequential(
        OrderedDict(
            rnn=SimpleRNN(
                features,
                hidden_units,
                activation=recurrent_activation,
                return_sequences=True,
                unroll=unroll,
                second_bias=second_bias,
                dtype=dtype,
            ),  # (B, T, H)
            attention=create_attention(
                time_steps, hidden_units, score, temperature, bias, dtype
            ),  # (B, H)
            dense=nn.Linear(hidden_units, dense_units, dtype=dtype),  # (B, D)
            activation=ACTIVATIONS[dense_activation](),
        )
    )


def create_lstm(
    hidden_units,
    dense_units,
    input_shape,
    activation,
    *,
    attention=False,
    unroll=False,
    second_bias=False,
    dtype=None,
    **options,
) -> nn.Sequential:
    """An LSTM, then a dense layer on its last state, or on the context of all its states.

    Args, Shape, Raises: as `create_rnn`; further
        attention: put attention over all states between the two layers.
        options: of the attention: score, temperature, bias.
    """
    _, dense_activation = check_activation(activation, "lstm")
    time_steps, features = input_shape
    dtype = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    lstm = LSTM(
        features,
        hidden_units,
        return_sequences=attention,
        unroll=unroll,
        second_bias=second_bias,
        dtype=dtype,
    )
    return _network(
        {"lstm": lstm},
        create_attention(time_steps, hidden_units, dtype=dtype, **options) if attention else None,
        nn.Linear(hidden_units, dense_units, dtype=dtype),
        dense_activation,
    )


def create_gru(
    hidden_units,
    dense_units,
    input_shape,
    activation,
    *,
    attention=False,
    unroll=False,
    second_bias=False,
    dtype=None,
    **options,
) -> nn.Sequential:
    """A GRU, then a dense layer on its last state, or on the context of all its states.

    Args, Shape, Raises: as `create_lstm`.
    """
    _, dense_activation = check_activation(activation, "gru")
    time_steps, features = input_shape
    dtype = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    gru = GRU(
        features,
        hidden_units,
        return_sequences=attention,
        unroll=unroll,
        second_bias=second_bias,
        dtype=dtype,
    )
    return _network(
        {"gru": gru},
        create_attention(time_steps, hidden_units, dtype=dtype, **options) if attention else None,
        nn.Linear(hidden_units, dense_units, dtype=dtype),
        dense_activation,
    )


def create_conv(
    hidden_units,
    dense_units,
    input_shape,
    activation,
    *,
    attention=False,
    unroll=False,
    second_bias=False,
    dtype=None,
    **options,
) -> nn.Sequential:
    """A convolution, pooling, then a dense layer on all steps, or on the context of them.

    The kernel sees three steps at once, and two of its results are pooled into one.

    Args, Shape, Raises: as `create_lstm`; `hidden_units` are the convolution's channels.
    """
    conv_activation, dense_activation = check_activation(activation, "conv")
    time_steps, features = input_shape
    steps = (time_steps - KERNEL_SIZE + 1) // 2
    dtype = getattr(torch, dtype) if isinstance(dtype, str) else dtype
    conv = Conv1D(
        features,
        hidden_units,
        KERNEL_SIZE,
        activation=conv_activation,
        unroll=unroll,
        dtype=dtype,
    )
    return _network(
        {"conv": conv, "pool": MaxPooling1D()},
        create_attention(steps, hidden_units, dtype=dtype, **options)
        if attention
        else nn.Flatten(),
        nn.Linear(hidden_units if attention else steps * hidden_units, dense_units, dtype=dtype),
        dense_activation,
    )


def _network(first: dict[str, Any], middle: Any, dense: Any, activation: str) -> nn.Sequential:
    """All layers in a row; there may be none in the middle."""
    name = "flatten" if isinstance(middle, nn.Flatten) else "attention"
    parts = {**first, name: middle, "dense": dense, "activation": ACTIVATIONS[activation]()}
    return Sequential(OrderedDict((n, part) for n, part in parts.items() if part is not None))
