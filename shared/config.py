"""Every knob: documented where it is defined, checked where it is made."""

from dataclasses import dataclass
from typing import Literal, get_args

from attention_twins.errors import InputError, check_choice, check_fraction, check_integer
from attention_twins.training import Dtype, Training

MODELS = {
    "rnn": ("rnn", "dense"),
    "rnn_with_attention": ("rnn", "attention", "dense"),
    "lstm": ("lstm", "dense"),
    "lstm_with_attention": ("lstm", "attention", "dense"),
    "gru": ("gru", "dense"),
    "gru_with_attention": ("gru", "attention", "dense"),
    "conv": ("conv", "dense"),
    "conv_with_attention": ("conv", "attention", "dense"),
    "encoder_decoder": ("encoder", "decoder", "dense"),
    "encoder_decoder_with_attention": ("encoder", "attention", "decoder", "dense"),
}
"""Name of a network → its layers with weights, input first."""

TUTORIAL_MODELS = ("rnn", "rnn_with_attention")
"""The tutorial's own."""

MODEL_GROUPS = {"tutorial": TUTORIAL_MODELS, "all": tuple(MODELS)}
"""Name of a group of networks → the networks."""

DECODERS = tuple(name for name, layers in MODELS.items() if "decoder" in layers)
"""Networks that give one number after the other, and are trained with teacher forcing."""

WITH_VARIANTS = tuple(
    name for name, layers in MODELS.items() if "attention" in layers and name not in DECODERS
)
"""Networks whose attention can be varied; a decoder's is additive."""

KERNEL_SIZE = 3
"""Time steps that a convolution sees at once."""

POOL_SIZE = 2
"""Time steps that the pooling after it makes one of."""

VARIANTS = {
    "tutorial": {},
    "linear": {"score": "linear"},
    "temperature": {"temperature": True},
    "shared_bias": {"bias": "shared"},
    "no_bias": {"bias": "none"},
    "additive": {"score": "additive"},
}
"""Name of a variant of attention → what a ModelConfig has otherwise than the tutorial's."""

Activation = str | tuple[str, ...] | list[str]
"""One name for both layers, or one for each."""

First = Literal["rnn", "lstm", "gru", "conv"]
Score = Literal["tanh", "linear", "additive"]
Bias = Literal["per_step", "shared", "none"]
Setup = Literal["twin", "native", "initializers", "bias_start", "second_bias", "optimizer"]

_, _, *DIFFERENCES = get_args(Setup)
SETUPS: dict[str, tuple[str, ...]] = {"twin": (), "native": (*DIFFERENCES,)}
SETUPS |= {name: (name,) for name in DIFFERENCES}
"""Set-up → what in it is as PyTorch has it by default, and not as Keras has it."""

DataName = Literal["fibonacci", "log_fibonacci", "lucas", "recurrences", "addition"]

LARGEST_FIBONACCI = 1475
"""How many Fibonacci numbers (1, 2, 3, 5, …) float64 holds; the next one is inf."""

DATA = {
    "fibonacci": (LARGEST_FIBONACCI, 1),
    "log_fibonacci": (LARGEST_FIBONACCI, 1),
    "lucas": (1473, 1),
    "recurrences": (100_000, 1),
    "addition": (100_000, 2),
}
"""Name of a task → numbers at most, features of a row."""


