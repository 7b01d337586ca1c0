"""A tiny study, and what comes of it."""

from benchmarks.cli import main
from benchmarks.studies import records

FAST = ["--numbers", "60", "--epochs", "2", "--starts", "6", "--workers", "2"]
FAST += ["--twins", "Keras/jax", "--setups", "twin"]


def study(tmp_path, *options, name="out"):
    """A study into tmp_path/NAME: the exit code, and the record."""
    out = tmp_path / name
    code = main(["study", *options, "--out", str(out)])
    return code, records.read(out)
