"""The recurrent layers, in PyTorch. Mirror: keras_impl/rnn.py."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


class Recurrent(nn.Module):
    """A recurrent module of PyTorch with one trained bias and one output, as Keras's layers have.

    nn.RNN and nn.LSTM add two biases that have the same gradient, so with two of them trained their
    sum moves twice as far: b_hh stays 0 and is not trained, unless `second_bias`. nn.GRU multiplies
    one of them by the reset gate; Keras's GRU has both, too.

    Args:
        features: F.
        units: H.
        return_sequences: return every state, not the last one only.
        unroll: write the recurrence out as a loop over time instead of calling the fast kernel:
            torch.compile(fullgraph=True) and torch.vmap cannot look into the kernel.
        second_bias: train b_hh as well, as PyTorch does.
        settings: of PyTorch's own module.

    Shape:
        x (B, T, F) → (B, H), or (B, T, H) with `return_sequences`. mask (B, T), bool: a step where
        it is False leaves the state as it was, as in Keras; PyTorch's modules know no mask.
    """

    KERNEL: Callable[..., nn.RNNBase]
    """PyTorch's own module."""

    CELL: Callable[..., nn.RNNCellBase]
    """The one for a single step."""

    def __init__(
        self,
        features: int,
        units: int,
        return_sequences: bool = False,
        unroll: bool = False,
        second_bias: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__()
        self.return_sequences = return_sequences
        self.unroll = unroll
        self.second_bias = second_bias
        self.core = (
            self.CELL(features, units, **settings)
            if unroll
            else self.KERNEL(features, units, batch_first=True, **settings)
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        self.core.reset_parameters()
        if not self.second_bias:
            *_, bias_hh = self.core.parameters()
            nn.init.zeros_(bias_hh.requires_grad_(False))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Every state, or the last one; shapes as above."""
        states = self.states(x, mask)  # (B, T, H)
        return states if self.return_sequences else states[:, -1]

    def states(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Every state (B, T, H)."""
        if self.unroll or mask is not None:
            return self._loop(x, mask)
        return self.core(x)[0]

    def _loop(self, x: Tensor, mask: Tensor | None) -> Tensor:
        state, states = self.begin(x), []
        for t in range(x.shape[1]):
            new = self.step(x[:, t], state)
            if mask is not None:
                kept = mask[:, t, None]
                new = [torch.where(kept, *pair) for pair in zip(new, state, strict=True)]
            state = new
            states.append(state[0])
        return torch.stack(states, dim=1)  # (B, T, H)

    def begin(self, x: Tensor) -> list[Tensor]:
        """The state before the first step of x (B, T, F): all that a step hands to the next."""
        return [x.new_zeros(x.shape[0], self.core.hidden_size)]  # (B, H)

    def step(self, x: Tensor, state: list[Tensor]) -> list[Tensor]:
        """The state after a step with x (B, F); what is put out comes first, (B, H)."""
        raise NotImplementedError


class SimpleRNN(Recurrent):
    """nn.RNN like Keras's layer of that name.

        h_t = activation(x_t · W_ihᵀ + b_ih + h_{t−1} · W_hhᵀ + b_hh), h_0 = 0

    Args:
        activation: tanh or relu.

    Args, Shape: as Recurrent.
    """

    KERNEL, CELL = nn.RNN, nn.RNNCell

    def __init__(
        self, features: int, units: int, activation: str = "tanh", **settings: Any
    ) -> None:
        super().__init__(features, units, nonlinearity=activation, **settings)
        self.activation = getattr(torch, activation)

    def step(self, x: Tensor, state: list[Tensor]) -> list[Tensor]:
        """The state after a step with x (B, F)."""
        (h,) = state
        weight_ih, weight_hh, bias_ih, bias_hh = self.core.parameters()
        # Not self.core(x, h): torch.vmap cannot look into that kernel either.
        return [self.activation(linear(x, weight_ih, bias_ih) + linear(h, weight_hh, bias_hh))]


class SimpleRNNCell(SimpleRNN):
    """A single step of SimpleRNN.

    Args: as SimpleRNN.

    Shape:
        x (B, F), [h (B, H)] → h (B, H), [h]: what is put out, and what the next step begins from.
    """

    def __init__(self, features: int, units: int, **settings: Any) -> None:
        super().__init__(features, units, unroll=True, **settings)

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, x: Tensor, states: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """What is put out, and the state; shapes as above."""
        new = self.step(x, states)
        return new[0], new


class LSTM(Recurrent):
    """nn.LSTM like Keras's layer of that name, with one trained bias.

        i, f, o = sigmoid(x_t · W_ihᵀ + b_ih + h_{t−1} · W_hhᵀ + b_hh), each its own rows of W
        c_t = f c_{t−1} + i tanh(…),  h_t = o tanh(c_t),  h_0 = c_0 = 0

    Args, Shape: as Recurrent.
    """

    KERNEL, CELL = nn.LSTM, nn.LSTMCell

    def begin(self, x: Tensor) -> list[Tensor]:
        """Both states, h and c, before the first step of x (B, T, F)."""
        return [*super().begin(x), *super().begin(x)]

    def step(self, x: Tensor, state: list[Tensor]) -> list[Tensor]:
        """Both states, h and c, after a step with x (B, F)."""
        h, c = state
        weight_ih, weight_hh, bias_ih, bias_hh = self.core.parameters()
        gates = linear(x, weight_ih, bias_ih) + linear(h, weight_hh, bias_hh)  # (B, 4 H)
        i, f, g, o = torch.chunk(gates, 4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return [torch.sigmoid(o) * torch.tanh(c), c]


class GRU(Recurrent):
    """nn.GRU like Keras's layer of that name; both have two biases, for one is reset.

        r, z = sigmoid(x_t · W_ihᵀ + b_ih + h_{t−1} · W_hhᵀ + b_hh), each its own rows of W
        h_t = z h_{t−1} + (1 − z) tanh(x_t · W_ihᵀ + b_ih + r (h_{t−1} · W_hhᵀ + b_hh))

    Args, Shape: as Recurrent; both biases are always trained.
    """

    KERNEL, CELL = nn.GRU, nn.GRUCell

    def reset_parameters(self) -> None:
        self.core.reset_parameters()

    def step(self, x: Tensor, state: list[Tensor]) -> list[Tensor]:
        """The state after a step with x (B, F)."""
        (h,) = state
        weight_ih, weight_hh, bias_ih, bias_hh = self.core.parameters()
        r, z, g = torch.chunk(linear(x, weight_ih, bias_ih), 3, dim=-1)
        r_h, z_h, g_h = torch.chunk(linear(h, weight_hh, bias_hh), 3, dim=-1)
        z, new = torch.sigmoid(z + z_h), torch.tanh(g + torch.sigmoid(r + r_h) * g_h)
        return [z * h + (1 - z) * new]
