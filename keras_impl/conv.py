"""Convolution and pooling over time, in Keras 3. Mirror: torch_impl/conv.py."""

from functools import reduce
from typing import Any

import keras
from jaxtyping import Bool, Float
from keras import ops

from attention_twins.in_keras.runtime import Tensor
from shared.config import POOL_SIZE

X = Float[Tensor, "B _T _F"]
Mask = Bool[Tensor, "B _T"] | None


@keras.saving.register_keras_serializable(package="attention_twins")
class Conv1D(keras.layers.Conv1D):
    """Convolution over time, where the kernel fits in whole.

        y_t = activation(Σ_k x_{t+k} · kernel_k + bias)

    Args:
        features: F; PyTorch only, Keras reads it from the first input.
        filters: channels (C).
        kernel_size: time steps that it sees at once (K).
        activation: tanh or relu.
        unroll: write the sum over k out instead of calling the fast kernel: vectorisation over many
            seeds cannot look into the kernel.
        dtype: floating-point type of the weights.

    Shape:
        x (B, T, F) → (B, T − K + 1, C). mask (B, T), bool: where it is False x counts as 0; a step
        of the result that sees nothing else is masked itself.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        activation: str = "tanh",
        unroll: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, activation=activation, **kwargs)
        self.unroll = unroll
        self.supports_masking = True

    def call(self, x: X, mask: Mask = None) -> X:
        """The result; shapes as above."""
        if mask is not None:
            x = ops.where(ops.expand_dims(mask, -1), x, 0.0)
        if not self.unroll:
            return super().call(x)
        (width,), activation = self.kernel_size, self.activation
        kernel: Tensor = self.kernel
        bias: Tensor = self.bias
        steps = x.shape[1] - width + 1
        parts = (ops.matmul(x[:, k : k + steps], kernel[k]) for k in range(width))
        return activation(reduce(ops.add, parts) + bias)

    def compute_mask(self, x: X, mask: Mask = None) -> Mask:
        """The mask (B, T − K + 1) of what x under mask becomes."""
        if mask is None:
            return None
        (width,) = self.kernel_size
        steps = mask.shape[1] - width + 1
        return reduce(ops.logical_or, (mask[:, k : k + steps] for k in range(width)))

    def get_config(self):
        return super().get_config() | {"unroll": self.unroll}


@keras.saving.register_keras_serializable(package="attention_twins")
class MaxPooling1D(keras.layers.Layer):
    """The largest of every POOL_SIZE steps; what is left over at the end is dropped.

    Written out, because the frameworks' own ones know no mask.

    Shape:
        x (B, T, C) → (B, T // POOL_SIZE, C). mask (B, T), bool: a step where it is False is no
        candidate; of such steps alone the result is 0, and masked.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, x: X, mask: Mask = None) -> X:
        """The result; shapes as above."""
        if mask is not None:
            x = ops.where(ops.expand_dims(mask, -1), x, -3e4)
        # Not maximum: where both are equal, each framework has its own opinion on the gradient.
        pooled = reduce(lambda a, b: ops.where(a >= b, a, b), _candidates(x))
        seen = self.compute_mask(x, mask)
        return pooled if seen is None else ops.where(ops.expand_dims(seen, -1), pooled, 0.0)

    def compute_mask(self, x: X, mask: Mask = None) -> Mask:
        """The mask (B, T // POOL_SIZE) of what x under mask becomes."""
        if mask is None:
            return None
        return reduce(ops.logical_or, _candidates(mask))

    def compute_output_shape(self, input_shape):
        batch, time_steps, channels = input_shape
        return batch, time_steps // POOL_SIZE, channels


def _candidates(x: Tensor) -> list[Tensor]:
    """The first, the second, … step of every POOL_SIZE of x (B, T, …)."""
    steps = x.shape[1] // POOL_SIZE * POOL_SIZE
    return [x[:, k:steps:POOL_SIZE] for k in range(POOL_SIZE)]
