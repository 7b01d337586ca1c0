"""Training steps as one compiled call on JAX: a loop under `jax.jit`, all of it one XLA program."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from attention_twins.in_keras.kinds import unrolled
from keras_impl import loop


class Loop(loop.Loop):
    """As keras_impl.loop.Loop."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Of many kernels at once XLA would make a grouped convolution, which it is slow at.
        self._written = ("conv1d",) if self.many else ("none",)
        x, y = jnp.asarray(self.data.train_x), jnp.asarray(self.data.train_y)

        def loss_of(values: Any, others: Any, x: Any, y: Any) -> Any:
            with unrolled(self.model, *self._written):
                called: Any = self.model.stateless_call(
                    values, others, x, training=True, return_losses=True
                )
            return self.loss(y, called[0]) + sum(called[2]), called[1]

        gradient = jax.value_and_grad(loss_of, has_aux=True)
        if self.many:
            gradient = jax.vmap(gradient, (-1, None, 0, 0), ((0, None), -1))

        def steps(state: Any, rows: Any, begin: Any, end: Any) -> Any:
            def step(k: Any, state: Any) -> Any:
                values, others, slots, total = state
                (loss, others), gradients = gradient(values, others, x[rows[k]], y[rows[k]])
                values, slots = self.optimizer.stateless_apply(slots, gradients, values)
                return values, others, slots, total + loss * rows.shape[-1]

            return jax.lax.fori_loop(begin, end, step, state)

        self._steps = jax.jit(steps)
        self._variables = (self.trained, self.unseen, self.optimizer.variables)
        seeds = self.trained[0].shape[-1:] if self.many else ()
        self._nothing = jnp.zeros(seeds, self.trained[0].dtype)
        self._predict: Any = None
        self.fetch()

    def fetch(self) -> None:
        """Go on from what the variables are."""
        values, others, slots = ([v.value for v in part] for part in self._variables)
        self._state = values, others, slots, self._nothing

    def run(self, rows: np.ndarray, begin: int, end: int) -> None:
        """Take the steps from `begin` to `end`."""
        self._state = self._steps(self._state, rows.astype(np.int32), begin, end)

    def take_loss(self) -> np.ndarray:
        """The loss since the last time."""
        total = np.asarray(self._state[3], np.float64)
        self._state = *self._state[:3], self._nothing
        return total

    def store(self) -> None:
        """Bring the variables up to date."""
        for variables, values in zip(self._variables, self._state[:3], strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """What many seeds make of rows."""
        if self._predict is None:

            def output(values: Any, others: Any, x: Any) -> Any:
                with unrolled(self.model, *self._written):
                    return self.model.stateless_call(values, others, x)[0]

            self._predict = jax.jit(jax.vmap(output, (-1, None, None)))
        return np.asarray(self._predict(*self._state[:2], x))
