"""Training steps of any network in PyTorch. Mirror: in_keras/steps.py."""

import time
from collections.abc import Callable, Collection

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from attention_twins.in_torch.keras_steps import follow_keras
from attention_twins.in_torch.optimizer import (
    create_optimizer,
    get_state,
    set_state,
)
from attention_twins.in_torch.runtime import floatx
from attention_twins.in_torch.weights import get_weights, set_weights
from attention_twins.subject import Rows
from attention_twins.training import FitResult, Snapshot, Training

LOSSES = {
    "mse": functional.mse_loss,
    "mae": functional.l1_loss,
    "bce": functional.binary_cross_entropy_with_logits,
    "ce": functional.cross_entropy,
}
"""Name of a loss → function of outputs and targets."""


def fit(
    model: nn.Module,
    data: Rows,
    config: Training,
    order: np.ndarray,
    progress: Callable[[int, float], bool | None] | None = None,
    resume_from: Snapshot | None = None,
    snapshots: Collection[int] = (),
) -> FitResult:
    """Train a network in the steps that Keras takes.

    Args:
        model: the network; its weights are changed in place.
        data: training rows, in the network's dtype.
        config: batch size, optimizer and loss.
        order: rows in the order of training, int (epochs, rows).
        progress: called after every epoch with the number of epochs done and the loss; training
            ends if it returns True.
        resume_from: go on from these weights and this state, of either framework.
        snapshots: steps of this training after which to keep weights and state, from 1.

    Raises:
        InputError: weights or state that do not fit.
    """
    losses, seconds, kept, wanted = [], [], {}, frozenset(snapshots)
    dtype = np.dtype(str(next(model.parameters()).dtype).removeprefix("torch."))
    with floatx(dtype.name):
        optimizer = prepare(model, config, resume_from)
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
        state = get_state(model, optimizer, config)
    return FitResult(
        weights=get_weights(model), state=state, loss=losses, seconds=seconds, snapshots=kept
    )


def prepare(
    model: nn.Module, config: Training, resume_from: Snapshot | None
) -> torch.optim.Optimizer:
    """Make a network ready to be trained, or to go on from a snapshot; its optimizer.

    Raises:
        InputError: weights or state that do not fit.
    """
    model.to(config.device)
    model.train()
    optimizer = create_optimizer(model, config)
    if resume_from is not None:
        set_weights(model, resume_from.weights)
        set_state(model, optimizer, config, resume_from.state)
    return optimizer
