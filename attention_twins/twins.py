"""The twins: what they are called, where they live, how they are drawn. The only list of them."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Twin:
    """One implementation of the networks."""

    name: str
    """In records and tables."""

    worker: str
    """Its process and its files."""

    package: str
    """The module that creates and trains its networks."""

    backend: str
    """What Keras runs on; for the others the backend whose rounding they imitate."""

    colour: str
    """In every figure (Okabe and Ito 2008, without its green and its second blue)."""

    dash: str
    """Where the line style stands for nothing else, so that equal curves both show."""

    marker: str

    @property
    def framework(self) -> str:
        """Its name without Keras's backend."""
        return self.name.split("/")[0]

    @property
    def style(self) -> dict[str, Any]:
        """Colour and line style of a curve, as Matplotlib takes them."""
        return {"color": self.colour, "ls": self.dash}

    @property
    def title(self) -> str:
        """Its name where people read it."""
        return "scalar limit" if self is SCALAR_LIMIT else self.name


TENSORFLOW = Twin(
    "Keras/tensorflow", "keras-tensorflow", "keras_impl", "tensorflow", "#D55E00", "-", "o"
)
JAX = Twin("Keras/jax", "keras-jax", "keras_impl", "jax", "#CC79A7", "-.", "s")
TORCH = Twin("Keras/torch", "keras-torch", "keras_impl", "torch", "#E69F00", ":", "^")
PYTORCH = Twin("PyTorch", "torch", "torch_impl", "tensorflow", "#0072B2", "--", "x")
TWINS = (PYTORCH, TENSORFLOW, JAX, TORCH)

SCALAR_LIMIT = Twin(
    "scalar loop", "scalar", "benchmarks.common.scalar_limit", "tensorflow", "0.3", "-", "+"
)
"""No twin, but a row in tables and a curve in figures: what one loop over single numbers takes."""


TWIN_OF = {
    spelling: twin for twin in (*TWINS, SCALAR_LIMIT) for spelling in (twin.name, twin.worker)
}
"""Name, or name of its worker → twin."""


def trained_twin(side: str, keras_backend: str) -> Twin:
    """The twin of one side of a run: keras, on a backend, or torch."""
    return PYTORCH if side == PYTORCH.worker else TWIN_OF[f"{side}-{keras_backend}"]


def title(spelling: str) -> str:
    """A twin as people read it; a wrong port keeps its name."""
    return TWIN_OF[spelling].title if spelling in TWIN_OF else spelling
