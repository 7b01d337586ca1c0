"""Training steps as one compiled call on TensorFlow: a `tf.function` that XLA compiles whole."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

import keras
import numpy as np
import tensorflow as tf

from attention_twins.in_keras.kinds import layers, unrolled
from attention_twins.in_keras.runtime import Tensor
from keras_impl import loop

Gradient = tuple[tf.Tensor, list[Tensor]]
"""A loss, and its gradient in each of what is trained."""

Found = TypeVar("Found")


class Loop(loop.Loop):
    """As keras_impl.loop.Loop."""

    def _prepare(self) -> None:
        x, y = tf.constant(self.data.train_x), tf.constant(self.data.train_y)
        others = [variable.value for variable in self.unseen]

        def gradient_of_one(given: list[tf.Tensor]) -> Gradient:
            x, y, *values = given
            with tf.GradientTape() as tape:
                tape.watch(values)
                loss, _ = self._loss_of(values, others, x, y)
            return loss, tape.gradient(loss, values)

        def gradient(x: tf.Tensor, y: tf.Tensor) -> Gradient:
            if self.many:
                loss, gradients = self._vectorized(gradient_of_one, x, y)
                return loss, [keras.ops.moveaxis(gradient, 0, -1) for gradient in gradients]
            values = [variable.value for variable in self.trained]
            with tf.GradientTape() as tape, self._without_cudnn():
                loss = self.loss(y, self.model(x, training=True)) + sum(self.model.losses)
            return loss, tape.gradient(loss, values)

        @tf.function(jit_compile=True)
        def steps(rows: Tensor, begin: tf.Tensor, end: tf.Tensor, total: tf.Tensor) -> tf.Tensor:
            k = begin
            while k < end:  # over tf.range(begin, end) XLA would compile anew for other bounds
                loss, gradients = gradient(tf.gather(x, rows[k]), tf.gather(y, rows[k]))
                self.optimizer.apply(gradients, self.trained)
                total += loss * rows.shape[-1]
                k += 1
            return total

        @tf.function(jit_compile=True)
        def predict(x: tf.Tensor) -> tf.Tensor:
            return self._vectorized(lambda values: self._output_of([*values], others, x))

        self._steps, self._predict = steps, predict

    def _vectorized(self, function: Callable[[list[tf.Tensor]], Found], *given: tf.Tensor) -> Found:
        """The function of what is given and the values of one seed, for all seeds."""
        values = [
            keras.ops.moveaxis(tf.convert_to_tensor(variable.value), -1, 0)
            for variable in self.trained
        ]
        # A while loop under it is more than XLA can take here.
        with unrolled(self.model):
            return tf.vectorized_map(function, (*given, *values), fallback_to_while_loop=False)

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

    def fetch(self) -> None:
        """Go on from what the variables are: here their own values are worked on."""

    def run(self, rows: np.ndarray, begin: int, end: int) -> None:
        first, last = tf.constant(begin), tf.constant(end)
        self.total = self._steps(tf.constant(rows, tf.int32), first, last, self.total)

    def store(self) -> None:
        """Bring the variables up to date: here they always are."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self._predict(tf.constant(x)).numpy()
