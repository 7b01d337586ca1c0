"""Training steps as one compiled call on Keras's torch backend.

Keras itself leaves torch.compile off here. What it would do in a step, with its own optimizer, is
recorded by PyTorch (make_fx), and the loop around it compiled to C++, as torch_impl/loop.py does.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import torch
from torch._higher_order_ops import while_loop
from torch._inductor.cpp_builder import get_cpp_compiler
from torch._inductor.exc import InvalidCxxCompiler
from torch.fx.experimental.proxy_tensor import make_fx

from attention_twins.errors import InputError
from attention_twins.in_keras.kinds import unrolled
from keras_impl.inductor import inductor
from shared.fibonacci import Data


class Steps:
    """Training steps of a network, or of many starts of it at once, as one compiled call.

    Args:
        model: the network.
        optimizer: built on what is trained.
        loss: function of targets and outputs.
        data: training rows.
        stack: what is trained in place of the network's variables: for each of them one that has
            the starts as its last axis.

    Raises:
        InputError: no C++ compiler, or the network changes more than its trained variables.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: Any,
        loss: Any,
        data: Data,
        stack: Sequence[keras.Variable] | None = None,
    ) -> None:
        check_compiler()
        names = {variable.path.split("/")[-1] for variable in model.non_trainable_variables}
        if names - {"seed_generator_state"}:
            raise InputError("model must have no state beside its weights to be compiled")
        self.model, self.many = model, stack is not None
        self._variables = [*(stack or model.trainable_variables), *optimizer.variables]
        trained = len(model.trainable_variables)
        device = self._variables[0].value.device
        self._x, self._y = (torch.tensor(a, device=device) for a in (data.train_x, data.train_y))
        self._others = [variable.value for variable in model.non_trainable_variables]
        starts = self._variables[0].shape[-1:] if self.many else ()
        self._nothing = torch.zeros(starts, dtype=self._variables[0].value.dtype, device=device)
        self._compiled: dict[Any, Any] = {}
        self.load()

        def loss_of(values: Any, x: Any, y: Any) -> Any:
            called: Any = model.stateless_call(
                values, self._others, x, training=True, return_losses=True
            )
            return loss(y, called[0]) + sum(called[2])

        gradient = torch.func.grad_and_value(loss_of)
        if self.many:
            gradient = torch.func.vmap(gradient, (-1, 0, 0), (-1, 0))

        def step(state: Any, x: Any, y: Any) -> Any:
            total, *state = (tensor.clone() for tensor in state)  # Keras changes them in place
            values, slots = state[:trained], state[trained:]
            gradients, value = gradient(values, x, y)
            values, slots = optimizer.stateless_apply(slots, gradients, values)
            return [total + value * x.shape[-3], *values, *slots]

        self._step = step

    def load(self) -> None:
        """Start from what the variables are."""
        self._state = [self._nothing, *(v.value.detach().clone() for v in self._variables)]

    def run(self, rows: np.ndarray, begin: int, end: int) -> None:
        """Take the steps from `begin` to `end`, on batches of rows (K, B), or (K, starts, B).

        From 0 to 0 only compiles.
        """
        order = torch.tensor(rows, device=self._x.device)
        # Of many networks in one process.
        with torch.no_grad(), torch._dynamo.config.patch(recompile_limit=10_000):
            if rows.shape not in self._compiled:
                self._compiled[rows.shape] = self._compile(order)
            run = self._compiled[rows.shape]
            self._state = run(order, torch.tensor(begin), torch.tensor(end), self._state)

    def _compile(self, order: torch.Tensor) -> Any:
        """The loop over batches of such a shape."""
        with unrolled(self.model):
            example = [self._state, self._x[order[0]], self._y[order[0]]]
            recorded = make_fx(torch.func.functionalize(self._step))(*example)

        def run(order: Any, begin: Any, end: Any, state: Any) -> Any:
            def unfinished(k: Any, *state: Any) -> Any:
                return k < end

            def step(k: Any, *state: Any) -> Any:
                rows = order.index_select(0, k.reshape(1))[0]
                return (k + 1, *recorded([*state], self._x[rows], self._y[rows]))

            return [*while_loop(unfinished, step, (begin.clone(), *state))][1:]

        return torch.compile(run, fullgraph=True, dynamic=False, backend=inductor)

    def take_loss(self) -> np.ndarray:
        """The sum of the loss over all rows since the last time, one for each start."""
        total = self._state[0].numpy(force=True).astype(np.float64)
        self._state = [self._nothing, *self._state[1:]]
        return total

    def store(self) -> None:
        """Bring the variables up to date."""
        for variable, value in zip(self._variables, self._state[1:], strict=True):
            variable.assign(value)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """What many starts make of rows (B, T, F), as an array (S, B, D)."""

        def output(values: Any, x: Any) -> Any:
            return self.model.stateless_call(values, self._others, x)[0]

        trained = len(self.model.trainable_variables)
        rows = torch.tensor(x, device=self._x.device)
        with torch.no_grad(), unrolled(self.model):
            predict = torch.func.vmap(output, (-1, None))
            return predict(self._state[1 : 1 + trained], rows).numpy(force=True)


def check_compiler() -> None:
    """Raise InputError unless there is a C++ compiler."""
    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise InputError(
            "torch.compile needs a C++ compiler, g++ or clang++; found none"
        ) from error
