"""The networks by name, in PyTorch. Mirror: keras_impl/models.py."""

from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from attention_twins.in_torch.weights import set_weights
from shared.config import SETUPS, ModelConfig, Setup
from shared.weights import initial_weights
from torch_impl import networks
from torch_impl.attention import AttentionBase
from torch_impl.seq2seq import EncoderDecoder, create_encoder_decoder

MODELS = {
    "rnn": networks.create_rnn,
    "rnn_with_attention": networks.create_rnn_with_attention,
    "lstm": networks.create_lstm,
    "lstm_with_attention": partial(networks.create_lstm, attention=True),
    "gru": networks.create_gru,
    "gru_with_attention": partial(networks.create_gru, attention=True),
    "conv": networks.create_conv,
    "conv_with_attention": partial(networks.create_conv, attention=True),
    "encoder_decoder": create_encoder_decoder,
    "encoder_decoder_with_attention": partial(create_encoder_decoder, attention=True),
}
"""Name of a network → the function that makes it."""


def create_model(config: ModelConfig, setup: Setup = "twin", seed: int = 0) -> nn.Module:
    """The network that `config` describes, with its initial weights.

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


def predict(model: nn.Module, x: Float[np.ndarray, "B T F"]) -> Float[np.ndarray, "B D"]:
    """What the network makes of x, in its dtype."""
    with torch.no_grad():
        return model(_tensor(model, x)).numpy(force=True)


def attention_scores(
    model: nn.Module, x: Float[np.ndarray, "B T F"]
) -> Float[np.ndarray, "B T"] | None:
    """Alpha for x, the weight of each time step; None without attention.

    Of a decoder those for the first number that it predicts.
    """
    h, alpha = _tensor(model, x), None
    with torch.no_grad():
        if isinstance(model, EncoderDecoder):
            alpha = next(iter(model.decode(h)[1]), None)
        for layer in model if alpha is None and isinstance(model, nn.Sequential) else ():
            if isinstance(layer, AttentionBase):
                alpha = layer.attend(h)[1]
                break
            h = layer(h)
        return None if alpha is None else alpha.numpy(force=True)


def _tensor(model: nn.Module, x: np.ndarray) -> torch.Tensor:
    """X on the device of the network's weights."""
    return torch.tensor(x, device=next(model.parameters()).device)
