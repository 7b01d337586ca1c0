"""Training steps as one compiled call on TensorFlow: a `tf.function` that XLA compiles whole."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from attention_twins.in_keras.kinds import layers, unrolled
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
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: Any,
        loss: Any,
        data: Data,
        stack: Sequence[keras.Variable] | None = None,
    ) -> None:
        self.model, self.many = model, stack is not None
        variables = stack or model.trainable_variables
        self._variables = variables
        x, y = tf.constant(data.train_x), tf.constant(data.train_y)
        others = [variable.value for variable in model.non_trainable_variables]

        def gradient_of_one(arguments: Any) -> Any:
            x, y, *values = arguments
            with tf.GradientTape() as tape:
                tape.watch(values)
                called: Any = model.stateless_call(
                    values, others, x, training=True, return_losses=True
                )
                value = loss(y, called[0]) + sum(called[2])
            return value, tape.gradient(value, values)

        def gradient(x: Any, y: Any) -> Any:
            if self.many:
                return self._vectorized(gradient_of_one, x, y)
            values = [variable.value for variable in variables]
            with tf.GradientTape() as tape, self._without_cudnn():
                value = loss(y, model(x, training=True)) + sum(model.losses)
            return value, tape.gradient(value, values)

        @tf.function(jit_compile=True)
        def steps(rows: Any, begin: Any, end: Any, total: Any) -> Any:
            k = begin
            while k < end:  # over tf.range(begin, end) XLA would compile anew for other bounds
                loss, gradients = gradient(tf.gather(x, rows[k]), tf.gather(y, rows[k]))
                optimizer.apply(gradients, variables)
                total += loss * rows.shape[-1]
                k += 1
            return total

        self._steps = steps
        starts = variables[0].shape[-1:] if self.many else ()
        self._nothing = self._total = tf.zeros(starts, variables[0].dtype)
        self._predict: Any = None

    def load(self) -> None:
        """Start from what the variables are: here their own values are worked on."""
        self._total = self._nothing

    @contextlib.contextmanager
    def _without_cudnn(self) -> Iterator[None]:
        """On a GPU Keras's LSTM and GRU call a kernel of cuDNN's, which XLA cannot take."""
        found = [layer.module for layer in layers(self.model)]
        before = [(module, module.use_cudnn) for module in found if hasattr(module, "use_cudnn")]
        for module, _ in before:
            module.use_cudnn = False
        try:
            yield
        finally:
            for module, value in before:
                module.use_cudnn = value

    def _vectorized(self, function: Any, *arguments: Any) -> Any:
        """The function of one start's values, for all starts; gradients as the variables are."""
        values = [
            keras.ops.moveaxis(tf.convert_to_tensor(variable.value), -1, 0)
            for variable in self._variables
        ]
        # A while loop under it is more than XLA can take here.
        with unrolled(self.model):
            value, gradients = tf.vectorized_map(
                function, (*arguments, *values), fallback_to_while_loop=False
            )
        return value, [keras.ops.moveaxis(gradient, 0, -1) for gradient in gradients]

    def run(self, rows: np.ndarray, begin: int, end: int) -> None:
        """Take the steps from `begin` to `end`, on batches of rows (K, B), or (K, starts, B).

        From 0 to 0 only compiles.
        """
        first, last = tf.constant(begin), tf.constant(end)
        self._total = self._steps(tf.constant(rows, tf.int32), first, last, self._total)

    def take_loss(self) -> np.ndarray:
        """The sum of the loss over all rows since the last time, one for each start."""
        total = np.asarray(self._total, np.float64)
        self._total = self._nothing
        return total

    def store(self) -> None:
        """Bring the variables up to date: here they always are."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        """What many starts make of rows (B, T, F), as an array (S, B, D)."""
        if self._predict is None:
            others = [variable.value for variable in self.model.non_trainable_variables]

            @tf.function(jit_compile=True)
            def output(x: Any) -> Any:
                def of_one(values: Any) -> Any:
                    return self.model.stateless_call(values, others, x)[0], ()

                return self._vectorized(lambda values: of_one(list(values)))[0]

            self._predict = output
        return self._predict(tf.constant(x)).numpy()
