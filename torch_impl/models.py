"""The networks, in PyTorch. Mirror: keras_impl/models.py."""

from collections import OrderedDict
from typing import Any

import numpy as np
import torch
from torch import nn

from shared.config import SETUPS, ModelConfig, Setup, check_activation
from shared.weights import initial_weights
from torch_impl.attention import AdditiveAttention, Attention
from torch_impl.rnn import SimpleRNN
from torch_impl.weights import set_weights


class Sequential(nn.Sequential):
    """nn.Sequential that hands a mask to the layers that take one, as Keras's does."""

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """What the last layer makes of x under mask (B, T)."""
        for layer in self:
            x = layer(x, mask) if isinstance(layer, SimpleRNN | Attention) else layer(x)
        return x


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
    if score == "additive":
        attention = AdditiveAttention(hidden_units, dtype=dtype)
    else:
        options: Any = {"score": score, "temperature": temperature, "bias": bias}
        attention = Attention(time_steps, hidden_units, **options, dtype=dtype)
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
            attention=attention,  # (B, H)
            dense=nn.Linear(hidden_units, dense_units, dtype=dtype),  # (B, D)
            activation=ACTIVATIONS[dense_activation](),
        )
    )


MODELS = {"rnn": create_rnn, "rnn_with_attention": create_rnn_with_attention}
"""Name of a network → the function that makes it."""


def create_model(config: ModelConfig, setup: Setup = "twin", seed: int = 0) -> nn.Sequential:
    """The network that `config` describes, with its start.

    Args:
        config: which network, how large.
        setup: native: as the framework comes: its own initialisers; in PyTorch two RNN biases.
            Else weights `initial_weights(config, seed, setup)`, and one RNN bias but for
            second_bias.
        seed: decides the initial weights.
    """
    torch.manual_seed(seed)
    model = MODELS[config.model](
        config.units,
        config.dense_units,
        config.input_shape,
        config.activation,
        second_bias="second_bias" in SETUPS[setup],
        dtype=config.dtype,
        **config.options,
    )
    if setup != "native":
        set_weights(model, initial_weights(config, seed, setup))
    return model


def predict(model: nn.Sequential, x: np.ndarray) -> np.ndarray:
    """What the network makes of x (B, T, F), as an array (B, D) of its dtype."""
    with torch.no_grad():
        return model(_tensor(model, x)).numpy(force=True)


def attention_scores(model: nn.Sequential, x: np.ndarray) -> np.ndarray | None:
    """Alpha (B, T) for x (B, T, F), the weight of each time step; None without attention."""
    rnn, *rest = model.children()
    attention = next((layer for layer in rest if isinstance(layer, Attention)), None)
    if attention is None:
        return None
    with torch.no_grad():
        return attention.attend(rnn(_tensor(model, x)))[1].numpy(force=True)


def _tensor(model: nn.Sequential, x: np.ndarray) -> torch.Tensor:
    """X on the device of the network's weights."""
    return torch.tensor(x, device=next(model.parameters()).device)
