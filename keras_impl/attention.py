"""The attention layer, in Keras 3. Mirror: torch_impl/attention.py."""

from typing import Any, get_args

import keras
from jaxtyping import Bool, Float
from keras import ops

from attention_twins.errors import check_choice
from attention_twins.in_keras.runtime import Tensor
from shared.config import Bias, Score

X = Float[Tensor, "B T F"]
Mask = Bool[Tensor, "B T"] | None
Query = Float[Tensor, "B F"] | None
E = Float[Tensor, "B T"]
Context = Float[Tensor, "B F"]


class AttentionBase(keras.layers.Layer):
    """Weighted mean over time, with weights from scores that the layers made of it define.

        alpha   = softmax(e_1 … e_T)
        context = Σ_t alpha_t x_t

    Args:
        return_attention_scores: also return alpha.

    Shape, Raises: as Attention.
    """

    scoring: str
    """Name of the score."""

    def __init__(self, return_attention_scores: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.return_attention_scores = return_attention_scores
        self.supports_masking = True

    def _check_time_steps(self, time_steps: int | None) -> None:
        """Raise ValueError if the layer cannot take so many time steps."""

    def _check_mask(self, mask: Tensor, x: Tensor) -> None:
        if tuple(mask.shape) != tuple(x.shape[:2]):  # it would be broadcast without a word
            raise ValueError(f"mask must have shape {tuple(x.shape[:2])}, got {tuple(mask.shape)}")

    def query(self, x: X, mask: Mask = None) -> Query:
        """What the scores of x under mask depend on besides x; None if on nothing."""
        return None

    def score(self, x: X, query: Query = None) -> E:
        """The scores e of x, given the query."""
        raise NotImplementedError

    def attend(self, x: X, mask: Mask = None, query: Query = None) -> tuple[Context, E]:
        """The context and alpha of x under mask, asked by `query(x, mask)` if no query is given."""
        self._check_time_steps(x.shape[1])
        if mask is not None:
            self._check_mask(mask, x)
            # Before anything else: 0 · NaN is NaN, in the result and in the gradient.
            x = ops.where(ops.expand_dims(mask, -1), x, 0.0)  # (B, T, F)
        e = self.score(x, self.query(x, mask) if query is None else query)  # (B, T)
        if mask is not None:
            # Softmax of −inf alone is NaN; float16 holds −3e4, and exp(−3e4) is 0 in every type.
            e = ops.where(mask, e, -3e4)  # (B, T)
        alpha = ops.softmax(e, axis=1)  # (B, T)
        if mask is not None:
            alpha = ops.where(mask, alpha, 0.0)  # (B, T)
        context = ops.sum(ops.expand_dims(alpha, -1) * x, axis=1)  # (B, F)
        return context, alpha

    def call(self, x: X, mask: Mask = None) -> Context | tuple[Context, E]:
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


@keras.saving.register_keras_serializable(package="attention_twins")
class Attention(AttentionBase):
    """Weighted mean over time, with one learned score for each time step.

        e_t     = tanh(x_t · W + b_t)
        alpha   = softmax(e_1 … e_T)
        context = Σ_t alpha_t x_t

    W starts as N(0, 0.05), b as zeros. tanh keeps e within (−1, 1), so no weight can pass
    e² / (e² + T − 1), nor fall under 1 / (1 + (T − 1) e²); each of the first two variants lets it.

    Args:
        time_steps: T; PyTorch only, Keras reads it from the first input.
        features: F; PyTorch only, likewise.
        return_attention_scores: also return alpha.
        score: tanh, or linear: without the tanh.
        temperature: learn the softmax's temperature: e is multiplied by exp(log_scale), which
            starts as 1.
        bias: per_step; shared: one b for all steps; none. Without one for each step, T may differ
            from call to call.
        dtype: floating-point type of the weights.

    Shape:
        B rows, T time steps, F features. x (B, T, F) → context (B, F), or (context, alpha (B, T)).
        mask (B, T), bool: a step where it is False has weight 0, and its values touch neither the
        result nor a gradient. A row without any step has zero weights and a zero context.

    Raises:
        ValueError: x has another number of time steps than b, or mask another shape than (B, T);
            an unknown score or bias.

    References:
        Raffel & Ellis 2015 (arXiv 1512.08756), with one bias for each time step. Temperature:
        Radford et al. 2021 (arXiv 2103.00020), section 2.5.
    """

    def __init__(
        self,
        return_attention_scores: bool = False,
        score: Score = "tanh",
        temperature: bool = False,
        bias: Bias = "per_step",
        **kwargs: Any,
    ) -> None:
        super().__init__(return_attention_scores, **kwargs)
        check_choice("score", score, ("tanh", "linear"))
        check_choice("bias", bias, get_args(Bias))
        self.scoring, self.temperature, self.bias = score, temperature, bias
        self.b: keras.Variable | None = None
        self.log_scale: keras.Variable | None = None

    def build(self, input_shape):
        _, time_steps, features = input_shape
        if time_steps is None and self.bias == "per_step":
            raise ValueError("Attention needs a known number of time steps, got None")
        self.W = self.add_weight(
            name="W", shape=(features, 1), initializer=keras.initializers.RandomNormal(stddev=0.05)
        )
        if self.bias != "none":
            steps = time_steps if self.bias == "per_step" else 1
            self.b = self.add_weight(name="b", shape=(steps, 1), initializer="zeros")
        if self.temperature:
            self.log_scale = self.add_weight(name="log_scale", shape=(1,), initializer="zeros")
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: features})

    def _check_time_steps(self, time_steps: int | None) -> None:
        if self.b is None or self.bias == "shared":
            return
        if time_steps != self.b.shape[0]:  # b would be broadcast without a word
            raise ValueError(
                f"Attention was made for {self.b.shape[0]} time steps, got {time_steps}"
            )

    def score(self, x: X, query: Query = None) -> E:
        """The scores e of x; there is no query."""
        e = ops.matmul(x, self.W)  # (B, T, 1)
        e = e if self.b is None else e + self.b
        e = ops.squeeze(ops.tanh(e) if self.scoring == "tanh" else e, -1)
        return e if self.log_scale is None else ops.multiply(e, ops.exp(self.log_scale))

    def get_config(self):
        return super().get_config() | {
            "score": self.scoring,
            "temperature": self.temperature,
            "bias": self.bias,
        }


