"""Optimizers and their state in Keras 3. Mirror: torch_impl/optimizer.py."""

from typing import Any

import keras
import numpy as np

from keras_impl.weights import variables
from shared.config import OPTIMIZERS, TrainConfig
from shared.weights import Weights, check_state


def create_optimizer(model: keras.Model, config: TrainConfig) -> Any:
    """The optimizer that `config` names, for every trained weight of a network.

    In the twin set-up its settings are Keras's. SGD has a momentum of 0.9.
    """
    rate = config.learning_rate
    if config.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(rate, momentum=0.9)
    elif config.optimizer == "rmsprop":
        optimizer = keras.optimizers.RMSprop(rate)
    elif config.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(rate)
    else:
        optimizer = keras.optimizers.Adam(rate)
    optimizer.build(model.trainable_variables)
    return optimizer


def get_state(model: keras.Model, optimizer: Any, config: TrainConfig) -> Weights:
    """The optimizer's state in the canonical layout, as copies."""
    state = {
        name: np.array(keras.ops.convert_to_numpy(slot))
        for name, slot in _slots(model, optimizer, config).items()
    }
    if "t" in OPTIMIZERS[config.optimizer]:
        state["t"] = np.array(int(optimizer.iterations), np.int64)
    return state


def set_state(model: keras.Model, optimizer: Any, config: TrainConfig, state: Weights) -> None:
    """Go on from a state, of either framework.

    Raises:
        InputError: names, shapes or dtype are not this optimizer's, or a value is not finite.
    """
    check_state(state, get_state(model, optimizer, config))
    for name, slot in _slots(model, optimizer, config).items():
        slot.assign(state[name])
    if "t" in OPTIMIZERS[config.optimizer]:
        optimizer.iterations.assign(int(state["t"]))


def _slots(model: keras.Model, optimizer: Any, config: TrainConfig) -> dict[str, keras.Variable]:
    """Canonical name of a moment → the optimizer's variable."""
    names = {id(variable): name for name, variable in variables(model).items()}
    own = {"m": "_momentum", "v": "_velocity"}
    found = {}
    for slot in (slot for slot in OPTIMIZERS[config.optimizer] if slot in own):
        moments = [v for v in optimizer.variables if v.name.endswith(own[slot])]
        for trained, moment in zip(model.trainable_variables, moments, strict=True):
            found[f"{slot}/{names[id(trained)]}"] = moment
    return found
