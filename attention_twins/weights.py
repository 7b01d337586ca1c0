"""Weights between the frameworks: a dict `layer/variable` → NumPy array, in Keras's layout."""

import numpy as np

from attention_twins.errors import InputError

Weights = dict[str, np.ndarray]


def check_weights(weights: Weights, shapes: dict[str, tuple[int, ...]], dtype: str) -> None:
    """Raise InputError unless names, shapes and dtype are these and every value is finite."""
    missing, extra = shapes.keys() - weights.keys(), weights.keys() - shapes.keys()
    if missing or extra:
        raise InputError(
            f"weights must be named {', '.join(shapes)}; "
            f"missing: {', '.join(sorted(missing)) or 'none'}; "
            f"extra: {', '.join(map(repr, sorted(extra))) or 'none'}"
        )
    for name, shape in shapes.items():
        array = weights[name]
        if array.shape != shape:
            raise InputError(f"weight {name} must have shape {shape}, got {array.shape}")
        if array.dtype != dtype:
            raise InputError(f"weight {name} must be {dtype}, got {array.dtype}")
        if not np.isfinite(array).all():
            raise InputError(f"weight {name} must be finite, got {array[~np.isfinite(array)][0]}")


def check_state(state: Weights, current: Weights) -> None:
    """Raise InputError unless an optimizer's state is like `current`, and finite."""
    given, moments = dict(state), dict(current)
    if "t" in moments:
        del moments["t"]
        t = given.pop("t", np.array(-1))
        if t.shape != () or not t >= 0:
            raise InputError(f"t must be the number of steps taken, got {state.get('t')!r}")
    dtype = next(iter(moments.values())).dtype.name
    check_weights(given, {name: array.shape for name, array in moments.items()}, dtype)
