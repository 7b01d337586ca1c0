"""The attention layer, in PyTorch. Mirror: keras_impl/attention.py."""

from typing import Any

import torch
from torch import nn


class Attention(nn.Module):
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

    def __init__(
        self,
        time_steps: int,
        features: int,
        return_attention_scores: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        factory_kwargs = {"device": device, "dtype": dtype}
        self.return_attention_scores = return_attention_scores
        self.W = nn.Parameter(torch.empty(features, 1, **factory_kwargs))
        self.b = nn.Parameter(torch.empty(time_steps, 1, **factory_kwargs))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.W, std=0.05)
        nn.init.zeros_(self.b)

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
        return torch.squeeze(torch.tanh(torch.matmul(x, self.W) + self.b), -1)

    def attend(self, x: Any, mask: Any = None) -> tuple[Any, Any]:
        """The context (B, F) and alpha (B, T) of x (B, T, F) under mask (B, T)."""
        self._check_time_steps(x.shape[1])
        if mask is not None:
            self._check_mask(mask, x)
            # Before anything else: 0 · NaN is NaN, in the result and in the gradient.
            x = torch.where(torch.unsqueeze(mask, -1), x, 0.0)  # (B, T, F)
        e = self.score(x)  # (B, T)
        if mask is not None:
            # Softmax of −inf alone is NaN; float16 holds −3e4, and exp(−3e4) is 0 in every type.
            e = torch.where(mask, e, -3e4)  # (B, T)
        alpha = torch.softmax(e, dim=1)  # (B, T)
        if mask is not None:
            alpha = torch.where(mask, alpha, 0.0)  # (B, T)
        context = torch.sum(torch.unsqueeze(alpha, -1) * x, dim=1)  # (B, F)
        return context, alpha

    def forward(self, x: Any, mask: Any = None) -> Any:
        """The context, and alpha if asked for; shapes as above."""
        context, alpha = self.attend(x, mask)
        return (context, alpha) if self.return_attention_scores else context

    def extra_repr(self) -> str:
        return (
            f"time_steps={self.b.shape[0]}, features={self.W.shape[0]}, "
            f"return_attention_scores={self.return_attention_scores}"
        )
