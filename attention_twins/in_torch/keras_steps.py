"""How PyTorch's optimizers take the steps that Keras's would, one by one or compiled."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from attention_twins.training import Training


def follow_keras(optimizer: Any, steps: range, config: Training, dtype: np.dtype) -> Iterator[int]:
    """Yield steps, each time with the optimizer set to take the one that Keras's would take.

    Args:
        optimizer: PyTorch's, made by `create_optimizer`.
        steps: t, numbers of steps, from 1.
        config: optimizer, learning rate, and the Keras backend to follow.
        dtype: floating-point type of the weights.
    """
    found = keras_settings(np.array(steps), config, dtype, config.learning_rate)
    settings = {name: np.broadcast_to(v, len(steps)).tolist() for name, v in found.items()}
    for i, step in enumerate(steps):
        for group in optimizer.param_groups:
            group.update({name: values[i] for name, values in settings.items()})
        yield step


def keras_settings(
    step: np.ndarray, config: Training, dtype: np.dtype, rate: float
) -> dict[str, np.ndarray]:
    """What PyTorch's optimizers must be set to in some steps, to take those that Keras's would.

    Adam and AdamW:

        Keras:   θ −= a · m / (√v + ε),  a = lr · √(1 − β₂ᵗ) / (1 − β₁ᵗ)
        PyTorch: θ −= lr_t / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + eps_t)

    are equal for lr_t = a · (1 − β₁ᵗ) / √(1 − β₂ᵗ) and eps_t = ε / √(1 − β₂ᵗ). Keras computes a
    in the type of the weights. On TensorFlow it rounds to float32 what it casts to that type: β₁
    and β₂ in a, AdamW's weight decay, SGD's momentum.

    SGD is equal as it is, at a constant learning rate. RMSprop cannot be made equal: Keras divides
    by √(v + ε), PyTorch by √v + ε.

    Args:
        step: t, numbers of steps, from 1.
        config: optimizer, and the Keras backend to follow.
        dtype: floating-point type of the weights.
        rate: the learning rate.

    References:
        Kingma & Ba 2015 (arXiv 1412.6980); Keras's form is the one at the end of section 2.
        Loshchilov & Hutter 2019 (arXiv 1711.05101).
    """
    number = dtype.type
    rounded = np.float32 if config.keras_backend == "tensorflow" else number
    if config.optimizer == "sgd":
        return {"momentum": np.full(step.shape, float(rounded(0.9)))}
    if config.optimizer == "rmsprop":
        return {}
    power_1 = number(rounded(0.9)) ** step.astype(dtype)
    power_2 = number(rounded(0.999)) ** step.astype(dtype)
    a = number(rate) * np.sqrt(1 - power_2) / (1 - power_1)
    correction_1, correction_2 = 1 - 0.9**step, (1 - 0.999**step) ** 0.5
    found = {"lr": a.astype(float) * correction_1 / correction_2, "eps": 1e-7 / correction_2}
    if config.optimizer == "adamw":
        found["weight_decay"] = float(rounded(0.004)) * rate / found["lr"]
    return found


def step_table(optimizer: Any, step: np.ndarray, config: Training, dtype: np.dtype) -> np.ndarray:
    """For each of some steps what `update` needs, (steps, 5); the learning rate is left to it."""
    found = {name: np.full(step.shape, float(optimizer.defaults.get(name, 0))) for name in TABLE}
    found["lr"] = np.ones(step.shape)
    if config.like_keras:
        found |= keras_settings(step, config, dtype, 1.0)
    beta_1, beta_2 = optimizer.defaults.get("betas", (0, 0))
    found["weight_decay"] = found["weight_decay"] * found["lr"]
    found["lr"] = found["lr"] / (1 - beta_1**step)
    found["root"] = (1 - beta_2**step) ** 0.5
    return np.stack([found[name] for name in TABLE], axis=-1).astype(dtype)


TABLE = ("lr", "eps", "weight_decay", "momentum", "root")
"""Columns of `step_table`: the step's length, ε, weight decay, momentum, √(1 − β₂ᵗ)."""


def update(
    config: Training, defaults: dict[str, Any], row: Any, rate: Any, state: Any, gradient: Any
) -> Any:
    """A step of PyTorch's optimizers as a function: for compilers, and for many seeds at once.

    Args:
        config: which optimizer.
        defaults: the optimizer's own.
        row: of `step_table`, (5,).
        rate: learning rate, () or one for each seed (S,).
        state: weights, m and v, each (P,) or (P, S).
        gradient: likewise.
    """
    (weights, m, v), (lr, eps, decay, momentum, root) = state, row.unbind()
    if config.optimizer == "sgd":
        m = momentum * m + gradient
        return weights - rate * m, m, v.clone()  # a compiled loop takes no aliases
    if config.optimizer == "rmsprop":
        v = defaults["alpha"] * v + (1 - defaults["alpha"]) * gradient * gradient
        return weights - rate * gradient / (torch.sqrt(v) + eps), m.clone(), v
    beta_1, beta_2 = defaults["betas"]
    weights = weights - rate * decay * weights
    m = m + (1 - beta_1) * (gradient - m)
    v = beta_2 * v + (1 - beta_2) * gradient * gradient
    return weights - rate * lr * m / (torch.sqrt(v) / root + eps), m, v
