"""The recurrent layer, in PyTorch. Mirror: keras_impl/rnn.py."""

from typing import Any

import torch
from torch import nn
from torch.nn.functional import linear


class SimpleRNN(nn.Module):
    """nn.RNN with one trained bias and one output, like Keras's layer of that name.

        h_t = activation(x_t · W_ihᵀ + b_ih + h_{t−1} · W_hhᵀ + b_hh), h_{−1} = 0

    Both biases of nn.RNN have the same gradient, so with two of them trained their sum moves twice
    as far: b_hh stays 0 and is not trained, unless `second_bias`.

    Args:
        features: F.
        units: H.
        activation: tanh or relu.
        return_sequences: return every state, not the last one only.
        unroll: write the recurrence out as a loop over time instead of calling the fast kernel:
            torch.compile(fullgraph=True) and torch.vmap cannot look into the kernel.
        second_bias: train b_hh as well, as nn.RNN does.

    Shape:
        x (B, T, F) → (B, H), or (B, T, H) with `return_sequences`. mask (B, T), bool: a step where
        it is False leaves the state as it was, as in Keras; nn.RNN itself knows no mask.
    """

    def __init__(
        self,
        features: int,
        units: int,
        activation: str = "tanh",
        return_sequences: bool = False,
        unroll: bool = False,
        second_bias: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        kwargs: dict[str, Any] = {"nonlinearity": activation, "device": device, "dtype": dtype}
        self.return_sequences = return_sequences
        self.unroll = unroll
        self.second_bias = second_bias
        self.core = (
            nn.RNNCell(features, units, **kwargs)
            if unroll
            else nn.RNN(features, units, batch_first=True, **kwargs)
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        self.core.reset_parameters()
        if not self.second_bias:
            *_, bias_hh = self.core.parameters()
            nn.init.zeros_(bias_hh.requires_grad_(False))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Every state, or the last one; shapes as above."""
        states = self.states(x, mask)  # (B, T, H)
        return states if self.return_sequences else states[:, -1]

    def states(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Every state (B, T, H)."""
        if self.unroll or mask is not None:
            return self._loop(x, mask)
        return self.core(x)[0]

    def _loop(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        activation = getattr(torch, self.core.nonlinearity)
        weight_ih, weight_hh, bias_ih, bias_hh = self.core.parameters()
        h, states = x.new_zeros(x.shape[0], bias_hh.shape[0]), []  # (B, H)
        for t in range(x.shape[1]):
            # Not self.core(x[:, t], h): torch.vmap cannot look into that kernel either.
            new = activation(linear(x[:, t], weight_ih, bias_ih) + linear(h, weight_hh, bias_hh))
            h = new if mask is None else torch.where(mask[:, t, None], new, h)
            states.append(h)
        return torch.stack(states, dim=1)  # (B, T, H)
