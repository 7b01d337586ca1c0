"""The attention layer, in Keras 3. Mirror: torch_impl/attention.py."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="attention_twins")
class Attention(keras.layers.Layer):
    """Weighted mean over time, with one learned score for each time step.

        e_t     = tanh(x_t · W + b_t)
        alpha   = softmax(e_1 … e_T)
        context = Σ_t alpha_t x_t

    W starts as N(0, 0.05), b as zeros. tanh keeps e within (−1, 1), so no weight can pass
    e² / (e² + T − 1), nor fall under 1 / (1 + (T − 1) e²).

    Args:
        time_steps: T; PyTorch only, Keras reads it from the first input.
        features: F; PyTorch only, likewise.
        return_attention_scores: also return alpha.
        dtype: floating-point type of the weights.

    Shape:
        B rows, T time steps, F features. x (B, T, F) → context (B, F), or (context, alpha (B, T)).
        mask (B, T), bool: a step where it is False has weight 0, and its values touch neither the
        result nor a gradient. A row without any step has zero weights and a zero context.

    Raises:
        ValueError: x has another number of time steps than b, or mask another shape than (B, T).

    References:
        Raffel & Ellis 2015 (arXiv 1512.08756), with one bias for each time step.
    """

    def __init__(self, return_attention_scores: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.return_attention_scores = return_attention_scores
        self.supports_masking = True

    def build(self, input_shape):
        _, time_steps, features = input_shape
        if time_steps is None:
            raise ValueError("Attention needs a known number of time steps, got None")
        self.W = self.add_weight(
            name="W", shape=(features, 1), initializer=keras.initializers.RandomNormal(stddev=0.05)
        )
        self.b = self.add_weight(name="b", shape=(time_steps, 1), initializer="zeros")
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: features})

    def _check_time_steps(self, time_steps: Any) -> None:
        if time_steps != self.b.shape[0]:  # b would be broadcast without a word
            raise ValueError(
                f"Attention was made for {self.b.shape[0]} time steps, got {time_steps}"
            )

    def _check_mask(self, mask: Any, x: Any) -> None:
        if tuple(mask.shape) != tuple(x.shape[:2]):  # it would be broadcast, likewise
            raise ValueError(f"mask must have shape {tuple(x.shape[:2])}, got {tuple(mask.shape)}")

    def score(self, x: Any) -> Any:
        """The scores e (B, T) of x (B, T, F)."""
        return ops.squeeze(ops.tanh(ops.matmul(x, self.W) + self.b), -1)

    def attend(self, x: Any, mask: Any = None) -> tuple[Any, Any]:
        """The context (B, F) and alpha (B, T) of x (B, T, F) under mask (B, T)."""
        self._check_time_steps(x.shape[1])
        if mask is not None:
            self._check_mask(mask, x)
            # Before anything else: 0 · NaN is NaN, in the result and in the gradient.
            x = ops.where(ops.expand_dims(mask, -1), x, 0.0)  # (B, T, F)
        e = self.score(x)  # (B, T)
        if mask is not None:
            # Softmax of −inf alone is NaN; float16 holds −3e4, and exp(−3e4) is 0 in every type.
            e = ops.where(mask, e, -3e4)  # (B, T)
        alpha = ops.softmax(e, axis=1)  # (B, T)
        if mask is not None:
            alpha = ops.where(mask, alpha, 0.0)  # (B, T)
        context = ops.sum(ops.expand_dims(alpha, -1) * x, axis=1)  # (B, F)
        return context, alpha

    def call(self, x: Any, mask: Any = None) -> Any:
        """The context, and alpha if asked for; shapes as above."""
        context, alpha = self.attend(x, mask)
        return (context, alpha) if self.return_attention_scores else context

    def compute_mask(self, x, mask=None):
        return (None, None) if self.return_attention_scores else None

    def compute_output_shape(self, input_shape):
        batch, time_steps, features = input_shape
        if self.built:
            self._check_time_steps(time_steps)
        context, alpha = (batch, features), (batch, time_steps)
        return (context, alpha) if self.return_attention_scores else context

    def get_config(self):
        return super().get_config() | {"return_attention_scores": self.return_attention_scores}
