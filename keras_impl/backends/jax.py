"""Training steps as one compiled call on JAX: a loop under `jax.jit`, all of it one XLA program."""

import contextlib
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from attention_twins.in_keras.kinds import unrolled
from keras_impl import loop

Values = Sequence[jax.Array | None]
State = tuple[Values, Values, Values]
"""Values of what is trained, of what is not, of the optimizer's variables."""


class Loop(loop.Loop):
    """As keras_impl.loop.Loop, with the values of variables in `_state` meanwhile."""

    def _prepare(self) -> None:
        x, y = jnp.asarray(self.data.train_x), jnp.asarray(self.data.train_y)
        gradient = jax.value_and_grad(self._loss_of, has_aux=True)
        if self.many:
            gradient = jax.vmap(gradient, (-1, None, 0, 0), ((0, None), -1))

        def steps(
            state: State, total: jax.Array, rows: jax.Array, begin: int, end: int
        ) -> tuple[State, jax.Array]:
            def step(k: jax.Array, done: tuple[State, jax.Array]) -> tuple[State, jax.Array]:
                (values, others, slots), total = done
                (loss, others), gradients = gradient(values, others, x[rows[k]], y[rows[k]])
                values, slots = self.optimizer.stateless_apply(slots, gradients, values)
                return (values, others, slots), total + loss * rows.shape[-1]

            return jax.lax.fori_loop(begin, end, step, (state, total))

        self._steps = jax.jit(steps)
        self._predict = jax.jit(jax.vmap(self._output_of, (-1, None, None)))
        self._variables = (self.trained, self.unseen, self.optimizer.variables)
        self.fetch()

    def _written_out(self) -> contextlib.AbstractContextManager[None]:
        """Of many kernels at once XLA would make a grouped convolution, which it is slow at."""
        return unrolled(self.model, "conv1d") if self.many else contextlib.nullcontext()

    def fetch(self) -> None:
        values, others, slots = ([v.value for v in part] for part in self._variables)
        self._state = values, others, slots

    def run(self, rows: np.ndarray, begin: int, end: int) -> None:
        with self._written_out():
            given = rows.astype(np.int32), begin, end
            self._state, self.total = self._steps(self._state, self.total, *given)

    def store(self) -> None:
        for variables, values in zip(self._variables, self._state, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)

    def predict(self, x: np.ndarray) -> np.ndarray:
        with self._written_out():
            return np.asarray(self._predict(*self._state[:2], x))
