"""Weights between Keras 3 and the canonical layout. Mirror: torch_impl/weights.py."""

import keras
import numpy as np

from shared.weights import Weights, check_weights


def get_weights(model: keras.Sequential) -> Weights:
    """The weights of a network in the canonical layout, as copies."""
    return {
        name: np.array(keras.ops.convert_to_numpy(variable))
        for name, variable in _variables(model).items()
    }


def set_weights(model: keras.Sequential, weights: Weights) -> None:
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
    for name, variable in _variables(model).items():
        variable.assign(weights[name])


def count_parameters(model: keras.Sequential) -> int:
    """How many numbers training changes."""
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def _variables(model: keras.Sequential) -> dict[str, keras.Variable]:
    """Canonical name → variable."""
    return {
        f"{layer.name}/{variable.name}": variable
        for layer in model.layers
        for variable in layer.weights
    }
