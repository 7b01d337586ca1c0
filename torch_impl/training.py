"""Training as the users of PyTorch write it. Mirror: keras_impl/training.py."""

import time
from collections.abc import Callable, Collection

import numpy as np
import torch
from torch import nn

from attention_twins.errors import InputError
from attention_twins.in_torch.keras_steps import follow_keras
from attention_twins.in_torch.optimizer import create_optimizer, get_state, set_state
from attention_twins.in_torch.runtime import floatx
from attention_twins.in_torch.steps import LOSSES
from attention_twins.in_torch.weights import get_weights, set_weights
from attention_twins.training import FitResult, Snapshot
from shared.config import TrainConfig
from shared.data import Data, batch_order
from torch_impl.seq2seq import teacher_forced


def fit(
    model: nn.Module,
    data: Data,
    config: TrainConfig,
    order: np.ndarray | None = None,
    progress: Callable[[int, float], bool | None] | None = None,
    resume_from: Snapshot | None = None,
    snapshots: Collection[int] = (),
) -> FitResult:
    """Train a network, by one call or one loop as users do.

    Args:
        model: the network; its weights are changed in place.
        data: training rows, in the network's dtype.
        config: batch size, optimizer, loss and set-up; epochs and seed if `order` is not given.
        order: rows of the training set in the order of training, int (epochs, rows);
            `batch_order(rows, epochs, seed)` if None.
        progress: called after every epoch with the number of epochs done and the loss; training
            ends if it returns True.
        resume_from: weights and optimizer state to go on with, of either framework.
        snapshots: steps of this training after which to keep weights and state, from 1.

    Returns:
        Losses, seconds, weights and state; in the twin set-up equal on both sides up to rounding.

    Raises:
        InputError: a snapshot that does not fit, or one for another set-up than twin.
    """
    if order is None:
        order = batch_order(len(data.train_x), config.epochs, config.seed)
    data, wanted = teacher_forced(model, data), frozenset(snapshots)
    losses, seconds, kept = [], [], {}
    dtype = np.dtype(str(next(model.parameters()).dtype).removeprefix("torch."))
    with floatx(dtype.name):
        model.to(config.device)
        model.train()
        optimizer = create_optimizer(model, config)
        if resume_from is not None:
            resume(model, optimizer, config, resume_from)
        x = torch.tensor(data.train_x, device=config.device)
        y = torch.tensor(data.train_y, device=config.device)
        before = step = 0 if resume_from is None else int(resume_from.state.get("t", 0))
        for rows in torch.tensor(order, device=config.device):
            begin = time.perf_counter()
            total = torch.zeros((), device=config.device)
            batches = torch.split(rows, config.batch_size)
            steps = range(step + 1, step + 1 + len(batches))
            if config.like_keras:
                steps = follow_keras(optimizer, steps, config, dtype)
            for step, batch in zip(steps, batches, strict=True):
                optimizer.zero_grad()
                loss = LOSSES[config.loss](model(x[batch]), y[batch])
                loss.backward()
                optimizer.step()
                total += loss.detach() * len(batch)
                if step - before in wanted:
                    state = get_state(model, optimizer, config)
                    kept[step - before] = Snapshot(get_weights(model), state)
            losses.append(total.item() / len(rows))
            seconds.append(time.perf_counter() - begin)
            if progress and progress(len(losses), losses[-1]):
                break
    return FitResult(
        weights=get_weights(model),
        state=get_state(model, optimizer, config),
        loss=losses,
        seconds=seconds,
        compile_seconds=0.0,
        snapshots=kept,
    )


def resume(
    model: nn.Module, optimizer: torch.optim.Optimizer, config: TrainConfig, snapshot: Snapshot
) -> None:
    """Load the weights and the optimizer state of a snapshot.

    Raises:
        InputError: the snapshot does not fit, or the set-up is another than twin.
    """
    if config.setup != "twin":
        raise InputError(f"setup must be twin to resume a training, got {config.setup!r}")
    set_weights(model, snapshot.weights)
    set_state(model, optimizer, config, snapshot.state)
