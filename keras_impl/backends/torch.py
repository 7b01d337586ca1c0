"""Training steps as one compiled call on Keras's torch backend.

Keras itself leaves torch.compile off here. What it would do in a step, with its own optimizer, is
recorded by PyTorch, and the loop around it compiled to C++, as torch_impl/loop.py does. Keras on
torch is PyTorch: so this one file of keras_impl may import torch_impl/inductor.py.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from attention_twins.errors import InputError
from attention_twins.in_keras.kinds import unrolled
from keras_impl import loop
from torch_impl import inductor


class Loop(loop.Loop):
    """As keras_impl.loop.Loop.

    Raises:
        InputError: no C++ compiler, or the network changes more than its trained variables.
    """

    def _prepare(self) -> None:
        inductor.check_compiler()
        names = {variable.path.split("/")[-1] for variable in self.unseen}
        if names - {"seed_generator_state"}:
            raise InputError("model must have no state beside its weights to be compiled")
        self._variables = [*self.trained, *self.optimizer.variables]
        device = self.trained[0].value.device
        rows = (self.data.train_x, self.data.train_y)
        self._x, self._y = (torch.tensor(array, device=device) for array in rows)
        self._others = [variable.value for variable in self.unseen]
        self._compiled: dict[tuple[int, ...], inductor.Run] = {}
        self.fetch()

    def fetch(self) -> None:
        self._state = [v.value.detach().clone() for v in self._variables]

    def run(self, rows: np.ndarray, begin: int, end: int) -> None:
        order = torch.tensor(rows, device=self._x.device)
        with torch.no_grad():
            if rows.shape not in self._compiled:
                self._compiled[rows.shape] = inductor.compiled(self._recorded(order))
            state = self._compiled[rows.shape](begin, end, [order], [self.total, *self._state])
            self.total, *self._state = state

    def _recorded(self, order: Tensor) -> inductor.Step:
        """A function of k, the order and the state → the state after batch k."""

        def loss_of(values: list[Tensor], x: Tensor, y: Tensor) -> Tensor:
            return self._loss_of(values, self._others, x, y)[0]

        gradient = torch.func.grad_and_value(loss_of)
        if self.many:
            gradient = torch.func.vmap(gradient, (-1, 0, 0), (-1, 0))

        def step(state: list[Tensor], x: Tensor, y: Tensor) -> list[Tensor]:
            total, *state = (tensor.clone() for tensor in state)  # Keras changes them in place
            values, slots = state[: len(self.trained)], state[len(self.trained) :]
            gradients, loss = gradient(values, x, y)
            applied: Any = self.optimizer.stateless_apply(slots, gradients, values)
            return [total + loss * x.shape[-3], *applied[0], *applied[1]]

        with unrolled(self.model):
            example = [[self.total, *self._state], self._x[order[0]], self._y[order[0]]]
            recorded = inductor.make_fx(torch.func.functionalize(step))(*example)

        def of_batch(k: Tensor, given: list[Tensor], state: list[Tensor]) -> list[Tensor]:
            rows = given[0].index_select(0, k.reshape(1))[0]
            return recorded(state, self._x[rows], self._y[rows])

        return of_batch

    def store(self) -> None:
        for variable, value in zip(self._variables, self._state, strict=True):
            variable.assign(value)

    def predict(self, x: np.ndarray) -> np.ndarray:
        rows = torch.tensor(x, device=self._x.device)
        with torch.no_grad(), unrolled(self.model):
            predict = torch.func.vmap(self._output_of, (-1, None, None))
            values = self._state[: len(self.trained)]
            return predict(values, self._others, rows).numpy(force=True)
