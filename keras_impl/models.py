"""The networks by name, in Keras 3. Mirror: torch_impl/models.py."""

from functools import partial

import keras
import numpy as np
from jaxtyping import Float

from attention_twins.in_keras.runtime import floatx
from attention_twins.in_keras.weights import set_weights
from keras_impl import networks
from keras_impl.attention import AttentionBase
from keras_impl.seq2seq import EncoderDecoder, create_encoder_decoder
from shared.config import ModelConfig, Setup
from shared.weights import initial_weights

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


def create_model(config: ModelConfig, setup: Setup = "twin", seed: int = 0) -> keras.Model:
    """The network that `config` describes, with its initial weights.

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


def predict(model: keras.Model, x: Float[np.ndarray, "B T F"]) -> Float[np.ndarray, "B D"]:
    """What the network makes of x, in its dtype."""
    with floatx(x.dtype.name):
        return np.asarray(keras.ops.convert_to_numpy(model(x)))


def attention_scores(
    model: keras.Model, x: Float[np.ndarray, "B T F"]
) -> Float[np.ndarray, "B T"] | None:
    """Alpha for x, the weight of each time step; None without attention.

    Of a decoder those for the first number that it predicts.
    """
    h, alpha = x, None
    with floatx(x.dtype.name):
        if isinstance(model, EncoderDecoder):
            alpha = next(iter(model.decode(x)[1]), None)
        for layer in model.layers if alpha is None and isinstance(model, keras.Sequential) else ():
            if isinstance(layer, AttentionBase):
                alpha = layer.attend(h)[1]
                break
            h = layer(h)
        return None if alpha is None else np.asarray(keras.ops.convert_to_numpy(alpha))
