"""The scalar limit: the tutorial's training as one compiled loop over single numbers.

No framework, no array operation, one thread: numba compiles plain loops over single numbers. The
derivatives are written by hand, so this is one more implementation that shares no line with the
others, and it runs the same stages as they do.
"""

import math
from collections.abc import Callable, Collection

import numba
import numpy as np

from attention_twins.errors import InputError
from attention_twins.training import FitResult, Snapshot
from attention_twins.weights import Weights
from shared.config import TUTORIAL_MODELS, ModelConfig, TrainConfig
from shared.data import Data
from shared.training import run_epochs
from shared.weights import weight_shapes

compiled = numba.njit(cache=True, error_model="numpy")
"""No fast-math: the rounding is that of the formulas."""


def fit(
    model: ModelConfig,
    weights: Weights,
    data: Data,
    config: TrainConfig,
    order: np.ndarray | None = None,
    progress: Callable[[int, float], bool | None] | None = None,
    snapshots: Collection[int] = (),
) -> FitResult:
    """Train a network from `weights`, in the twin set-up; else as the twins' `fit`.

    Raises:
        InputError: another activation than tanh, another loss than mse, another optimizer than
            Adam, another network than the tutorial's, or a variant of its attention.
    """
    known = {"optimizer": "adam", "loss": "mse", "setup": "twin"}
    for name, value in known.items():
        if getattr(config, name) != value:
            raise InputError(f"{name} must be {value} here, got {getattr(config, name)!r}")
    if model.activation != ("tanh", "tanh"):
        raise InputError(f"activation must be tanh here, got {model.activation!r}")
    if model.model not in TUTORIAL_MODELS:
        raise InputError(f"model must be one of the tutorial's here, got {model.model!r}")
    if (model.score, model.temperature, model.bias) != ("tanh", False, "per_step"):
        raise InputError(f"attention must be the tutorial's here, got {model.options!r}")
    return run_epochs(
        ScalarLoop(model, weights, data, config), data, config, order, progress, snapshots
    )


class ScalarLoop:
    """A shared.training.Loop: steps of a network from its initial weights."""

    def __init__(
        self, model: ModelConfig, weights: Weights, data: Data, config: TrainConfig
    ) -> None:
        number = np.dtype(model.dtype).type
        flat = np.concatenate([weights[name].ravel() for name in weight_shapes(model)])
        m, v, gradient = np.zeros_like(flat), np.zeros_like(flat), np.zeros_like(flat)
        rounded = np.float32 if config.keras_backend == "tensorflow" else number
        # As Keras has them: β₁ and β₂ in the powers of them as its backend rounds them.
        adam = (config.learning_rate, 0.9, 0.999, rounded(0.9), rounded(0.999), 1e-7, 1)
        parts, slopes = _parts(model, flat), _parts(model, gradient)
        self._fixed = model.attends, parts, slopes, (flat, m, v, gradient), (*map(number, adam),)
        self._model, self._data, self._flats = model, data, (flat, m, v)
        self._done, self._total = 0, 0.0

    def run(self, rows: np.ndarray, begin: int, end: int) -> None:
        """Take the steps from `begin` to `end` on batches of rows (K, B)."""
        x, y = self._data.train_x, self._data.train_y
        self._total += _steps(x, y, rows, begin, end, self._done, *self._fixed)
        self._done += end - begin

    def take_loss(self) -> np.ndarray:
        """The sum of the loss over all rows since the last time."""
        total, self._total = self._total, 0.0
        return np.array(total)

    def snapshot(self) -> Snapshot:
        """Weights and state after the last step."""
        weights, m, v = (_named(self._model, flat) for flat in self._flats)
        state = {"t": np.array(self._done, np.int64)}
        state |= {f"m/{name}": array for name, array in m.items()}
        return Snapshot(weights, state | {f"v/{name}": array for name, array in v.items()})


def _named(model: ModelConfig, flat: np.ndarray) -> Weights:
    """Name → its part of a flat array, as copies."""
    parts, done = {}, 0
    for name, shape in weight_shapes(model).items():
        size = math.prod(shape)
        parts[name] = flat[done : done + size].reshape(shape).copy()
        done += size
    return parts


def _parts(model: ModelConfig, flat: np.ndarray) -> tuple[np.ndarray, ...]:
    """Kernel, recurrent kernel, bias, W, b, dense kernel and bias: views of a flat array."""
    views, done = {}, 0
    for name, shape in weight_shapes(model).items():
        size = math.prod(shape)
        views[name] = flat[done : done + size].reshape(shape)
        done += size
    nothing = np.zeros((0, 1), flat.dtype)
    attention = [views.get(f"attention/{name}", nothing) for name in ("W", "b")]
    rnn = [views[f"rnn/{name}"] for name in ("kernel", "recurrent_kernel", "bias")]
    return (*rnn, *attention, views["dense/kernel"], views["dense/bias"])


