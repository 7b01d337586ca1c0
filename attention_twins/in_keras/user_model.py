"""Other people's networks in Keras 3. Mirror: in_torch/user_model.py."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from attention_twins.in_keras.kinds import layers
from attention_twins.in_keras.runtime import check_backend, flat_layers, floatx
from attention_twins.in_keras.weights import variables
from attention_twins.layers import check_all_known


def build(
    factory: Callable[[], Any], dtype: str, input_shape: tuple[int, ...] | None, seed: int
) -> tuple[Any, list[str], tuple[int, ...], tuple[int, ...]]:
    """Make a network in `dtype`, with its weights and without dropout.

    Args:
        factory: makes the network.
        dtype: float32 or float64.
        input_shape: shape of one row; Keras may know it from the network, PyTorch goes without.
        seed: for the network's own initialisers.

    Returns:
        The network, the layers whose dropout was switched off, the shapes of one row of the input
        and of the output, as far as they are known.

    Raises:
        ValueError: no such network, or one that cannot be taken.
    """
    with floatx(dtype):
        keras.utils.clear_session()  # or the layers' names count on
        keras.utils.set_random_seed(seed)
        check_backend()
        model = factory()
        if not isinstance(model, keras.Model):
            raise ValueError(f"a keras.Model is needed, not {type(model).__name__}")
        inputs = getattr(model, "inputs", None)  # a subclass of keras.Model has none
        if inputs and len(inputs) != 1:
            raise ValueError(f"one input is needed, not {len(inputs)}")
        if input_shape is None and inputs:
            input_shape = tuple(inputs[0].shape[1:])
        if input_shape is None or None in input_shape:
            raise ValueError("input_shape is needed: the network does not say its own")
        kinds = [layer.kind for layer in layers(model)]
        whole = kinds[:1] == ["embedding"]
        output = model(np.zeros((2, *input_shape), "int64" if whole else dtype))
        known = {id(variable) for variable in variables(model).values()}
        check_all_known([v.path for v in model.weights if id(v) not in known])
        if model.weights[0].dtype != dtype:
            raise ValueError(
                f"a new network in keras.config.floatx() ({dtype}) is needed from every call, "
                f"not {model.weights[0].dtype}"
            )
        return model, _switch_off_dropout(model), input_shape, tuple(output.shape[1:])


def _switch_off_dropout(model: Any) -> list[str]:
    """Set every rate to 0; the names of the layers that had another."""
    found = []
    for layer in flat_layers(model):
        for name in ("rate", "dropout", "recurrent_dropout"):
            if isinstance(getattr(type(layer), name, None), property):
                continue  # a recurrent layer shows its cell's
            if isinstance(getattr(layer, name, None), float) and getattr(layer, name) > 0:
                setattr(layer, name, 0.0)
                found.append(layer.name)
    return found


def export(model: Any, path: Path) -> None:
    """Write the weights to a file in the framework's own format."""
    model.save_weights(path)
