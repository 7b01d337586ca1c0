"""Every layer in plain NumPy: the definition that both twins must meet.

Works in any floating-point type, complex ones too (for complex-step derivatives).

Shape letters: B rows, T time steps, F features, H units, A units of attention, C channels.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Inexact

ACTIVATIONS = {
    "tanh": np.tanh,
    "relu": lambda x: np.where(x.real > 0, x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "linear": lambda x: x,
}


def simple_rnn(
    x: Inexact[np.ndarray, "B T F"],
    kernel: Inexact[np.ndarray, "F H"],
    recurrent_kernel: Inexact[np.ndarray, "H H"],
    bias: Inexact[np.ndarray, " H"],
    activation: str = "tanh",
    mask: Bool[np.ndarray, "B T"] | None = None,
    initial_state: Inexact[np.ndarray, "B H"] | None = None,
) -> Inexact[np.ndarray, "B T H"]:
    """h_t = activation(x_t · kernel + h_{t−1} · recurrent_kernel + bias).

    h_0 is `initial_state`, or 0. A step where `mask` is False leaves the state as it was.

    Shape:
        x (B, T, F), kernel (F, H), recurrent_kernel (H, H), bias (H,), mask (B, T),
        initial_state (B, H) → every state (B, T, H).

    References:
        Elman 1990, "Finding structure in time".
    """

    def step(x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, ...]:
        return (ACTIVATIONS[activation](x @ kernel + h @ recurrent_kernel + bias),)

    h = _begin(x, recurrent_kernel) if initial_state is None else initial_state
    return _scan(step, x, [h], mask)


def lstm(
    x: Inexact[np.ndarray, "B T F"],
    kernel: Inexact[np.ndarray, "F H4"],
    recurrent_kernel: Inexact[np.ndarray, "H H4"],
    bias: Inexact[np.ndarray, " H4"],
    mask: Bool[np.ndarray, "B T"] | None = None,
) -> Inexact[np.ndarray, "B T H"]:
    """Long short-term memory, with gates i, f, c and o side by side, in this order.

        i, f, o = sigmoid(x_t · kernel + h_{t−1} · recurrent_kernel + bias), each its own columns
        c_t = f c_{t−1} + i tanh(…),  h_t = o tanh(c_t),  h_0 = c_0 = 0

    A step where `mask` is False leaves both states as they were.

    Shape:
        x (B, T, F), kernel (F, 4 H), recurrent_kernel (H, 4 H), bias (4 H,), mask (B, T)
        → every h (B, T, H).

    References:
        Hochreiter & Schmidhuber 1997; with forget gates: Gers et al. 2000.
    """
    sigmoid = ACTIVATIONS["sigmoid"]

    def step(x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, ...]:
        i, f, g, o = np.split(x @ kernel + h @ recurrent_kernel + bias, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c

    return _scan(step, x, [_begin(x, recurrent_kernel)] * 2, mask)


def gru(
    x: Inexact[np.ndarray, "B T F"],
    kernel: Inexact[np.ndarray, "F H3"],
    recurrent_kernel: Inexact[np.ndarray, "H H3"],
    bias: Inexact[np.ndarray, "2 H3"],
    mask: Bool[np.ndarray, "B T"] | None = None,
) -> Inexact[np.ndarray, "B T H"]:
    """Gated recurrent unit, with gates z, r and h side by side, in this order.

        z, r = sigmoid(x_t · kernel + bias_0 + h_{t−1} · recurrent_kernel + bias_1), each its own
        g    = tanh(x_t · kernel + bias_0 + r (h_{t−1} · recurrent_kernel + bias_1)), likewise
        h_t  = z h_{t−1} + (1 − z) g,  h_0 = 0

    The reset gate r acts after the product, as in cuDNN (Keras's `reset_after`). A step where
    `mask` is False leaves the state as it was.

    Shape:
        x (B, T, F), kernel (F, 3 H), recurrent_kernel (H, 3 H), bias (2, 3 H), mask (B, T)
        → every state (B, T, H).

    References:
        Cho et al. 2014 (arXiv 1406.1078), version 1.
    """
    sigmoid = ACTIVATIONS["sigmoid"]

    def step(x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, ...]:
        z, r, g = np.split(x @ kernel + bias[0], 3, axis=-1)
        z_h, r_h, g_h = np.split(h @ recurrent_kernel + bias[1], 3, axis=-1)
        z, new = sigmoid(z + z_h), np.tanh(g + sigmoid(r + r_h) * g_h)
        return (z * h + (1 - z) * new,)

    return _scan(step, x, [_begin(x, recurrent_kernel)], mask)


def _begin(x: np.ndarray, recurrent_kernel: np.ndarray) -> np.ndarray:
    """The state (B, H) before the first step."""
    return np.zeros((x.shape[0], recurrent_kernel.shape[0]), np.result_type(x, recurrent_kernel))


def _scan(
    step: Callable[..., tuple[np.ndarray, ...]],
    x: np.ndarray,
    states: list[np.ndarray],
    mask: np.ndarray | None,
) -> np.ndarray:
    """The first of the states after every step, (B, T, H)."""
    found = []
    for t in range(x.shape[1]):
        new = step(x[:, t], *states)
        if mask is not None:
            kept = mask[:, t, np.newaxis]
            new = [np.where(kept, after, before) for after, before in zip(new, states, strict=True)]
        states = [*new]
        found.append(states[0])
    return np.stack(found, axis=1)


def conv1d(
    x: Inexact[np.ndarray, "B T F"],
    kernel: Inexact[np.ndarray, "K F C"],
    bias: Inexact[np.ndarray, " C"],
    activation: str = "tanh",
    mask: Bool[np.ndarray, "B T"] | None = None,
) -> tuple[Inexact[np.ndarray, "B steps C"], Bool[np.ndarray, "B steps"] | None]:
    """y_t = activation(Σ_k x_{t+k} · kernel_k + bias), where the kernel fits in whole.

    Where `mask` is False x counts as 0; a step of y that sees nothing else is masked itself.

    Shape:
        x (B, T, F), kernel (K, F, C), bias (C,), mask (B, T) → y (B, T − K + 1, C), its mask.
    """
    width, steps = len(kernel), x.shape[1] - len(kernel) + 1
    x = _masked(x, mask)
    if mask is not None:
        mask = np.any([mask[:, k : k + steps] for k in range(width)], axis=0)
    y = sum((x[:, k : k + steps] @ kernel[k] for k in range(width)), start=bias)
    return ACTIVATIONS[activation](y), mask


def max_pooling(
    x: Inexact[np.ndarray, "B T C"], size: int, mask: Bool[np.ndarray, "B T"] | None = None
) -> tuple[Inexact[np.ndarray, "B steps C"], Bool[np.ndarray, "B steps"] | None]:
    """The largest of every `size` steps that are not masked; 0, and masked, if all of them are.

    What is left over at the end is dropped.

    Shape:
        x (B, T, C), mask (B, T) → (B, T // size, C), its mask.
    """
    steps = x.shape[1] // size

    def grouped(array: np.ndarray) -> np.ndarray:
        return array[:, : steps * size].reshape(len(array), steps, size, *array.shape[2:])

    values = grouped(x)
    kept = np.ones(values.shape[:3], bool) if mask is None else grouped(mask)
    real = np.where(kept[..., np.newaxis], np.real(values), -np.inf)
    best = real.argmax(axis=2)[:, :, np.newaxis]  # by the real part: complex numbers have no order
    largest = np.take_along_axis(values, best, axis=2)[:, :, 0]
    some = np.any(kept, axis=2, keepdims=True)  # (B, T // size, 1)
    pooled = np.where(some, largest, 0)
    return pooled, None if mask is None else some[..., 0]


def attention(
    x: Inexact[np.ndarray, "B T F"],
    W: Inexact[np.ndarray, "F 1"],
    b: Inexact[np.ndarray, "_b 1"] | None = None,
    mask: Bool[np.ndarray, "B T"] | None = None,
    log_scale: Inexact[np.ndarray, "1"] | None = None,
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
    x: Inexact[np.ndarray, "B T F"],
    W_a: Inexact[np.ndarray, "F A"],
    U_a: Inexact[np.ndarray, "F A"],
    v_a: Inexact[np.ndarray, "A 1"],
    mask: Bool[np.ndarray, "B T"] | None = None,
    query: Inexact[np.ndarray, "B F"] | None = None,
) -> dict[str, np.ndarray]:
    """e_t = tanh(q · W_a + x_t · U_a) · v_a;  alpha and context as in `attention`.

    The query q is the last x_t that is not masked, if none is given; of a row without any step it
    is 0.

    Shape:
        x (B, T, F), W_a (F, A), U_a (F, A), v_a (A, 1), mask (B, T), query (B, F)
        → e (B, T), alpha (B, T), context (B, F).

    References:
        Bahdanau, Cho & Bengio 2015 (arXiv 1409.0473), appendix A.1.2.
    """
    x = _masked(x, mask)
    asked = last(x, mask) if query is None else query  # (B, F)
    e = (np.tanh((asked @ W_a)[:, np.newaxis] + x @ U_a) @ v_a)[..., 0]  # (B, T)
    return _weighted(x, e, mask)


def last(
    x: Inexact[np.ndarray, "B T F"], mask: Bool[np.ndarray, "B T"] | None = None
) -> Inexact[np.ndarray, "B F"]:
    """The last step of x (B, T, F) that mask (B, T) does not hide, (B, F); 0 without any."""
    if mask is None:
        return x[:, -1]
    step = x.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)  # (B,)
    return np.where(mask.any(axis=1, keepdims=True), x[np.arange(len(x)), step], 0)


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
