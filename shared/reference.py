"""The layer and the networks in plain NumPy: the definition that both twins must meet.

Works in any floating-point type, complex ones too (for complex-step derivatives).

Shape letters: B rows, T time steps, F features, H units, D dense units.
"""

import numpy as np

from shared.config import MODELS, ModelConfig
from shared.weights import Weights

ACTIVATIONS = {
    "tanh": np.tanh,
    "relu": lambda x: np.where(x.real > 0, x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "linear": lambda x: x,
}


def simple_rnn(
    x: np.ndarray,
    kernel: np.ndarray,
    recurrent_kernel: np.ndarray,
    bias: np.ndarray,
    activation: str = "tanh",
    mask: np.ndarray | None = None,
) -> np.ndarray:
    """h_t = activation(x_t · kernel + h_{t−1} · recurrent_kernel + bias), h_{−1} = 0.

    A step where `mask` is False leaves the state as it was.

    Shape:
        x (B, T, F), kernel (F, H), recurrent_kernel (H, H), bias (H,), mask (B, T)
        → every state (B, T, H).

    References:
        Elman 1990, "Finding structure in time".
    """
    h = np.zeros((x.shape[0], kernel.shape[1]), np.result_type(x, kernel))  # (B, H)
    states = []
    for t in range(x.shape[1]):
        new = ACTIVATIONS[activation](x[:, t] @ kernel + h @ recurrent_kernel + bias)  # (B, H)
        h = new if mask is None else np.where(mask[:, t, np.newaxis], new, h)
        states.append(h)
    return np.stack(states, axis=1)  # (B, T, H)


def attention(
    x: np.ndarray,
    W: np.ndarray,
    b: np.ndarray | None = None,
    mask: np.ndarray | None = None,
    log_scale: np.ndarray | None = None,
    score: str = "tanh",
) -> dict[str, np.ndarray]:
    """e_t = tanh(x_t · W + b_t);  alpha = softmax of e over time;  context = Σ_t alpha_t x_t.

    A step where `mask` is False has weight 0 and its values are never used; a row without any
    step has zero weights and a zero context. With score="linear" there is no tanh; b may be one
    for all steps, or none; a learned temperature multiplies e by exp(log_scale).

    Shape:
        x (B, T, F), W (F, 1), b (T, 1) or (1, 1), mask (B, T), log_scale (1,)
        → e (B, T), alpha (B, T), context (B, F).

    References:
        Raffel & Ellis 2015 (arXiv 1512.08756), with one bias for each time step. Temperature:
        Radford et al. 2021 (arXiv 2103.00020), section 2.5.
    """
    x = _masked(x, mask)
    e = x @ W if b is None else x @ W + b  # (B, T, 1)
    e = (e if score == "linear" else np.tanh(e))[..., 0]  # (B, T)
    if log_scale is not None:
        e = e * np.exp(log_scale)
    return _weighted(x, e, mask)


def additive_attention(
    x: np.ndarray,
    W_a: np.ndarray,
    U_a: np.ndarray,
    v_a: np.ndarray,
    mask: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """e_t = tanh(q · W_a + x_t · U_a) · v_a;  alpha and context as in `attention`.

    The query q is the last x_t that is not masked; of a row without any step it is 0.

    Shape:
        x (B, T, F), W_a (F, A), U_a (F, A), v_a (A, 1), mask (B, T)
        → e (B, T), alpha (B, T), context (B, F).

    References:
        Bahdanau, Cho & Bengio 2015 (arXiv 1409.0473), appendix A.1.2.
    """
    x = _masked(x, mask)
    query = x[:, -1]  # (B, F)
    if mask is not None:
        last = x.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)  # (B,)
        some = mask.any(axis=1, keepdims=True)  # (B, 1)
        query = np.where(some, x[np.arange(len(x)), last], 0)
    e = (np.tanh((query @ W_a)[:, np.newaxis] + x @ U_a) @ v_a)[..., 0]  # (B, T)
    return _weighted(x, e, mask)


def _masked(x: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """X (B, T, F) with zeros where mask (B, T) is False."""
    return x if mask is None else np.where(mask[..., np.newaxis], x, 0)


def _weighted(x: np.ndarray, e: np.ndarray, mask: np.ndarray | None) -> dict[str, np.ndarray]:
    """What scores e (B, T) make of x (B, T, F)."""
    if mask is None:
        mask = np.ones(e.shape, bool)
    shift = np.where(mask, np.real(e), -np.inf).max(axis=1, keepdims=True)  # (B, 1)
    weight = np.where(mask, np.exp(e - np.where(np.isfinite(shift), shift, 0)), 0)  # (B, T)
    total = weight.sum(axis=1, keepdims=True)  # (B, 1)
    alpha = weight / np.where(total == 0, 1, total)  # (B, T)
    return {"e": e, "alpha": alpha, "context": (alpha[..., np.newaxis] * x).sum(axis=1)}


def forward(
    config: ModelConfig, weights: Weights, x: np.ndarray, mask: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Every intermediate of a network, in the order of computation; the last one is `output`.

    Shape:
        x (B, T, F), mask (B, T) → rnn/h (B, T, H); with attention attention/e, attention/alpha
        (B, T), attention/context (B, H); output (B, D).
    """
    recurrent_activation, output_activation = config.activation
    h = simple_rnn(
        x,
        weights["rnn/kernel"],
        weights["rnn/recurrent_kernel"],
        weights["rnn/bias"],
        recurrent_activation,
        mask,
    )
    trace = {"rnn/h": h}
    summary = h[:, -1]  # (B, H)
    if "attention" in MODELS[config.model]:
        own = {n.split("/")[1]: w for n, w in weights.items() if n.startswith("attention/")}
        if config.score == "additive":
            parts = additive_attention(h, **own, mask=mask)
        else:
            parts = attention(h, **own, mask=mask, score=config.score)
        trace |= {f"attention/{name}": part for name, part in parts.items()}
        summary = parts["context"]  # (B, H)
    output = summary @ weights["dense/kernel"] + weights["dense/bias"]  # (B, D)
    return trace | {"output": ACTIVATIONS[output_activation](output)}


def gradients(
    config: ModelConfig,
    weights: Weights,
    x: np.ndarray,
    y: np.ndarray,
    mask: np.ndarray | None = None,
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
