"""Optimizers and their state in Keras 3. Mirror: in_torch/optimizer.py."""

from typing import Any

import keras
import numpy as np

from attention_twins.in_keras.runtime import many_optimizer_class
from attention_twins.in_keras.weights import variables
from attention_twins.training import OPTIMIZERS, Training
from attention_twins.weights import Weights, check_state

KINDS = {
    "adam": (keras.optimizers.Adam, {}),
    "adamw": (keras.optimizers.AdamW, {}),
    "sgd": (keras.optimizers.SGD, {"momentum": 0.9}),
    "rmsprop": (keras.optimizers.RMSprop, {}),
}
"""Name of an optimizer → class and settings beside the learning rate."""


def create_optimizer(model: keras.Model, config: Training) -> Any:
    """The optimizer that `config` names, for every trained weight of a network.

    Unless the set-up has PyTorch's own, its settings are Keras's. SGD has a momentum of 0.9.
    """
    kind, settings = KINDS[config.optimizer]
    optimizer = kind(config.learning_rate, **settings)
    optimizer.build(model.trainable_variables)
    return optimizer


def create_many_optimizer(stack: list[keras.Variable], config: Training) -> tuple[Any, Any]:
    """The optimizer for variables that have many seeds as their last axis.

    Returns:
        The optimizer, and the variable that holds a learning rate for each seed.
    """
    kind, settings = KINDS[config.optimizer]
    optimizer = many_optimizer_class(kind)(lambda: rates.value, **settings)
    rates = optimizer.add_variable(stack[0].shape[-1:], dtype=stack[0].dtype, name="rates")
    optimizer.build(stack)
    return optimizer, rates


def get_state(model: keras.Model, optimizer: Any, config: Training) -> Weights:
    """The optimizer's state in the canonical layout, as copies."""
    state = {
        name: np.array(keras.ops.convert_to_numpy(slot))
        for name, slot in _slots(model, optimizer, config).items()
    }
    if "t" in OPTIMIZERS[config.optimizer]:
        state["t"] = np.array(keras.ops.convert_to_numpy(optimizer.iterations), np.int64)
    return state


def set_state(model: keras.Model, optimizer: Any, config: Training, state: Weights) -> None:
    """Go on from a state, of either framework.

    Raises:
        InputError: names, shapes or dtype are not this optimizer's, or a value is not finite.
    """
    check_state(state, get_state(model, optimizer, config))
    for name, slot in _slots(model, optimizer, config).items():
        slot.assign(np.array(state[name]))  # a copy, as in set_weights
    if "t" in OPTIMIZERS[config.optimizer]:
        optimizer.iterations.assign(int(state["t"]))


def _slots(model: keras.Model, optimizer: Any, config: Training) -> dict[str, keras.Variable]:
    """Canonical name of a moment → the optimizer's variable."""
    names = {id(variable): name for name, variable in variables(model).items()}
    own = {"m": "_momentum", "v": "_velocity"}
    found = {}
    for slot in (slot for slot in OPTIMIZERS[config.optimizer] if slot in own):
        moments = [v for v in optimizer.variables if v.name.endswith(own[slot])]
        for trained, moment in zip(model.trainable_variables, moments, strict=True):
            found[f"{slot}/{names[id(trained)]}"] = moment
    return found
