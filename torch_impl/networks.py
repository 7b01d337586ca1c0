"""Networks of layers in a row, in PyTorch. Mirror: keras_impl/networks.py."""

from collections import OrderedDict
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from shared.config import KERNEL_SIZE, POOL_SIZE, Activation, Bias, Score, check_activation
from torch_impl.attention import AttentionBase, create_attention
from torch_impl.conv import Conv1D, MaxPooling1D
from torch_impl.rnn import GRU, LSTM, Recurrent, SimpleRNN


class Sequential(nn.Sequential):
    """nn.Sequential that hands a mask to the layers that take one, as Keras's does."""

    def forward(
        self, x: Float[Tensor, "B T F"], mask: Bool[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B D"]:
        """What the last layer makes of x under mask."""
        for layer in self:
            x = layer(x, mask) if isinstance(layer, MASKED) else layer(x)
            if mask is not None and isinstance(layer, Conv1D | MaxPooling1D):
                mask = layer.compute_mask(x, mask)
        return x


MASKED = (Recurrent, AttentionBase, Conv1D, MaxPooling1D)
"""Layers that take a mask."""


ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "linear": nn.Identity}


def create_rnn(
    hidden_units: int,
    dense_units: int,
    input_shape: tuple[int, int],
    activation: Activation,
    *,
    unroll: bool = False,
    second_bias: bool = False,
    dtype: str | None = None,
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
    sizes = hidden_units, dense_units, input_shape
    options: Any = {"unroll": unroll, "second_bias": second_bias, "dtype": dtype}
    return _recurrent_network(SimpleRNN, "rnn", *sizes, activation, **options)


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
    second_bias: bool = False,
    dtype: str | None = None,
) -> nn.Sequential:
    """A recurrent layer, attention over all its states, then a dense layer on the context.

    Args, Shape, Raises: as `create_rnn`; further
        score, temperature, bias: of the attention; additive: that of AdditiveAttention.
    """
    sizes = hidden_units, dense_units, input_shape
    options: Any = {"score": score, "temperature": temperature, "bias": bias}
    options |= {"unroll": unroll, "second_bias": second_bias, "dtype": dtype, "attention": True}
    return _recurrent_network(SimpleRNN, "rnn", *sizes, activation, **options)


def create_lstm(
    hidden_units: int,
    dense_units: int,
    input_shape: tuple[int, int],
    activation: Activation,
    *,
    attention: bool = False,
    unroll: bool = False,
    second_bias: bool = False,
    dtype: str | None = None,
    **options: Any,
) -> nn.Sequential:
    """An LSTM, then a dense layer on its last state, or on the context of all its states.

    Args, Shape, Raises: as `create_rnn`; further
        attention: put attention over all states between the two layers.
        options: of the attention: score, temperature, bias.
    """
    sizes = hidden_units, dense_units, input_shape
    options |= {"attention": attention} | {
        "unroll": unroll,
        "second_bias": second_bias,
        "dtype": dtype,
    }
    return _recurrent_network(LSTM, "lstm", *sizes, activation, **options)


def create_gru(
    hidden_units: int,
    dense_units: int,
    input_shape: tuple[int, int],
    activation: Activation,
    *,
    attention: bool = False,
    unroll: bool = False,
    second_bias: bool = False,
    dtype: str | None = None,
    **options: Any,
) -> nn.Sequential:
    """A GRU, then a dense layer on its last state, or on the context of all its states.

    Args, Shape, Raises: as `create_lstm`.
    """
    sizes = hidden_units, dense_units, input_shape
    options |= {"attention": attention} | {
        "unroll": unroll,
        "second_bias": second_bias,
        "dtype": dtype,
    }
    return _recurrent_network(GRU, "gru", *sizes, activation, **options)


def create_conv(
    hidden_units: int,
    dense_units: int,
    input_shape: tuple[int, int],
    activation: Activation,
    *,
    attention: bool = False,
    unroll: bool = False,
    second_bias: bool = False,
    dtype: str | None = None,
    **options: Any,
) -> nn.Sequential:
    """A convolution, pooling, then a dense layer on all steps, or on the context of them.

    The kernel sees three steps at once, and two of its results are pooled into one.

    Args, Shape, Raises: as `create_lstm`; `hidden_units` are the convolution's channels.
    """
    own, dense = check_activation(activation, "conv")
    (time_steps, features), type_ = input_shape, to_dtype(dtype)
    steps = (time_steps - KERNEL_SIZE + 1) // POOL_SIZE
    named = {"activation": own, "unroll": unroll, "dtype": type_}
    conv = {"conv": Conv1D(features, hidden_units, KERNEL_SIZE, **named), "pool": MaxPooling1D()}
    middle: dict[str, nn.Module] = {"flatten": nn.Flatten()}
    if attention:
        middle = {"attention": create_attention(steps, hidden_units, dtype=type_, **options)}
    inputs = hidden_units if attention else steps * hidden_units
    return _network({**conv, **middle}, nn.Linear(inputs, dense_units, dtype=type_), dense)


def _recurrent_network(
    kind: type[Recurrent],
    name: str,
    hidden_units: int,
    dense_units: int,
    input_shape: tuple[int, int],
    activation: Activation,
    attention: bool = False,
    unroll: bool = False,
    second_bias: bool = False,
    dtype: str | None = None,
    **options: Any,
) -> nn.Sequential:
    """A recurrent layer of a kind, attention with these options if it is wanted, a dense layer."""
    own, dense = check_activation(activation, name)
    (time_steps, features), type_ = input_shape, to_dtype(dtype)
    named: Any = {"unroll": unroll, "second_bias": second_bias, "dtype": type_}
    if kind is SimpleRNN:  # the others have no other than tanh
        named["activation"] = own
    parts: dict[str, nn.Module] = {
        name: kind(features, hidden_units, return_sequences=attention, **named)
    }
    if attention:
        parts["attention"] = create_attention(time_steps, hidden_units, dtype=type_, **options)
    return _network(parts, nn.Linear(hidden_units, dense_units, dtype=type_), dense)


def to_dtype(dtype: str | torch.dtype | None) -> torch.dtype | None:
    """The type of that name."""
    return getattr(torch, dtype) if isinstance(dtype, str) else dtype


def _network(parts: dict[str, nn.Module], dense: nn.Linear, activation: str) -> nn.Sequential:
    """All layers in a row, and the dense one."""
    ends = {"dense": dense, "activation": ACTIVATIONS[activation]()}
    return Sequential(OrderedDict(parts | ends))
