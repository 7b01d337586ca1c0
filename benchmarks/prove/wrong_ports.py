"""Wrong ports: PyTorch's twin with a line changed, to show which stage sees it.

A wrong port names a function of `torch_impl`, a text that stands in its source once, and what
stands there instead. The changed source takes the function's place while it is applied.
"""

import contextlib
import importlib
import inspect
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

Edits = dict[str, list[tuple[str, str]]]
"""`module:function` in torch_impl → texts in its source, and what replaces each."""


@dataclass(frozen=True)
class WrongPort:
    """A wrong port."""

    seen_first_by: str
    """The first stage that sees it."""

    edits: Edits

    model: str = "rnn_with_attention"
    """A network that it shows in."""


ATTEND, SCORE = "attention:AttentionBase.attend", "attention:Attention.score"
RESET, STATES = "rnn:Recurrent.reset_parameters", "rnn:Recurrent.states"
GET, SET, FIT = "weights:get_weights", "weights:set_weights", "steps:fit"
CREATE, RESUME = "optimizer:create_optimizer", "optimizer:set_state"
FOLLOW = "keras_steps:keras_settings"
CONVOLVED = (
    "torch.nn.functional.conv1d("
    "torch.transpose(x, 1, 2), self.core.weight.flip(-1), self.core.bias)"
)
RESET_BEFORE = "torch.chunk(linear(torch.sigmoid(r + r_h) * h, weight_hh, bias_hh), 3, dim=-1)[2]"
TRAINED = [("requires_grad_(False)", "requires_grad_(True)")]

