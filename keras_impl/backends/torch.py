"""Training steps as one compiled call on Keras's torch backend.

Keras itself leaves torch.compile off here. What it would do in a step, with its own optimizer, is
recorded by PyTorch, and the loop around it compiled to C++, as torch_impl/loop.py does. Keras on
torch is PyTorch: so this one file of keras_impl may import torch_impl/inductor.py.
"""

from typing import Any

import numpy as np
import torch

from attention_twins.errors import InputError
from attention_twins.in_keras.kinds import unrolled
from keras_impl import loop
from torch_impl import inductor


class Loop(loop.Loop):
    """As keras_impl.loop.Loop.

    Raises:
        InputError: no C++ compiler, or the network changes more than its trained variables.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        inductor.check_compiler()
        super().__init__(*arguments, **options)
        names = {variable.path.split("/")[-1] for variable in self.unseen}
        if names - {"seed_generator_state"}:
            raise InputError("model must have no state beside its weights to be compiled")
        self._variables = [*self.trained, *self.optimizer.variables]
        device = self.trained[0].value.device
        rows = (self.data.train_x, self.data.train_y)
        self._x, self._y = (torch.tensor(array, device=device) for array in rows)
        self._others = [variable.value for variable in self.unseen]
        seeds = self.trained[0].shape[-1:] if self.many else ()
        self._nothing = torch.zeros(seeds, dtype=self.trained[0].value.dtype, device=device)
        self._compiled: dict[Any, Any] = {}
        self.fetch()

        def loss_of(values: Any, x: Any, y: Any) -> Any:
            called: Any = self.model.stateless_call(
                values, self._others, x, training=True, return_losses=True
            )
            return self.loss(y, called[0]) + sum(called[2])

        gradient = torch.func.grad_and_value(loss_of)
        if self.many:
            gradient = torch.func.vmap(gradient, (-1, 0, 0), (-1, 0))

        def step(state: Any, x: Any, y: Any) -> Any:
            total, *state = (tensor.clone() for tensor in state)  # Keras changes them in place
            values, slots = state[: len(self.trained)], state[len(self.trained) :]
            gradients, value = gradient(values, x, y)
            values, slots = self.optimizer.stateless_apply(slots, gradients, values)
            return [total + value * x.shape[-3], *values, *slots]

        self._step = step

    def fetch(self) -> None:
        """Go on from what the variables are."""
        self._state = [self._nothing, *(v.value.detach().clone() for v in self._variables)]

    def run(self, rows: np.ndarray, begin: int, end: int) -> None:
        """Take the steps from `begin` to `end`."""
        order = torch.tensor(rows, device=self._x.device)
        with torch.no_grad():
            if rows.shape not in self._compiled:
                self._compiled[rows.shape] = inductor.compiled(self._recorded(order))
            self._state = self._compiled[rows.shape](begin, end, [order], self._state)

    def _recorded(self, order: torch.Tensor) -> Any:
        """A function of k, the order and the state → the state after batch k."""
        with unrolled(self.model):
            example = [self._state, self._x[order[0]], self._y[order[0]]]
            recorded = inductor.make_fx(torch.func.functionalize(self._step))(*example)

        def step(k: Any, given: Any, state: Any) -> Any:
            rows = given[0].index_select(0, k.reshape(1))[0]
            return recorded(state, self._x[rows], self._y[rows])

        return step

    def take_loss(self) -> np.ndarray:
        """The loss since the last time."""
        total = self._state[0].numpy(force=True).astype(np.float64)
        self._state = [self._nothing, *self._state[1:]]
        return total

    def store(self) -> None:
        """Bring the variables up to date."""
        for variable, value in zip(self._variables, self._state[1:], strict=True):
            variable.assign(value)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """What many seeds make of rows."""

        def output(values: Any, x: Any) -> Any:
            return self.model.stateless_call(values, self._others, x)[0]

        rows = torch.tensor(x, device=self._x.device)
        with torch.no_grad(), unrolled(self.model):
            predict = torch.func.vmap(output, (-1, None))
            return predict(self._state[1 : 1 + len(self.trained)], rows).numpy(force=True)
