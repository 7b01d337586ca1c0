"""Training steps as one compiled call, in Keras 3. Mirror: torch_impl/loop.py."""

import abc
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from jaxtyping import Float, Integer

from attention_twins.in_keras.optimizer import create_many_optimizer, get_state
from attention_twins.in_keras.runtime import Tensor
from attention_twins.in_keras.steps import LOSSES
from attention_twins.in_keras.weights import get_weights
from attention_twins.training import Snapshot
from keras_impl.seq2seq import teacher_forced
from shared.config import TrainConfig
from shared.data import Data


class Loop(abc.ABC):
    """Training steps of a network, or of many seeds of it at once, as one compiled call.

    Args:
        model: the network.
        data: training rows.
        config: batch size, optimizer, loss and set-up.
        optimizer: what trains the network; None for many seeds.
        seeds: how many, S; None for the network itself.

    Shape:
        rows of batches (K, B), or (K, S, B); arrays of many seeds have these as their last axis.

    Raises:
        InputError: what compiles is missing, or cannot take the network.
    """

    def __init__(
        self,
        model: keras.Model,
        data: Data,
        config: TrainConfig,
        optimizer: keras.Optimizer | None = None,
        seeds: int | None = None,
    ) -> None:
        self.model, self.config, self.many = model, config, seeds is not None
        self.data, self.loss = teacher_forced(model, data), LOSSES[config.loss]()
        self.trained: list[keras.Variable] = model.trainable_variables
        if seeds is not None:
            self.trained = [
                keras.Variable(np.zeros((*v.shape, seeds)), dtype=v.dtype, name=v.name)
                for v in self.trained
            ]
            optimizer, self._rates = create_many_optimizer(self.trained, config)
        assert optimizer is not None
        self.optimizer = optimizer
        self.unseen = model.non_trainable_variables
        """What the network draws random numbers from."""
        shape = () if seeds is None else (seeds,)
        self.total = self.nothing = keras.ops.zeros(shape, self.trained[0].dtype)
        self._prepare()

    def load(self, arrays: Sequence[np.ndarray], rates: Sequence[float]) -> None:
        """Begin many seeds with these values of what is trained, at these learning rates."""
        for slot in self.optimizer.variables:
            slot.assign(np.zeros(slot.shape))
        self._rates.assign(np.array(rates))
        for variable, array in zip(self.trained, arrays, strict=True):
            variable.assign(array)
        self.total = self.nothing
        self.fetch()

    @abc.abstractmethod
    def _prepare(self) -> None:
        """Make what `run` and `predict` call."""

    def _loss_of(
        self, values: list[Tensor], others: list[Tensor], x: Tensor, y: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """The loss on a batch for these values of `trained` and `unseen`, and `unseen` after it."""
        called: Any = self.model.stateless_call(
            values, others, x, training=True, return_losses=True
        )
        output, others, losses = called
        return self.loss(y, output) + sum(losses), others

    def _output_of(self, values: list[Tensor], others: list[Tensor], x: Tensor) -> Tensor:
        """What the network makes of a batch for these values of `trained` and `unseen`."""
        return self.model.stateless_call(values, others, x)[0]

    @abc.abstractmethod
    def fetch(self) -> None:
        """Go on from what the variables are."""

    @abc.abstractmethod
    def run(self, rows: Integer[np.ndarray, "K ..."], begin: int, end: int) -> None:
        """Take the steps from `begin` to `end` on batches of rows; from 0 to 0 only compile."""

    def take_loss(self) -> Float[np.ndarray, "..."]:
        """The sum of the loss over all rows since the last time, () or (S,)."""
        total = np.asarray(keras.ops.convert_to_numpy(self.total), np.float64)
        self.total = self.nothing
        return total

    @abc.abstractmethod
    def store(self) -> None:
        """Bring the network and its optimizer up to date."""

    def snapshot(self) -> Snapshot:
        """Weights and state after the last step."""
        self.store()
        state = get_state(self.model, self.optimizer, self.config)
        return Snapshot(get_weights(self.model), state)

    def arrays(self) -> list[np.ndarray]:
        """The values of what is trained, of many seeds."""
        self.store()
        return [np.array(keras.ops.convert_to_numpy(variable)) for variable in self.trained]

    @abc.abstractmethod
    def predict(self, x: Float[np.ndarray, "B T F"]) -> Float[np.ndarray, "S B D"]:
        """What many seeds make of rows."""
