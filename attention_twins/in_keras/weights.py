"""Weights between Keras 3 and the canonical layout. Mirror: in_torch/weights.py."""

from collections.abc import Sequence

import keras
import numpy as np

from attention_twins.in_keras.kinds import layers
from attention_twins.weights import Weights, check_weights


def get_weights(model: keras.Model) -> Weights:
    """The weights of a network in the canonical layout, as copies."""
    return {
        name: np.array(keras.ops.convert_to_numpy(variable))
        for name, variable in variables(model).items()
    }


def set_weights(model: keras.Model, weights: Weights) -> None:
    """Load canonical weights into a network.

    Raises:
        InputError: names, shapes or dtype are not the network's, or a value is not finite.
    """
    current = get_weights(model)
    check_weights(
        weights,
        {name: array.shape for name, array in current.items()},
        next(iter(current.values())).dtype.name,
    )
    for name, variable in variables(model).items():
        variable.assign(np.array(weights[name]))  # a copy: JAX may keep the array that it is given


def get_own(model: keras.Model) -> list[np.ndarray]:
    """The values of what training changes, in the framework's own order and layout, as copies."""
    return [np.array(keras.ops.convert_to_numpy(v)) for v in model.trainable_variables]


def to_own(model: keras.Model, weights: Weights) -> list[np.ndarray]:
    """Canonical weights of many seeds, their last axis, as `get_own` has them."""
    names = {id(variable): name for name, variable in variables(model).items()}
    return [weights[names[id(variable)]] for variable in model.trainable_variables]


def to_canonical(model: keras.Model, arrays: Sequence[np.ndarray]) -> Weights:
    """Arrays of many seeds, their last axis, in the order of `get_own`, as canonical weights."""
    own = dict(zip(map(id, model.trainable_variables), arrays, strict=True))
    return {name: own[id(variable)] for name, variable in variables(model).items()}


def count_parameters(model: keras.Model) -> int:
    """How many numbers training changes."""
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Canonical name → variable, in the order of the layers."""
    found = {}
    for layer in layers(model):
        module = layer.module
        if layer.kind.startswith("bidirectional"):
            for direction in ("forward", "backward"):
                for variable in getattr(module, f"{direction}_layer").weights:
                    found[f"{layer.name}/{direction}/{variable.name}"] = variable
        else:
            found |= {f"{layer.name}/{variable.name}": variable for variable in module.weights}
    return found
