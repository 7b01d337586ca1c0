"""Many seeds of a network trained at once, in Keras 3. Mirror: torch_impl/many.py."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from jaxtyping import Integer

from attention_twins.in_keras.runtime import floatx
from attention_twins.in_keras.weights import get_own, to_canonical, to_own
from attention_twins.weights import Weights
from keras_impl.backends import Loop
from keras_impl.models import create_model
from shared.config import ModelConfig, TrainConfig
from shared.data import Data
from shared.many import ManyResult, draw_many, plan_many
from shared.training import run_many
from shared.weights import initial_weights

CHUNK = 100
"""Seeds trained at once, at most: for more, XLA no longer makes one kernel of the loop."""


def fit_many(
    model_config: ModelConfig,
    data: Data,
    config: TrainConfig,
    seeds: Sequence[int],
    learning_rates: Sequence[float] | None = None,
    order: Integer[np.ndarray, "S epochs rows"] | None = None,
    progress: Callable[[int, int], None] | None = None,
    initial: Callable[[ModelConfig, int], Weights] | None = None,
) -> ManyResult:
    """Train a network from many seeds at once, by the framework's own vectorisation.

    Each seed decides its initial weights and its batch order. What becomes of it does not depend on
    the others, and is what `fit` makes of it, up to rounding.

    Args:
        model_config: the network.
        data: training rows, and test rows to predict, in the network's dtype.
        config: epochs, batch size, optimizer, loss and set-up; `seed` is not used.
        seeds: S of them.
        learning_rates: one for each seed; `config.learning_rate` if None.
        order: rows of the training set in the order of training, int (S, epochs, rows); that of
            each seed if None.
        progress: called after every epoch of a chunk of seeds with the number of epochs done and
            the number of all.
        initial: network and seed → initial weights; if None those of the set-up.

    Raises:
        InputError: seeds or learning rates out of range, or what compiles is missing.
    """
    plan = plan_many(model_config, data, config, seeds, learning_rates, order, CHUNK)
    with floatx(model_config.dtype):
        model = create_model(model_config, config.setup)

        def values(seeds: list[int]) -> list[np.ndarray]:
            """Initial values of what is trained, in the framework's own layout."""
            if initial is None and config.setup == "native":
                own = [get_own(create_model(model_config, config.setup, seed)) for seed in seeds]
                return [np.stack(arrays, axis=-1) for arrays in zip(*own, strict=True)]
            draw = initial or partial(initial_weights, setup=config.setup)
            return to_own(model, draw_many(model_config, seeds, draw))

        loop = Loop(model, data, config, seeds=len(plan.chunks[0].seeds))
        return run_many(loop, plan, values, partial(to_canonical, model), progress)
