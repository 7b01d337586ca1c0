"""Many starts of a network trained at once, in PyTorch. Mirror: keras_impl/many.py."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from attention_twins.in_torch.runtime import floatx
from attention_twins.in_torch.weights import get_trained, get_weights, set_trained, set_weights
from attention_twins.weights import Weights
from shared.config import ModelConfig, TrainConfig
from shared.fibonacci import Data, batches, check_order
from shared.many import ManyResult, check_data, chunks, join, predictions
from shared.weights import initial_weights
from torch_impl.loop import Loop
from torch_impl.models import create_model

TOGETHER = 1000
"""Starts trained at once, at most: so many make what a step costs beside them small."""


def fit_many(
    model_config: ModelConfig,
    data: Data,
    config: TrainConfig,
    seeds: Sequence[int],
    learning_rates: Sequence[float] | None = None,
    order: np.ndarray | None = None,
    progress: Callable[[int, int], None] | None = None,
    start: Callable[[ModelConfig, int], Weights] | None = None,
) -> ManyResult:
    """Train many independent starts of a network at once, by the framework's own vectorisation.

    Each start has the weights and the batch order of its seed. What becomes of it does not depend
    on the others, and is what `fit` makes of it, up to rounding.

    Args:
        model_config: the network.
        data: training rows, and test rows to predict, in the network's dtype.
        config: epochs, batch size, optimizer, loss and set-up; `seed` is not used.
        seeds: one for each start.
        learning_rates: one for each start; `config.learning_rate` if None.
        order: rows of the training set in the order of training, int (starts, epochs, rows); that
            of each seed if None.
        progress: called after every epoch of a chunk of starts with the number of epochs done and
            the number of all.
        start: network and seed → its initial weights; if None those of the set-up.

    Raises:
        InputError: seeds or learning rates that cannot be, or what compiles is missing.
    """
    plan, done = chunks(model_config, config, seeds, learning_rates, TOGETHER), []
    check_data(model_config, data)
    if order is not None:
        order = check_order(order, len(data.train_x), len(seeds))
    starts, epochs = len(plan[0].seeds), 0
    all_epochs = len(plan) * (config.epochs if order is None else order.shape[1])
    with floatx(model_config.dtype):
        model = create_model(model_config, config.setup)
        loop = Loop(model, data, config, starts=starts)
        for chunk in plan:
            begun = []
            for seed in chunk.seeds:
                if start:
                    set_weights(model, start(model_config, seed))
                elif config.setup == "native":
                    model = create_model(model_config, config.setup, seed)
                else:
                    set_weights(model, initial_weights(model_config, seed, config.setup))
                begun.append(get_trained(model))
            stack = [np.stack(values, axis=-1) for values in zip(*begun, strict=True)]
            loop.load(stack, chunk.learning_rates)
            compile_seconds = 0.0
            losses, seconds = [], []
            for rows in chunk.orders(len(data.train_x), config.epochs, order):
                if not epochs:
                    compile_seconds = loop.compile(rows)
                begin = time.perf_counter()
                for part in batches(rows, config.batch_size):
                    loop.run(part, 0, len(part))
                losses.append(loop.take_loss() / rows.shape[1])
                seconds.append(time.perf_counter() - begin)
                epochs += 1
                if progress:
                    progress(epochs, all_epochs)
            ended = []
            for values in zip(*(np.moveaxis(a, -1, 0) for a in loop.arrays()), strict=True):
                set_trained(model, values)
                ended.append(get_weights(model))
            done.append(
                ManyResult(
                    seeds=chunk.seeds,
                    learning_rates=chunk.learning_rates,
                    loss=np.stack(losses, axis=1),
                    weights={name: np.stack([w[name] for w in ended]) for name in ended[0]},
                    train_prediction=predictions(loop.predict, data.train_x, starts, model_config),
                    test_prediction=predictions(loop.predict, data.test_x, starts, model_config),
                    seconds=seconds,
                    compile_seconds=compile_seconds,
                )
            )
    return join(done, len(seeds))
