"""Convolution and pooling over time, in PyTorch. Mirror: keras_impl/conv.py."""

from functools import reduce

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from shared.config import POOL_SIZE

X = Float[Tensor, "B _T _F"]
Mask = Bool[Tensor, "B _T"] | None


class Conv1D(nn.Module):
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
        features: int,
        filters: int,
        kernel_size: int,
        activation: str = "tanh",
        unroll: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.core = nn.Conv1d(features, filters, kernel_size, device=device, dtype=dtype)
        self.activation = getattr(torch, activation)
        self.unroll = unroll

    def forward(self, x: X, mask: Mask = None) -> X:
        """The result; shapes as above."""
        if mask is not None:
            x = torch.where(torch.unsqueeze(mask, -1), x, 0.0)
        if not self.unroll:  # nn.Conv1d wants the channels before the steps
            return self.activation(torch.transpose(self.core(torch.transpose(x, 1, 2)), 1, 2))
        (width,), activation, bias = self.core.kernel_size, self.activation, self.core.bias
        assert bias is not None
        steps, kernel = x.shape[1] - width + 1, self.core.weight.permute(2, 1, 0)  # (K, F, C)
        parts = (torch.matmul(x[:, k : k + steps], kernel[k]) for k in range(width))
        return activation(reduce(torch.add, parts) + bias)

    def compute_mask(self, x: X, mask: Mask = None) -> Mask:
        """The mask (B, T − K + 1) of what x under mask becomes."""
        if mask is None:
            return None
        (width,) = self.core.kernel_size
        steps = mask.shape[1] - width + 1
        return reduce(torch.logical_or, (mask[:, k : k + steps] for k in range(width)))


class MaxPooling1D(nn.Module):
    """The largest of every POOL_SIZE steps; what is left over at the end is dropped.

    Written out, because the frameworks' own ones know no mask.

    Shape:
        x (B, T, C) → (B, T // POOL_SIZE, C). mask (B, T), bool: a step where it is False is no
        candidate; of such steps alone the result is 0, and masked.
    """

    def forward(self, x: X, mask: Mask = None) -> X:
        """The result; shapes as above."""
        if mask is not None:
            x = torch.where(torch.unsqueeze(mask, -1), x, -3e4)
        # Not maximum: where both are equal, each framework has its own opinion on the gradient.
        pooled = reduce(lambda a, b: torch.where(a >= b, a, b), _candidates(x))
        seen = self.compute_mask(x, mask)
        return pooled if seen is None else torch.where(torch.unsqueeze(seen, -1), pooled, 0.0)

    def compute_mask(self, x: X, mask: Mask = None) -> Mask:
        """The mask (B, T // POOL_SIZE) of what x under mask becomes."""
        if mask is None:
            return None
        return reduce(torch.logical_or, _candidates(mask))


def _candidates(x: Tensor) -> list[Tensor]:
    """The first, the second, … step of every POOL_SIZE of x (B, T, …)."""
    steps = x.shape[1] // POOL_SIZE * POOL_SIZE
    return [x[:, k:steps:POOL_SIZE] for k in range(POOL_SIZE)]
