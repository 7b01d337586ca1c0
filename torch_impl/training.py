"""Training as the users of PyTorch write it. Mirror: keras_impl/training.py."""

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from shared.config import TrainConfig
from shared.fibonacci import Data, batch_order
from shared.results import FitResult
from torch_impl.weights import get_weights


def fit(
    model: nn.Sequential,
    data: Data,
    config: TrainConfig,
    order: np.ndarray | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> FitResult:
    """Train a network on the mean squared error with Adam, one call or one loop as users do.

    Args:
        model: the network; its weights are changed in place.
        data: training rows, in the network's dtype.
        config: batch size, learning rate and set-up; epochs and seed if `order` is not given.
        order: rows of the training set in the order of training, int (epochs, rows);
            `batch_order(rows, epochs, seed)` if None.
        progress: called after every epoch with the number of epochs done and the loss.

    Returns:
        Losses, seconds and weights; in the twin set-up equal on both sides up to rounding.
    """
    if order is None:
        order = batch_order(len(data.train_x), config.epochs, config.seed)
    losses, seconds = [], []
    model.to(config.device)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=config.learning_rate)
    x = torch.tensor(data.train_x, device=config.device)
    y = torch.tensor(data.train_y, device=config.device)
    step = 0
    for rows in torch.tensor(order, device=config.device):
        start = time.perf_counter()
        total = torch.zeros((), dtype=y.dtype, device=config.device)
        for batch in torch.split(rows, config.batch_size):
            step += 1
            if config.setup == "twin":
                follow_keras_adam(optimizer, step, config, data.train_x.dtype)
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(batch)
        losses.append(total.item() / len(rows))
        seconds.append(time.perf_counter() - start)
        if progress:
            progress(len(losses), losses[-1])
    return FitResult(losses, seconds, 0.0, get_weights(model))


def follow_keras_adam(
    optimizer: torch.optim.Adam, step: int, config: TrainConfig, dtype: np.dtype
) -> None:
    """Set lr and eps so that PyTorch's Adam takes the step that Keras's would take.

        Keras:   θ −= a · m / (√v + ε),  a = lr · √(1 − β₂ᵗ) / (1 − β₁ᵗ)
        PyTorch: θ −= lr_t / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + eps_t)

    are equal for lr_t = a · (1 − β₁ᵗ) / √(1 − β₂ᵗ) and eps_t = ε / √(1 − β₂ᵗ). Keras computes a
    in the type of the weights; on TensorFlow it rounds β₁ and β₂ to float32 before that.

    Args:
        optimizer: PyTorch's Adam with its default betas.
        step: t, the number of the step to take, from 1.
        config: learning rate, and the Keras backend to follow.
        dtype: floating-point type of the weights.

    References:
        Kingma & Ba 2015 (arXiv 1412.6980); Keras's form is the one at the end of section 2.
    """
    number = dtype.type
    beta_1, beta_2 = optimizer.defaults["betas"]
    rounded = np.float32 if config.keras_backend == "tensorflow" else number
    power_1 = number(rounded(beta_1)) ** number(step)
    power_2 = number(rounded(beta_2)) ** number(step)
    a = number(config.learning_rate) * np.sqrt(1 - power_2) / (1 - power_1)
    correction_1 = 1 - beta_1**step
    correction_2 = (1 - beta_2**step) ** 0.5
    for group in optimizer.param_groups:
        group["lr"] = float(a) * correction_1 / correction_2
        group["eps"] = 1e-7 / correction_2
