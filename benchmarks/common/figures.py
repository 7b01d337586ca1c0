"""What figures of all commands are drawn and written with; twins bring their own style."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import matplotlib
import numpy as np
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

R = TypeVar("R")
Figures = Mapping[str, tuple[Callable[[R], Figure | None], str]]
"""Name of a figure → what draws it of a record, None where that has no data; what it shows."""

DASHES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
"""Line styles for what one twin does in several ways."""


def shades(colour: str, count: int) -> list[str]:
    """So many shades of a colour, from dark to light; one is the colour itself."""
    rgb = np.array(to_rgb(colour))
    ends = (rgb * 0.5, rgb + (1 - rgb) * 0.35) if count > 1 else (rgb, rgb)
    return [to_hex(shade) for shade in np.linspace(*ends, count)]


def drawn(figures: Figures[R], record: R) -> dict[str, tuple[Figure, str]]:
    """Name → figure and its words, of those that the record has data for."""
    made = ((name, make(record), alt) for name, (make, alt) in figures.items())
    return {name: (figure, alt) for name, figure, alt in made if figure is not None}


def save_figures(figures: Figures[R], record: R, folder: Path) -> None:
    """Write each as PNG and SVG into a folder, the same bytes for the same figure."""
    with matplotlib.rc_context({"svg.hashsalt": "attention-twins", "svg.fonttype": "none"}):
        for name, (figure, _) in drawn(figures, record).items():
            figure.savefig(folder / f"{name}.png", dpi=150)
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