def chosen_models(*names: str) -> list[str]:
    """The networks that names stand for: their own, or a group's; each once.

    Raises:
        InputError: there is no such name.
    """
    for name in names:
        check_choice("model", name, (*MODEL_GROUPS, *MODELS))
    return list(dict.fromkeys(own for name in names for own in MODEL_GROUPS.get(name, (name,))))


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """How many numbers, cut into which windows, split how."""

    data: DataName = "fibonacci"
    """Which data."""

    numbers: int = 1200
    """Numbers in the sequence, of Fibonacci at most 1475; they make
    numbers - time_steps - horizon + 1 windows."""

    time_steps: int = 20
    """Numbers in a window (T); what follows the window is its target."""

    horizon: int = 1
    """Numbers to predict (K), the next ones after the window."""

    train_percent: float = 0.7
    """Share of the windows to train on, as a fraction between 0 and 1; the rest is the test set."""

    split: int = 13
    """Seed of the permutation that decides which rows are for testing; 13 is the tutorial's."""

    dtype: Dtype = "float32"
    """Floating-point type of the data, the weights and the arithmetic: float32 or float64."""

    def __post_init__(self) -> None:
        """Raise InputError for a value out of range or a split with an empty side."""
        check_choice("data", self.data, tuple(DATA))
        most, _ = DATA[self.data]
        check_integer("numbers", self.numbers, 3, most)
        check_integer("time_steps", self.time_steps, 2 if self.data == "addition" else 1, most)
        check_integer("split", self.split, 0, 2**32 - 1)
        check_integer("horizon", self.horizon, 1, most)
        if self.time_steps >= self.numbers:
            raise InputError(
                f"time_steps must be smaller than numbers ({self.numbers}), got {self.time_steps}"
            )
        if self.horizon > 1 and self.data == "addition":
            raise InputError(f"horizon must be 1 for addition, got {self.horizon}")
        if self.rows < 1:
            raise InputError(
                f"horizon must leave a row of {self.time_steps} steps in {self.numbers} numbers, "
                f"got {self.horizon}"
            )
        check_fraction("train_percent", self.train_percent)
        if not 0 < int(self.train_percent * self.rows) < self.rows:
            raise InputError(
                f"train_percent must leave a row on both sides of {max(0, self.rows)} windows, "
                f"got {self.train_percent!r}"
            )
        check_choice("dtype", self.dtype, get_args(Dtype))

    @property
    def rows(self) -> int:
        """Rows, for training and for testing together."""
        return self.numbers - self.time_steps - self.horizon + 1

    @property
    def features(self) -> int:
        """Features of the input at each time step (F)."""
        return DATA[self.data][1]


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """A network: everything that decides the names and shapes of its weights."""

    model: str = "rnn_with_attention"
    """Which network: a name in MODELS."""

    units: int = 2
    """Units of the recurrent layers, or channels of the convolution (H)."""

    dense_units: int = 1
    """Numbers that the network gives for a row (D): units of the output layer, or steps of the
    decoder (K)."""

    time_steps: int = 20
    """Time steps of the input (T)."""

    features: int = 1
    """Features of the input at each time step (F)."""

    activation: tuple[str, str] = ("tanh", "tanh")
    """Activations of the recurrent layer or the convolution (tanh, relu; LSTM and GRU: tanh) and of
    the output layer (tanh, relu, sigmoid, linear)."""

    score: Score = "tanh"
    """Scores of the attention: tanh, the tutorial's; linear; additive, asked for by the last
    state."""

    temperature: bool = False
    """Learn the temperature of the attention's softmax."""

    bias: Bias = "per_step"
    """Bias of the scores: one for each time step, the tutorial's; one shared by all; none."""

    dtype: Dtype = "float32"
    """Floating-point type of the weights and the arithmetic."""

    def __post_init__(self) -> None:
        """Raise InputError for an unknown name, a size out of range, a missing option."""
        check_choice("model", self.model, tuple(MODELS))
        check_choice("score", self.score, get_args(Score))
        check_choice("bias", self.bias, get_args(Bias))
        asked = (self.score, self.temperature, self.bias) != ("tanh", False, "per_step")
        if asked and self.model not in WITH_VARIANTS:
            raise InputError(
                f"model must be one of {', '.join(WITH_VARIANTS)} for a variant, got {self.model!r}"
            )
        if self.score == "additive" and (self.temperature or self.bias != "per_step"):
            raise InputError("score must not be additive for a temperature or another bias")
        check_integer("units", self.units, 1, 4096)
        check_integer("dense_units", self.dense_units, 1, 4096)
        least = KERNEL_SIZE + POOL_SIZE - 1 if self.pools else 1
        check_integer("time_steps", self.time_steps, least, 100_000)
        check_integer("features", self.features, 1, 4096)
        check_activation(self.activation, self.first)
        check_choice("dtype", self.dtype, get_args(Dtype))

    @property
    def first(self) -> str:
        """The first layer."""
        return MODELS[self.model][0]

    @property
    def pools(self) -> bool:
        """The network makes one time step of several."""
        return "conv" in MODELS[self.model]

    @property
    def decodes(self) -> bool:
        """The network gives one number after the other."""
        return self.model in DECODERS

    @property
    def attends(self) -> bool:
        """The network has attention."""
        return "attention" in MODELS[self.model]

    @property
    def states(self) -> int:
        """Time steps of what attention looks at."""
        if self.pools:
            return (self.time_steps - KERNEL_SIZE + 1) // POOL_SIZE
        return self.time_steps

    @property
    def options(self) -> dict[str, object]:
        """What the function that makes the network takes beside its sizes."""
        if self.model not in WITH_VARIANTS:
            return {}
        return {"score": self.score, "temperature": self.temperature, "bias": self.bias}

    @property
    def input_shape(self) -> tuple[int, int]:
        """(T, F): the shape of one row of the input."""
        return self.time_steps, self.features


def check_activation(activation: Activation, first: str = "rnn") -> tuple[str, str]:
    """The activations (first layer, output layer); one name stands for both.

    Args:
        activation: one name or two.
        first: the first layer; PyTorch's LSTM and GRU have no other activation than tanh.

    Raises:
        InputError: for a name that either framework's layer does not know.
    """
    pair = (activation, activation) if isinstance(activation, str) else tuple(activation)
    if len(pair) != 2:
        raise InputError(f"activation must be one name or two, got {activation!r}")
    known = ("tanh",) if first in ("lstm", "gru") else ("tanh", "relu")
    check_choice("activation of the recurrent layer", pair[0], known)
    check_choice("activation of the output layer", pair[1], ("tanh", "relu", "sigmoid", "linear"))
    return pair


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Training):
    """How long, in which steps, from which initial weights, on what hardware."""

    epochs: int = 30
    """Passes over the training rows."""

    seed: int = 0
    """Decides the initial weights and the batch order."""

    setup: Setup = "twin"
    """twin: equal initial weights, Keras's optimizer and one RNN bias on both sides.
    native: each framework's own initialisers and optimizer; in PyTorch two RNN biases.
    One difference alone: initializers, bias_start: PyTorch's rules for kernels or biases, equal
    on both sides; second_bias, optimizer: PyTorch's own, there only."""

    @property
    def like_keras(self) -> bool:
        """PyTorch's optimizer takes the steps that Keras's would take."""
        return "optimizer" not in SETUPS[self.setup]

    def check_resumable(self) -> None:
        """Raise InputError unless a training in this set-up can go on from a snapshot."""
        if self.setup != "twin":
            raise InputError(f"setup must be twin to resume a training, got {self.setup!r}")

    def __post_init__(self) -> None:
        """Raise InputError for an unknown name or a value out of range."""
        super().__post_init__()
        check_integer("epochs", self.epochs, 1, 10_000)
        check_integer("seed", self.seed, 0, 2**32 - 1)
        check_choice("setup", self.setup, get_args(Setup))
