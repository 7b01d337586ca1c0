"""What a case must come to: by the definition in NumPy, and by the scalar limit."""

import numpy as np

from attention_twins.parity import Key, Trace, weight_trace
from attention_twins.stages import BATCH, EPOCH_LOSS, EPOCH_ROWS
from attention_twins.tolerances import Limits
from attention_twins.traces import Place, Traces, snapshot_steps
from benchmarks.prove.cases import Case
from shared import reference

CHANGE = 1e-8
"""By how much every number is changed, relatively, to see what that does."""


def defined(case: Case) -> Traces:
    """What the definition in NumPy says of a case, in float64."""
    config, weights = case.small, case.initial_weights(case.small)
    data, mask = case.rows()
    x, y = case.traced_x(data), data.train_y
    trace = traced(case, weights, x[:BATCH], y[:BATCH])
    output = reference.forward(config, weights, x[:EPOCH_ROWS])["output"]
    loss = Key("loss", "", "loss")
    epoch = np.array([((output - y[:EPOCH_ROWS]) ** 2).mean()])
    assert mask is not None
    return {
        Place("weights", 0): weight_trace(weights),
        Place("forward", 1): {k: array for k, array in trace.items() if k.part == "forward"},
        Place("loss", 1): {loss: trace[loss], EPOCH_LOSS: epoch},
        Place("gradients", 1): {k: array for k, array in trace.items() if k.part == "gradient"},
        Place("mask", 1): traced(case, weights, data.train_x[:BATCH], y[:BATCH], mask[:BATCH]),
    }


def traced(
    case: Case,
    weights: dict[str, np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    mask: np.ndarray | None = None,
) -> Trace:
    """Forward pass, loss and gradients, last layer first, as the twins trace them."""
    forward = reference.forward(case.small, weights, x, mask)
    gradients = reference.gradients(case.small, weights, x, y, mask)
    trace = {forward_key(name): array for name, array in forward.items()}
    trace[Key("loss", "", "loss")] = np.array(((forward["output"] - y) ** 2).mean())
    names = [*reversed([name for name in gradients if name != "x"]), "x"]
    return trace | {gradient_key(name): gradients[name] for name in names}


def forward_key(name: str) -> Key:
    """The key of an intermediate that the definition calls LAYER/TENSOR or LAYER/TENSOR_CALL."""
    layer, _, tensor = name.rpartition("/")
    tensor, _, call = tensor.partition("_")
    return Key("forward", layer, tensor, int(call or 1))


def gradient_key(name: str) -> Key:
    """The key of the gradient in a weight LAYER/VARIABLE, or in the input x."""
    layer, _, tensor = name.rpartition("/")
    return Key("gradient", layer, tensor)


def moved(case: Case) -> Limits:
    """How far each gradient moves for each relative change of all weights and rows.

    Relative to its largest value, the largest of four draws of signs. Where a gradient is a sum
    over time steps that cancel, its own size says nothing of its rounding; this does, for a correct
    computation is the exact one of numbers that differ by a rounding.

    References:
        Higham 2002, "Accuracy and stability of numerical algorithms", section 1.6.
    """
    config, (data, mask) = case.small, case.rows()
    weights, y = case.initial_weights(case.small), data.train_y[:BATCH]
    assert mask is not None
    places = (
        (Place("gradients", 1), case.traced_x(data)[:BATCH], None),
        (Place("mask", 1), data.train_x[:BATCH], mask[:BATCH]),
    )
    found: Limits = {}

    def gradients(numbers: dict[str, np.ndarray], steps: np.ndarray | None) -> dict:
        weights = {name: array for name, array in numbers.items() if name not in "xy"}
        return reference.gradients(config, weights, numbers["x"], numbers["y"], steps)

    for place, x, steps in places:
        numbers = {"x": x, "y": y, **weights}
        exact, generator = gradients(numbers, steps), np.random.default_rng(0)
        for _ in range(4):
            near = {
                name: array * (1 + CHANGE * generator.choice([-1, 1], array.shape))
                for name, array in numbers.items()
            }
            slopes = gradients(near, steps)
            for name, array in exact.items():
                move = abs(slopes[name] - array).max() / (CHANGE * (abs(array).max() or 1))
                key = place, gradient_key(name)
                found[key] = max(found.get(key, 0.0), float(move))
    return found


def scalar(case: Case, rounding: str) -> Traces:
    """The trajectory by the scalar limit: one loop over single numbers, without a framework."""
    from benchmarks.common import scalar_limit  # only now: numba takes a second

    data, order = case.sequence()
    config = case.training(keras_backend=rounding)
    steps = snapshot_steps(case.steps)
    weights = case.initial_weights(case.large)
    result = scalar_limit.fit(case.large, weights, data, config, order, snapshots=steps)
    return {
        Place("trajectory", step): weight_trace(result.snapshots[step].weights) for step in steps
    }
