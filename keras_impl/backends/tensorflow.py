"""Training steps as one compiled call on TensorFlow: a `tf.function` that XLA compiles whole."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from attention_twins.in_keras.kinds import layers, unrolled
from keras_impl import loop


class Loop(loop.Loop):
    """As keras_impl.loop.Loop."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        x, y = tf.constant(self.data.train_x), tf.constant(self.data.train_y)
        others = [variable.value for variable in self.unseen]

        def gradient_of_one(arguments: Any) -> Any:
            x, y, *values = arguments
            with tf.GradientTape() as tape:
                tape.watch(values)
                called: Any = self.model.stateless_call(
                    values, others, x, training=True, return_losses=True
                )
                value = self.loss(y, called[0]) + sum(called[2])
            return value, tape.gradient(value, values)

        def gradient(x: Any, y: Any) -> Any:
            if self.many:
                return self._vectorized(gradient_of_one, x, y)
            values = [variable.value for variable in self.trained]
            with tf.GradientTape() as tape, self._without_cudnn():
                value = self.loss(y, self.model(x, training=True)) + sum(self.model.losses)
            return value, tape.gradient(value, values)

        @tf.function(jit_compile=True)
        def steps(rows: Any, begin: Any, end: Any, total: Any) -> Any:
            k = begin
            while k < end:  # over tf.range(begin, end) XLA would compile anew for other bounds
                loss, gradients = gradient(tf.gather(x, rows[k]), tf.gather(y, rows[k]))
                self.optimizer.apply(gradients, self.trained)
                total += loss * rows.shape[-1]
                k += 1
            return total

        self._steps = steps
        seeds = self.trained[0].shape[-1:] if self.many else ()
        self._nothing = self._total = tf.zeros(seeds, self.trained[0].dtype)
        self._predict: Any = None

    def fetch(self) -> None:
        """Go on from what the variables are: here their own values are worked on."""
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
        """The function of one seed's values, for all seeds; gradients as the variables are."""
        values = [
            keras.ops.moveaxis(tf.convert_to_tensor(variable.value), -1, 0)
            for variable in self.trained
        ]
        # A while loop under it is more than XLA can take here.
        with unrolled(self.model):
            value, gradients = tf.vectorized_map(
                function, (*arguments, *values), fallback_to_while_loop=False
            )
        return value, [keras.ops.moveaxis(gradient, 0, -1) for gradient in gradients]

    def run(self, rows: np.ndarray, begin: int, end: int) -> None:
        """Take the steps from `begin` to `end`."""
        first, last = tf.constant(begin), tf.constant(end)
        self._total = self._steps(tf.constant(rows, tf.int32), first, last, self._total)

    def take_loss(self) -> np.ndarray:
        """The loss since the last time."""
        total = np.asarray(self._total, np.float64)
        self._total = self._nothing
        return total

    def store(self) -> None:
        """Bring the variables up to date: here they always are."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        """What many seeds make of rows."""
        if self._predict is None:
            others = [variable.value for variable in self.unseen]

            @tf.function(jit_compile=True)
            def output(x: Any) -> Any:
                def of_one(values: Any) -> Any:
                    return self.model.stateless_call(values, others, x)[0], ()

                return self._vectorized(lambda values: of_one(list(values)))[0]

            self._predict = output
        return self._predict(tf.constant(x)).numpy()