WRONG_PORTS = {
    # The eleven that are made most often.
    "recurrent kernel not transposed": WrongPort(
        "forward",
        {"weights:_recurrent": [("recurrent_kernel, True", "recurrent_kernel, False")]},
    ),
    "bias copied into both biases": WrongPort(
        "forward",
        {
            SET: [
                ("for _, bias_hh", "for name, bias_hh"),
                ("nn.init.zeros_(bias_hh)", "bias_hh.data.copy_(torch.tensor(weights[name]))"),
            ],
            GET: [("weights[name] += bias_hh.numpy(force=True)", "pass")],
        },
    ),
    "softmax over the rows": WrongPort(
        "forward", {ATTEND: [("torch.softmax(e, dim=1)", "torch.softmax(e, dim=0)")]}
    ),
    "attention's b dropped": WrongPort("forward", {SCORE: [("else e + self.b", "else e")]}),
    "tanh of the scores missing": WrongPort("forward", {SCORE: [("torch.tanh(e)", "e")]}),
    "alpha detached": WrongPort(
        "gradients", {ATTEND: [("torch.unsqueeze(alpha, -1)", "alpha.detach()[..., None]")]}
    ),
    "bias halved into two trained ones": WrongPort(
        "step",
        {
            RESET: TRAINED,
            SET: [
                (
                    "write(model, weights)",
                    "write(model, weights | {n: weights[n] / 2 for n, _ in _second_biases(model)})",
                ),
                ("for _, bias_hh", "for name, bias_hh"),
                ("nn.init.zeros_(bias_hh)", "bias_hh.data.copy_(torch.tensor(weights[name] / 2))"),
            ],
        },
    ),
    "second bias 0, but trained": WrongPort("step", {RESET: TRAINED}),
    "Adam's ε 1e-8, as PyTorch has it": WrongPort(
        "step", {FOLLOW: [("1e-7 / correction_2", "1e-8")]}
    ),
    "Adam's ε 1e-7, as Keras has it": WrongPort(
        "step", {FOLLOW: [("1e-7 / correction_2", "1e-7")]}
    ),
    "AdamW in place of Adam": WrongPort(
        "step", {CREATE: [("torch.optim.Adam(trained", "torch.optim.AdamW(trained")]}
    ),
    # The layer and the recurrence.
    "context off by one time step": WrongPort(
        "forward", {ATTEND: [("-1) * x, dim=1", "-1) * torch.roll(x, 1, 1), dim=1")]}
    ),
    "attention's b in reverse": WrongPort(
        "forward", {SCORE: [("else e + self.b", "else e + self.b.flip(0)")]}
    ),
    "first state in place of the last": WrongPort(
        "forward", {"rnn:Recurrent.forward": [("states[:, -1]", "states[:, 0]")]}, "rnn"
    ),
    "state carried over from batch to batch": WrongPort(
        "forward",
        {
            STATES: [
                (
                    "return self.core(x)[0]",
                    "last = self.__dict__.get('last')\n"
                    "    last = last if last is not None and last.shape[1] == len(x) else None\n"
                    "    states, last = self.core(x, last)\n"
                    "    self.__dict__['last'] = last.detach()\n"
                    "    return states",
                )
            ]
        },
    ),
    "float32 hidden in float64": WrongPort(
        "forward", {STATES: [("self.core(x)[0]", "self.core(x)[0].float().to(x.dtype)")]}
    ),
    "softmax before the mask": WrongPort("mask", {ATTEND: [("torch.where(mask, e, -3e4)", "e")]}),
    "context divided by Σ alpha: NaN for an empty row": WrongPort(
        "mask",
        {ATTEND: [("* x, dim=1)", "* x, dim=1) / torch.sum(alpha, dim=1, keepdim=True)")]},
    ),
    "masked states not carried": WrongPort(
        "mask",
        {"rnn:Recurrent._loop": [("torch.where(kept, *pair)", "torch.where(kept, pair[0], 0.0)")]},
    ),
    # The loss and the batches.
    "loss summed over the outputs": WrongPort(
        "loss", {FIT: [("y[batch])", "y[batch]) * y.shape[1]")]}
    ),
    "plain mean of the batches' losses": WrongPort(
        "loss",
        {FIT: [("* len(batch)", "* len(rows) / -(-len(rows) // config.batch_size)")]},
    ),
    "last batch dropped": WrongPort(
        "loss",
        {
            FIT: [
                (
                    "torch.split(rows, config.batch_size)",
                    "torch.split(rows, config.batch_size)[: len(rows) // config.batch_size]",
                )
            ]
        },
    ),
    "batch order off by one": WrongPort(
        "step",
        {FIT: [("in torch.tensor(order, device", "in torch.tensor(np.roll(order, 1, 1), device")]},
    ),
    # The optimizer.
    "gradients not zeroed": WrongPort("step", {FIT: [("optimizer.zero_grad()", "pass")]}),
    "gradients clipped": WrongPort(
        "step",
        {
            FIT: [
                (
                    "optimizer.step()",
                    "nn.utils.clip_grad_norm_(model.parameters(), 0.1); optimizer.step()",
                )
            ]
        },
    ),
    "bias correction by epoch": WrongPort(
        "step", {"keras_steps:follow_keras": [("np.array(steps)", "np.full(len(steps), steps[0])")]}
    ),
    "L2 in the gradient in place of AdamW's decay": WrongPort(
        "step",
        {
            CREATE: [
                (
                    "torch.optim.AdamW(trained, rate)",
                    "torch.optim.Adam(trained, rate, weight_decay=0.004)",
                )
            ]
        },
    ),
    "momentum with damping": WrongPort(
        "step", {CREATE: [("momentum=0.9", "momentum=0.9, dampening=0.9")]}
    ),
    "Nesterov momentum": WrongPort(
        "step", {CREATE: [("momentum=0.9", "momentum=0.9, nesterov=True")]}
    ),
    "RMSprop's rate ten times too large": WrongPort(
        "step", {CREATE: [("RMSprop(trained, rate", "RMSprop(trained, 10 * rate")]}
    ),
    "learning rate rounded to float32": WrongPort(
        "step", {FOLLOW: [("number(rate) *", "np.float32(rate) *")]}
    ),
    "β not rounded as Keras on TensorFlow does": WrongPort(
        "step",
        {FOLLOW: [('np.float32 if config.keras_backend == "tensorflow" else number', "number")]},
    ),
    "steps counted from 0 after a hand-off": WrongPort(
        "hand-off", {RESUME: [('torch.tensor(float(state["t"]))', "torch.tensor(0.0)")]}
    ),
    "momentum lost in a hand-off": WrongPort(
        "hand-off", {RESUME: [("array * scale", "array * scale * (moment != 'm')")]}
    ),
    # The other networks.
    "GRU's gates in PyTorch's order": WrongPort(
        "forward",
        {"weights:_recurrent": [('if kind.endswith("gru"):', 'if kind == "no such kind":')]},
        "gru",
    ),
    "reset gate before the product": WrongPort(
        "mask",
        {"rnn:GRU.step": [("torch.sigmoid(r + r_h) * g_h", RESET_BEFORE)]},
        "gru",
    ),
    "LSTM's forget and input gates swapped": WrongPort(
        "mask", {"rnn:LSTM.step": [("i, f, g, o = torch", "f, i, g, o = torch")]}, "lstm"
    ),
    "kernel of the convolution in reverse": WrongPort(
        "forward",
        {"conv:Conv1D.forward": [("self.core(torch.transpose(x, 1, 2))", CONVOLVED)]},
        "conv",
    ),
    "pooling that knows no mask": WrongPort(
        "mask",
        {"conv:MaxPooling1D.forward": [("torch.where(torch.unsqueeze(mask, -1), x, -3e4)", "x")]},
        "conv_with_attention",
    ),
    "attention asked by the state after": WrongPort(
        "forward",
        {
            "seq2seq:EncoderDecoder.decode": [
                (
                    "self.attention.attend(h, mask, state)",
                    "self.attention.attend(h, mask, self.decoder.step(number.new_zeros("
                    "len(number), 1 + self.units), [state])[0])",
                )
            ]
        },
        "encoder_decoder_with_attention",
    ),
    "the last number is not told": WrongPort(
        "forward",
        {
            "seq2seq:EncoderDecoder.decode": [
                ("k < targets.shape[1] else", "k + 1 < targets.shape[1] else")
            ]
        },
        "encoder_decoder",
    ),
}
"""Name → wrong port."""


