"""Training steps as one compiled call, in Keras 3. Mirror: torch_impl/loop.py."""

import importlib
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from attention_twins.errors import InputError
from attention_twins.in_keras.optimizer import create_many_optimizer
from keras_impl.seq2seq import taught
from keras_impl.training import LOSSES
from shared.config import TrainConfig
from shared.fibonacci import Data, batches


class Loop:
    """Training steps of a network, or of many starts of it at once, as one compiled call.

    Args:
        model: the network.
        data: training rows.
        config: batch size, optimizer, loss and set-up.
        optimizer: what trains the network; None for many starts.
        starts: how many, S; None for the network itself.

    Shape:
        rows of batches (K, B), or (K, S, B); arrays of many starts have these as their last axis.

    Raises:
        InputError: what compiles is missing, or cannot take the network.
    """

    def __init__(
        self,
        model: keras.Model,
        data: Data,
        config: TrainConfig,
        optimizer: Any = None,
        starts: int | None = None,
    ) -> None:
        self._stack: list[keras.Variable] = []
        self._size = config.batch_size
        if starts is not None:
            self._stack = [
                keras.Variable(np.zeros((*v.shape, starts)), dtype=v.dtype, name=v.name)
                for v in model.trainable_variables
            ]
            optimizer, self._rates = create_many_optimizer(self._stack, config)
        self._optimizer = optimizer
        backend = importlib.import_module(f"keras_impl.backends.{keras.backend.backend()}")
        self._steps = backend.Steps(
            model, optimizer, LOSSES[config.loss](), taught(model, data), self._stack or None
        )

    def load(self, arrays: Sequence[np.ndarray], rates: Sequence[float]) -> None:
        """Begin many starts with these values of what is trained, at these learning rates."""
        for slot in self._optimizer.variables:
            slot.assign(np.zeros(slot.shape))
        self._rates.assign(np.array(rates))
        for variable, array in zip(self._stack, arrays, strict=True):
            variable.assign(array)
        self._steps.load()

    def compile(self, order: np.ndarray) -> float:
        """Compile for epochs like this one, (rows,) or (S, rows), without a step; seconds."""
        begin = time.perf_counter()
        try:
            for part in batches(order, self._size):
                self._steps.run(part, 0, 0)
        except (RuntimeError, OSError) as error:  # of the network, the compiler or its caches
            said = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise InputError(f"model cannot be compiled here: {said}") from error
        self.take_loss()
        return time.perf_counter() - begin

    def run(self, rows: np.ndarray, begin: int, end: int) -> None:
        """Take the steps from `begin` to `end` on batches of rows."""
        self._steps.run(rows, begin, end)

    def take_loss(self) -> np.ndarray:
        """The sum of the loss over all rows since the last time, () or (S,)."""
        return self._steps.take_loss()

    def store(self) -> None:
        """Bring the network and its optimizer up to date."""
        self._steps.store()

    def arrays(self) -> list[np.ndarray]:
        """The values of what is trained, of many starts."""
        self._steps.store()
        return [np.array(keras.ops.convert_to_numpy(variable)) for variable in self._stack]

    def predict(self, x: np.ndarray) -> np.ndarray:
        """What many starts make of rows (B, T, F), as an array (S, B, D)."""
        return self._steps.predict(x)