@compiled
def _steps(x, y, rows, first, last, done, attends, parts, slopes, flats, adam):
    """Steps `first` to `last` on batches of rows (K, B); the sum of the loss over their rows."""
    T, H, D = x.shape[1], parts[1].shape[0], y.shape[1]
    one, size = adam[6], x.dtype.type(rows.shape[1] * D)
    zero, (flat, m, v, gradient) = one - one, flats
    h = np.zeros((T + 1, H), x.dtype)  # h[t + 1] is the state after time step t
    e, alpha = np.zeros(T, x.dtype), np.zeros(T, x.dtype)
    context, d_context = np.zeros(H, x.dtype), np.zeros(H, x.dtype)
    back, d_state = np.zeros(H, x.dtype), np.zeros(H, x.dtype)
    work = (h, e, alpha, context, d_context, back, d_state)
    output, error = np.zeros(D, x.dtype), np.zeros(D, x.dtype)
    total = zero
    for k in range(first, last):
        gradient[:] = zero
        loss = zero
        for i in range(rows.shape[1]):
            row = rows[k, i]
            _forward(x[row], attends, parts, h, e, alpha, context, output, one)
            for d in range(D):
                error[d] = output[d] - y[row, d]
                loss += error[d] * error[d]
                error[d] *= (one + one) / size * (one - output[d] * output[d])
            _backward(x[row], attends, parts, slopes, work, error, one)
        total += loss / size * x.dtype.type(rows.shape[1])
        _adam(flat, m, v, gradient, done + k - first + 1, adam)
    return total


@compiled
def _forward(x, attends, parts, h, e, alpha, context, output, one):
    """States, attention and output of one row."""
    kernel, recurrent, bias, W, b, dense, dense_bias = parts
    T, F, H = x.shape[0], x.shape[1], h.shape[1]
    zero, total = one - one, one - one
    for t in range(T):
        for j in range(H):
            a = bias[j]
            for f in range(F):
                a += x[t, f] * kernel[f, j]
            for i in range(H):
                a += h[t, i] * recurrent[i, j]
            h[t + 1, j] = math.tanh(a)
    if attends:
        for j in range(H):
            context[j] = zero
        for t in range(T):
            a = b[t, 0]
            for j in range(H):
                a += h[t + 1, j] * W[j, 0]
            e[t] = math.tanh(a)
            alpha[t] = math.exp(e[t])  # |e| < 1: no shift is needed
            total += alpha[t]
        for t in range(T):
            alpha[t] /= total
            for j in range(H):
                context[j] += alpha[t] * h[t + 1, j]
    else:
        for j in range(H):
            context[j] = h[T, j]
    for d in range(output.size):
        a = dense_bias[d]
        for j in range(H):
            a += context[j] * dense[j, d]
        output[d] = math.tanh(a)


@compiled
def _backward(x, attends, parts, slopes, work, error, one):
    """Add the gradients of one row; `error` is that of the output before its activation."""
    kernel, recurrent, bias, W, b, dense, dense_bias = parts
    h, e, alpha, context, d_context, back, d_state = work
    d_kernel, d_recurrent, d_bias, d_W, d_b, d_dense, d_dense_bias = slopes
    T, F, H, D = x.shape[0], x.shape[1], h.shape[1], error.size
    zero = one - one
    for d in range(D):
        d_dense_bias[d] += error[d]
    for j in range(H):
        d_context[j] = zero
        for d in range(D):
            d_dense[j, d] += context[j] * error[d]
            d_context[j] += dense[j, d] * error[d]
    mean = zero  # of the gradient in alpha, weighted by alpha
    for j in range(H):
        mean += context[j] * d_context[j]
        back[j] = zero if attends else d_context[j]
    for t in range(T - 1, -1, -1):
        if attends:
            a = zero
            for j in range(H):
                a += h[t + 1, j] * d_context[j]
            slope = alpha[t] * (a - mean) * (one - e[t] * e[t])
            d_b[t, 0] += slope
            for j in range(H):
                d_W[j, 0] += slope * h[t + 1, j]
                back[j] += alpha[t] * d_context[j] + slope * W[j, 0]
        for j in range(H):
            d_state[j] = back[j] * (one - h[t + 1, j] * h[t + 1, j])
            d_bias[j] += d_state[j]
            for f in range(F):
                d_kernel[f, j] += x[t, f] * d_state[j]
        for i in range(H):
            back[i] = zero
            for j in range(H):
                d_recurrent[i, j] += h[t, i] * d_state[j]
                back[i] += recurrent[i, j] * d_state[j]


@compiled
def _adam(flat, m, v, gradient, t, adam):
    """Keras's step of Adam (Kingma & Ba 2015, the form at the end of section 2)."""
    rate, beta_1, beta_2, power_1, power_2, epsilon, one = adam
    a = rate * math.sqrt(one - power_2 ** flat.dtype.type(t))
    a /= one - power_1 ** flat.dtype.type(t)
    for i in range(flat.size):
        m[i] += (gradient[i] - m[i]) * (one - beta_1)
        v[i] += (gradient[i] * gradient[i] - v[i]) * (one - beta_2)
        flat[i] -= m[i] * a / (math.sqrt(v[i]) + epsilon)
