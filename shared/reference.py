"""The networks in plain NumPy: the definition that both twins must meet. Layers: numpy_layers.py.

Works in any floating-point type, complex ones too (for complex-step derivatives).

Shape letters: B rows, T time steps, F features, H units, D dense units, K numbers to predict.
"""

import numpy as np
from jaxtyping import Bool, Inexact

from attention_twins.weights import Weights
from shared.config import MODELS, POOL_SIZE, ModelConfig
from shared.numpy_layers import (
    ACTIVATIONS,
    additive_attention,
    attention,
    conv1d,
    gru,
    last,
    lstm,
    max_pooling,
    simple_rnn,
)

X = Inexact[np.ndarray, "B T F"]
Mask = Bool[np.ndarray, "B _"] | None  # no mask hides the steps that teacher forcing appends


def forward(
    config: ModelConfig, weights: Weights, x: X, mask: Mask = None
) -> dict[str, np.ndarray]:
    """Every intermediate of a network, in the order of computation; the last one is `output`.

    Shape:
        x (B, T, F), mask (B, T) → LAYER/h (B, T, H) of the first layer, (B, T − 2, H) of a
        convolution; with attention attention/e, attention/alpha (B, states), where `config.states`
        is T but for pooled steps, and attention/context (B, H); output (B, D). A decoder's
        attention has a set for each number that it predicts, from the second on with its number:
        attention/e_2, ….
    """
    return NETWORKS.get(config.model, in_a_row)(config, weights, x, mask)


def in_a_row(config: ModelConfig, weights: Weights, x: X, mask: Mask) -> dict[str, np.ndarray]:
    """The first layer, attention if there is any, the dense layer."""
    first, *layers = MODELS[config.model]
    own = of(weights, first)
    if first == "conv":
        h, mask = conv1d(x, **own, activation=config.activation[0], mask=mask)
    elif first == "rnn":
        h = simple_rnn(x, **own, activation=config.activation[0], mask=mask)
    else:
        h = {"lstm": lstm, "gru": gru}[first](x, **own, mask=mask)
    trace = {f"{first}/h": h}
    if first == "conv":
        h, mask = max_pooling(h, POOL_SIZE, mask)
    if "attention" in layers:
        own = of(weights, "attention")
        if config.score == "additive":
            parts = additive_attention(h, **own, mask=mask)
        else:
            parts = attention(h, **own, mask=mask, score=config.score)
        trace |= {f"attention/{name}": part for name, part in parts.items()}
        summary = parts["context"]  # (B, H)
    else:
        summary = h.reshape(len(h), -1) if first == "conv" else h[:, -1]  # (B, H), or all steps
    return trace | {"output": dense(config, weights, summary)}


def encoder_decoder(
    config: ModelConfig, weights: Weights, x: X, mask: Mask
) -> dict[str, np.ndarray]:
    """K numbers, one after the other, each from a state, the number before, and the context.

    s_0 is the encoder's last state. From s_{k−1} attention asks for the context among the encoder's
    states; s_k = activation([y_{k−1}, context_k] · kernel + s_{k−1} · recurrent_kernel + bias), and
    y_k is the dense layer of s_k. y_0 is the last number of the row. Where x holds the numbers that
    follow, K − 1 of them behind the T time steps, each is given the right one before it (teacher
    forcing); else what was predicted.
    """
    T, K = config.time_steps, config.dense_units
    targets, x = x[:, T:, :1], x[:, :T]
    if mask is not None:
        mask = mask[:, :T]
    h = simple_rnn(x, **of(weights, "encoder"), activation=config.activation[0], mask=mask)
    trace, outputs = {"encoder/h": h}, []
    state, number = h[:, -1], last(x[..., :1], mask)  # (B, H), (B, 1)
    for k in range(K):
        given = number
        if "attention" in MODELS[config.model]:
            parts = additive_attention(h, **of(weights, "attention"), mask=mask, query=state)
            suffix = f"_{k + 1}" * (k > 0)
            trace |= {f"attention/{name}{suffix}": part for name, part in parts.items()}
            given = np.concatenate([number, parts["context"]], axis=-1)  # (B, 1 + H)
        own = of(weights, "decoder")
        activation, given = config.activation[0], given[:, np.newaxis]
        state = simple_rnn(given, **own, activation=activation, initial_state=state)[:, 0]
        outputs.append(dense(config, weights, state))
        number = targets[:, k] if k < targets.shape[1] else outputs[-1]
    return trace | {"output": np.concatenate(outputs, axis=-1)}  # (B, K)


NETWORKS = {
    "encoder_decoder": encoder_decoder,
    "encoder_decoder_with_attention": encoder_decoder,
}
"""Name of a network → what computes it, where that is not `in_a_row`."""


def dense(
    config: ModelConfig, weights: Weights, x: Inexact[np.ndarray, "B inputs"]
) -> Inexact[np.ndarray, "B D"]:
    """The output layer."""
    return ACTIVATIONS[config.activation[1]](x @ weights["dense/kernel"] + weights["dense/bias"])


def of(weights: Weights, layer: str) -> Weights:
    """The weights of a layer, by their own names."""
    prefix = f"{layer}/"
    return {n.removeprefix(prefix): w for n, w in weights.items() if n.startswith(prefix)}


def gradients(
    config: ModelConfig,
    weights: Weights,
    x: X,
    y: Inexact[np.ndarray, "B D"],
    mask: Mask = None,
) -> dict[str, np.ndarray]:
    """The gradient of the mean squared error in every weight and in the input, name → array.

    By the complex step, one number at a time: exact to the last digits, and sharing no line with
    any automatic differentiation. In float64; meant for small networks.

    References:
        Squire & Trapp 1998, "Using complex variables to estimate derivatives of real functions".
    """
    values = {name: array.astype(complex) for name, array in (weights | {"x": x}).items()}

    def loss() -> complex:
        error = forward(config, values, values["x"], mask)["output"] - y
        return (error**2).mean()

    result = {}
    for name, array in values.items():
        result[name] = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            array[index] += 1e-30j
            result[name][index] = loss().imag / 1e-30
            array[index] -= 1e-30j
    return result
