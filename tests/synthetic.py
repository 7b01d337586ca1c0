"""Records of `twins bench` with chosen costs, as if they had been measured."""

from benchmarks.bench.cells import Cell
from benchmarks.bench.grid import Grid
from benchmarks.bench.records import Record
from benchmarks.bench.steady import steady_after
from benchmarks.bench.validity import claims
from benchmarks.bench.worker import rule_of

MACHINE = {"host": "here", "processor": "a", "cores": 2, "versions": {"torch": "1"}, "commit": "c"}


def line_of(cell, block, microseconds, **changes):
    """A process whose steady epochs cost so much, after a first one that took 2 s longer."""
    epoch = microseconds * cell.steps_in_epoch * cell.starts / 1e6
    epochs = 5 if cell.way == "fit_many" else 20 + int(0.6 / epoch)  # enough to be steady
    seconds = [epoch + 2, *[epoch] * epochs]
    return {
        "block": block,
        "cell": cell,
        "started": "2026-01-01T00:00:00+00:00",
        "cold": block == 0,
        "host": "here",
        "machine": {"load": 0.1, "others": 0.0, "steal": 0.0, "mhz": 2000, "busy": ""},
        "seconds": seconds,
        "steady_after": steady_after(seconds, rule_of(cell)),
        "together": cell.starts,
        "loss": [1.0, 0.5],
        "ending": 0.5,
        "before_mib": 100.0,
        "peak_mib": 300.0,
        "device_mib": None,
        "proof": {name: 3 if value == "some" else value for name, value in claims(cell).items()},
        "gate": {"distance": 1e-7, "limit": 1e-6, "own_error": 1e-7, "steps": 826},
        "failed": "",
    } | changes


def record_of(folder, costs, ended=True, **plan):
    """A record in a new folder: cell → microseconds, or a whole line, of each block."""
    blocks = max(map(len, costs.values()))
    grid = Grid("made", blocks, blocks, tuple(costs))
    options = {"seed": 0, "precision": 0.05, "limit": 60.0, "target": {"loss": 2e-4, "epochs": 19}}
    record = Record.create(folder, grid, MACHINE, **options | plan)
    for block in range(blocks):
        for cell, values in costs.items():
            if block < len(values) and values[block] is not None:
                value = values[block]
                line = value if isinstance(value, dict) else line_of(cell, block, value)
                record.append(line)
    if ended:
        record.append({"ended": "2026-01-01T01:00:00+00:00", "said": "done", "wide": []})
    return record


PLAIN = Cell(twin="PyTorch")
FAST = Cell(twin="PyTorch", way="fit_compiled")
OTHER = Cell(twin="Keras/jax")
FLOOR = Cell(twin="scalar loop", way="floor")
