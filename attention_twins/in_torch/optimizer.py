"""Optimizers and their state in PyTorch. Mirror: in_keras/optimizer.py."""

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
        prefix = f"{moment}/"
        arrays = {
            name.removeprefix(prefix): array * scale
            for name, array in state.items()
            if name.startswith(prefix)
        }
        write(model, arrays, lambda parameter, own=own: optimizer.state[parameter][own])
