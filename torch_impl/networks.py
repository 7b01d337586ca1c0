"""Networks of layers in a row, in PyTorch. Mirror: keras_impl/networks.py."""

from collections import OrderedDict
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from shared.config import KERNEL_SIZE, POOL_SIZE, Activation, Bias, First, Score, check_activation
from torch_impl.attention import AttentionBase, create_attention
from torch_impl.conv import Conv1D, MaxPooling1D
from torch_impl.rnn import GRU, LSTM, Recurrent, SimpleRNN

RECURRENT = {"rnn": SimpleRNN, "lstm": LSTM, "gru": GRU}


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


def to_dtype(dtype: str | torch.dtype | None) -> torch.dtype | None:
    """The type of that name."""
    return getattr(torch, dtype) if isinstance(dtype, str) else dtype


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
    second_bias: bool = False,
    dtype: str | None = None,
) -> nn.Sequential:
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
    (time_steps, features), type_ = input_shape, to_dtype(dtype)
    parts, inputs = OrderedDict[str, nn.Module](), hidden_units
    if first == "conv":
        named = {"activation": first_activation, "unroll": unroll, "dtype": type_}
        parts["conv"] = Conv1D(features, hidden_units, KERNEL_SIZE, **named)
        parts["pool"] = MaxPooling1D()
        time_steps = (time_steps - KERNEL_SIZE + 1) // POOL_SIZE
    else:
        named = {"unroll": unroll, "second_bias": second_bias, "dtype": type_}
        if first == "rnn":  # the others have no other than tanh
            named["activation"] = first_activation
        kind = RECURRENT[first]
        parts[first] = kind(features, hidden_units, return_sequences=attention, **named)
    if attention:
        options = score, temperature, bias, type_
        parts["attention"] = create_attention(time_steps, hidden_units, *options)
    elif first == "conv":
        parts["flatten"], inputs = nn.Flatten(), time_steps * hidden_units
    parts["dense"] = nn.Linear(inputs, dense_units, dtype=type_)
    parts["activation"] = ACTIVATIONS[dense_activation]()
    return Sequential(parts)


create_rnn = partial(create_network, "rnn")
"""The tutorial's network without attention: a SimpleRNN, then a dense layer on its last state."""

create_rnn_with_attention = partial(create_network, "rnn", attention=True)
"""The tutorial's network with attention over all states of a SimpleRNN."""

create_lstm = partial(create_network, "lstm")
create_gru = partial(create_network, "gru")
create_conv = partial(create_network, "conv")