@keras.saving.register_keras_serializable(package="attention_twins")
class AdditiveAttention(AttentionBase):
    """Weighted mean over time, with scores that a query asks for.

        e_t = tanh(q · W_a + x_t · U_a) · v_a,  alpha and context as in AttentionBase

    The query q is the last x_t that is not masked, if none is given; of a row without any step it
    is 0. W_a, U_a and v_a start as glorot_uniform.

    Args:
        features: F; PyTorch only, Keras reads it from the first input.
        units: A; F if None.
        return_attention_scores: also return alpha.
        dtype: floating-point type of the weights.

    Shape, Raises: as Attention; query (B, F). T may differ from call to call.

    References:
        Bahdanau, Cho & Bengio 2015 (arXiv 1409.0473), appendix A.1.2.
    """

    scoring = "additive"

    def __init__(
        self, units: int | None = None, return_attention_scores: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(return_attention_scores, **kwargs)
        self.units = units

    def build(self, input_shape):
        *_, features = input_shape
        units = self.units or features
        self.W_a = self.add_weight(name="W_a", shape=(features, units))
        self.U_a = self.add_weight(name="U_a", shape=(features, units))
        self.v_a = self.add_weight(name="v_a", shape=(units, 1))
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: features})

    def query(self, x: X, mask: Mask = None) -> Query:
        """The last step of x that mask does not hide."""
        return last(x, mask)

    def score(self, x: X, query: Query = None) -> E:
        """The scores e of x that the query asks for."""
        asked: Tensor = ops.expand_dims(ops.matmul(query, self.W_a), 1)  # (B, 1, A)
        e = ops.matmul(ops.tanh(asked + ops.matmul(x, self.U_a)), self.v_a)  # (B, T, 1)
        return ops.squeeze(e, -1)

    def get_config(self):
        return super().get_config() | {"units": self.units}


def create_attention(
    score: Score = "tanh",
    temperature: bool = False,
    bias: Bias = "per_step",
    dtype: str | None = None,
) -> AttentionBase:
    """The layer that has these scores; additive: AdditiveAttention, asked by the last step.

    Args, in PyTorch with time_steps and features: as of Attention; additive attention has neither
    temperature nor bias.
    """
    if score == "additive":
        return AdditiveAttention(dtype=dtype, name="attention")
    return Attention(score=score, temperature=temperature, bias=bias, dtype=dtype, name="attention")


def last(x: X, mask: Mask = None) -> Context:
    """The last step of x that mask does not hide; 0 without any."""
    if mask is None:
        return x[:, -1]
    shape: Any = ops.shape(x)
    steps = ops.arange(1, shape[1] + 1)  # (T,)
    end = ops.max(ops.where(mask, steps, 0), axis=1, keepdims=True)  # (B, 1)
    at_end = ops.expand_dims(ops.equal(steps, end), -1)  # (B, T, 1)
    return ops.sum(ops.where(at_end, x, 0.0), axis=1)  # (B, F)
