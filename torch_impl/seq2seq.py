"""An encoder, and a decoder that asks it, in PyTorch. Mirror: keras_impl/seq2seq.py."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from shared.config import Activation, check_activation
from shared.data import Data
from torch_impl.attention import AdditiveAttention, last
from torch_impl.networks import ACTIVATIONS, to_dtype
from torch_impl.rnn import SimpleRNN, SimpleRNNCell


class EncoderDecoder(nn.Module):
    """The next K numbers, one after the other.

        h_1 … h_T = states of the encoder;  s_0 = h_T;  y_0 = the last number of the row
        context_k = attention over h_1 … h_T, asked by s_{k−1}
        s_k       = activation([y_{k−1}, context_k] · kernel + s_{k−1} · recurrent_kernel + bias)
        y_k       = activation(s_k · dense kernel + dense bias)

    Args:
        time_steps: T.
        features: F; PyTorch only, Keras reads it from the first input.
        units: H.
        horizon: K.
        activation: of the recurrent layers (tanh, relu) and of the dense layer.
        attention: have the context; without it the decoder knows the encoder's last state only.
        unroll: write the encoder's recurrence out as a loop over time.
        second_bias: PyTorch only: train its second recurrent biases too.
        dtype: floating-point type of the weights.

    Shape:
        x (B, T, F) → (B, K). x (B, T + K − 1, F) holds the numbers that follow as the first feature
        of its last steps: then each step of the decoder is given the right number before its own
        (teacher forcing), and not the one that was predicted. mask (B, T), bool: the encoder's.

    References:
        Bahdanau, Cho & Bengio 2015 (arXiv 1409.0473). Teacher forcing: Williams & Zipser 1989.
    """

    def __init__(
        self,
        time_steps: int,
        features: int,
        units: int,
        horizon: int,
        activation: tuple[str, str] = ("tanh", "tanh"),
        attention: bool = False,
        unroll: bool = False,
        second_bias: bool = False,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        recurrent, dense = activation
        named = {"activation": recurrent, "second_bias": second_bias, "dtype": dtype}
        self.time_steps, self.units, self.horizon = time_steps, units, horizon
        self.encoder = SimpleRNN(features, units, return_sequences=True, unroll=unroll, **named)
        if attention:
            self.attention = AdditiveAttention(units, dtype=dtype)
        self.decoder = SimpleRNNCell(1 + units * attention, units, **named)
        self.dense = nn.Linear(units, 1, dtype=dtype)
        self.activation = ACTIVATIONS[dense]()
        self.attends = attention

    def decode(
        self, x: Float[Tensor, "B steps F"], mask: Bool[Tensor, "B steps"] | None = None
    ) -> tuple[Float[Tensor, "B K"], list[Float[Tensor, "B T"]]]:
        """The numbers, and alpha for each of them if there is attention."""
        T = self.time_steps
        targets, x = x[:, T:, :1], x[:, :T]
        mask = None if mask is None else mask[:, :T]
        h = self.encoder(x, mask)  # (B, T, H)
        state, number = h[:, -1], last(x[..., :1], mask)  # (B, H), (B, 1)
        outputs, alphas = [], []
        for k in range(self.horizon):
            given = number
            if self.attends:
                context, alpha = self.attention.attend(h, mask, state)
                given = torch.concatenate([number, context], dim=-1)  # (B, 1 + H)
                alphas.append(alpha)
            state, _ = self.decoder(given, [state])
            outputs.append(self.activation(self.dense(state)))  # (B, 1)
            number = targets[:, k] if k < targets.shape[1] else outputs[-1]
        return torch.concatenate(outputs, dim=-1), alphas

    def forward(
        self, x: Float[Tensor, "B steps F"], mask: Bool[Tensor, "B steps"] | None = None
    ) -> Float[Tensor, "B K"]:
        """The numbers; shapes as above."""
        return self.decode(x, mask)[0]


def create_encoder_decoder(
    hidden_units: int,
    dense_units: int,
    input_shape: tuple[int, int],
    activation: Activation,
    *,
    attention: bool = False,
    unroll: bool = False,
    second_bias: bool = False,
    dtype: str | None = None,
) -> EncoderDecoder:
    """A recurrent encoder, and a decoder that gives one number after the other.

    Args, Raises: as `create_rnn`; further
        dense_units: numbers to predict (K).
        attention: let the decoder ask the encoder's states at each step.

    Shape:
        (B, T, F) → (B, K).
    """
    pair, (time_steps, features) = check_activation(activation), input_shape
    sizes = time_steps, features, hidden_units, dense_units
    return EncoderDecoder(*sizes, pair, attention, unroll, second_bias, to_dtype(dtype))


def teacher_forced(model: nn.Module, data: Data) -> Data:
    """The rows as a network is trained on them: a decoder's with the targets that it is given."""
    return data.teacher_forced() if isinstance(model, EncoderDecoder) else data