@contextlib.contextmanager
def applied(name: str) -> Iterator[None]:
    """While it lasts, PyTorch's twin is the wrong port of that name; "" is the correct one."""
    with contextlib.ExitStack() as patches:
        for target, edits in (WRONG_PORTS[name].edits if name else {}).items():
            owner, attribute, original = find(target)
            changed = edited(original, edits)
            for place in holders(owner, attribute, original):
                patches.enter_context(patch.object(place, attribute, changed))
        yield


HOMES = {
    name: f"attention_twins.in_torch.{name}"
    for name in ("weights", "optimizer", "keras_steps", "steps")
}


def find(target: str) -> tuple[Any, str, Any]:
    """Owner, name and function of `module:function` or `module:Class.method`."""
    module, path = target.split(":")
    owner = importlib.import_module(HOMES.get(module, f"torch_impl.{module}"))
    *classes, attribute = path.split(".")
    for part in classes:
        owner = getattr(owner, part)
    return owner, attribute, getattr(owner, attribute)


def edited(function: Any, edits: list[tuple[str, str]]) -> Any:
    """The function, compiled again from a source in which each text is replaced.

    Raises:
        ValueError: a text does not stand there exactly once: the wrong port has gone stale.
    """
    source = textwrap.dedent(inspect.getsource(function))
    for old, new in edits:
        if source.count(old) != 1:
            raise ValueError(f"{function.__qualname__} must hold {old!r} once")
        source = source.replace(old, new)
    found: dict[str, Any] = {}
    exec(
        compile(source, f"<{function.__qualname__}, changed>", "exec"), function.__globals__, found
    )
    return found[function.__name__]


def holders(owner: Any, attribute: str, original: Any) -> list[Any]:
    """The owner, and every module of the twin that has imported the function by name."""
    modules = [
        module
        for name, module in sys.modules.items()
        if name.startswith(("torch_impl", "attention_twins"))
    ]
    found = [module for module in modules if getattr(module, attribute, None) is original]
    return found if owner in found else [owner, *found]
