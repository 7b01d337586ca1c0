"""Ways to train, their tiers, and the switches that a cell can have beside its way."""

from dataclasses import dataclass

from attention_twins.twins import TWINS

WAYS = {"fit": "A", "fit_compiled": "C", "fit_many": "D", "floor": "E"}
"""Way to train → its tier, unless a switch moves it."""

TIERS = {
    "A": "as everyone writes it",
    "B": "one documented switch",
    "C": "whole epochs compiled",
    "D": "many starts at once",
    "E": "the scalar limit",
    "L": "one default flipped",
}
"""Tier → what is in it. Ways of different tiers are never ranked together."""


@dataclass(frozen=True)
class Switch:
    """One thing that a cell does differently."""

    tier: str
    twins: tuple[str, ...]
    """Twins that have it."""

    way: str = "fit"
    """The way to train that has it."""

    what: str = ""
    """What it is, for a table."""

    same_training: bool = True
    """The numbers that come out are the same; if not, there is no reference to compare with."""

    cuda: bool = False
    """Only on a GPU."""


PYTORCH, TF, JAX, TORCH = (twin.name for twin in TWINS)

SWITCHES = {
    "steps_per_execution": Switch("B", (TF, JAX), what="compile(steps_per_execution=an epoch)"),
    "jit_compile": Switch("B", (TF,), what="compile(jit_compile=True)"),
    "unroll": Switch("B", (TF, JAX), what="SimpleRNN(unroll=True)"),
    "fused": Switch("B", (PYTORCH,), what="Adam(fused=True)"),
    "torch.compile": Switch(
        "B", (PYTORCH,), what="model.compile(), recurrence unrolled: nn.RNN breaks the graph"
    ),
    "many kernels": Switch(
        "C", (TF, JAX), way="fit_compiled", what="XLA as it comes: a kernel for each operation"
    ),
    "foreach": Switch("L", (PYTORCH,), what="Adam(foreach=True)"),
    "unrolled": Switch("L", (PYTORCH, TORCH), what="recurrence as a loop in Python, no kernel"),
    "loader": Switch("L", (PYTORCH,), what="DataLoader instead of slices of a tensor"),
    "item": Switch("L", (PYTORCH,), what="loss.item() in every step"),
    "zeros": Switch("L", (PYTORCH,), what="zero_grad(set_to_none=False)"),
    "callback": Switch(
        "L", (JAX, TORCH), what="a callback after every step: then Keras uses no threads for them"
    ),
    "one call": Switch(
        "L", (TF, JAX, TORCH), what="one call of fit for all epochs, rows in the same order"
    ),
    "deterministic": Switch("L", (TF, PYTORCH), what="deterministic operations"),
    "epsilon": Switch(
        "L", (TF, JAX, PYTORCH), what="Adam's epsilon 1e-8, not 1e-7", same_training=False
    ),
    "collector": Switch("L", (TF, JAX, TORCH, PYTORCH), what="garbage collector off"),
    "TF32": Switch(
        "L",
        (TF, JAX, TORCH, PYTORCH),
        what="TF32 in matrix products on",
        same_training=False,
        cuda=True,
    ),
}
"""Name of a switch → where it is to be had. Tier L: the table of what defaults cost or gain."""
