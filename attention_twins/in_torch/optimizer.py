"""Optimizers and their state in PyTorch. Mirror: in_keras/optimizer.py."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from attention_twins.in_torch.weights import read, write
from attention_twins.training import OPTIMIZERS, Training
from attention_twins.weights import Weights, check_state

MOMENTS = {
    "adam": {"m": "exp_avg", "v": "exp_avg_sq"},
    "adamw": {"m": "exp_avg", "v": "exp_avg_sq"},
    "sgd": {"m": "momentum_buffer"},
    "rmsprop": {"v": "square_avg"},
}
"""Name of an optimizer → canonical name of a moment → PyTorch's own."""


def create_optimizer(model: nn.Module, config: Training) -> Any:
    """The optimizer that `config` names, for every trained weight of a network.

    Unless the set-up has PyTorch's own, its settings are Keras's. SGD has a momentum of 0.9.
    """
    rate = config.learning_rate
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if config.optimizer == "sgd":
        return torch.optim.SGD(trained, rate, momentum=0.9)
    if config.optimizer == "rmsprop":
        settings: Any = {"alpha": 0.9, "eps": 1e-7} if config.like_keras else {}
        return torch.optim.RMSprop(trained, rate, **settings)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(trained, rate)
    return torch.optim.Adam(trained, rate)


def get_state(model: nn.Module, optimizer: Any, config: Training) -> Weights:
    """The optimizer's state in the canonical layout, as copies."""
    state = {}
    for moment, own in MOMENTS[config.optimizer].items():

        def of(parameter: torch.Tensor, own: str = own) -> torch.Tensor | None:
            before_the_first_step = torch.zeros_like(parameter)
            if parameter.requires_grad:
                return optimizer.state.get(parameter, {}).get(own, before_the_first_step)

        # Keras keeps the step that SGD will take, PyTorch what the learning rate is multiplied by.
        scale = -config.learning_rate if config.optimizer == "sgd" else 1
        state |= {f"{moment}/{name}": scale * array for name, array in read(model, of).items()}
    if "t" in OPTIMIZERS[config.optimizer]:
        # The largest: a parameter without a gradient takes no step.
        t = max((int(own["step"]) for own in optimizer.state.values()), default=0)
        state["t"] = np.array(t, np.int64)
    return state


def set_state(model: nn.Module, optimizer: Any, config: Training, state: Weights) -> None:
    """Go on from a state, of either framework.

    Raises:
        InputError: names, shapes or dtype are not this optimizer's, or a value is not finite.
    """
    check_state(state, get_state(model, optimizer, config))
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            own = optimizer.state[parameter] = {
                name: torch.zeros_like(parameter) for name in MOMENTS[config.optimizer].values()
            }
            if "t" in OPTIMIZERS[config.optimizer]:
                own["step"] = torch.tensor(float(state["t"]))
    scale = -1 / config.learning_rate if config.optimizer == "sgd" else 1
    for moment, own in MOMENTS[config.optimizer].items():
        start = f"{moment}/"
        arrays = {
            name.removeprefix(start): array * scale
            for name, array in state.items()
            if name.startswith(start)
        }
        write(model, arrays, lambda parameter, own=own: optimizer.state[parameter][own])


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
    """A step of PyTorch's optimizers as a function: for compilers, and for many starts at once.

    Args:
        config: which optimizer.
        defaults: the optimizer's own.
        row: of `step_table`, (5,).
        rate: learning rate, () or one for each start (S,).
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
