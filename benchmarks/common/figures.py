"""What figures of all commands are drawn and written with; twins bring their own style."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

DASHES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
"""Line styles for what one twin does in several ways."""


def shades(colour: str, count: int) -> list[str]:
    """So many shades of a colour, from dark to light; one is the colour itself."""
    rgb = np.array(to_rgb(colour))
    ends = (rgb * 0.5, rgb + (1 - rgb) * 0.5) if count > 1 else (rgb, rgb)
    return [to_hex(shade) for shade in np.linspace(*ends, count)]


def save_figure(figure: Figure, path: Path) -> list[Path]:
    """Write a figure to `path`.png and `path`.svg, the same bytes for the same figure."""
    files = []
    with matplotlib.rc_context({"svg.hashsalt": "attention-twins", "svg.fonttype": "none"}):
        for suffix, metadata in ((".png", {}), (".svg", {"Date": None})):
            files.append(path.with_suffix(suffix))
            figure.savefig(files[-1], dpi=150, metadata=metadata)
    return files
