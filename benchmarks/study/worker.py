"""One chunk of a study, in a process of its own: reads it from standard input, writes the result.

A framework takes its backend and its threads when it is imported, so every chunk has an
interpreter of its own, wherever the workers run.
"""

import importlib
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np

from attention_twins.processes import framework_environment
from attention_twins.twins import TWIN_OF
from attention_twins.weights import Weights
from benchmarks.study.arms import Chunk
from shared import reference
from shared.baselines import mse
from shared.config import MODELS, ModelConfig
from shared.tasks import load_data

KEPT = 20
"""Starts whose weights are kept."""


TRIES = 3
"""How often an interpreter is started for a chunk, as long as something kills it."""


class ChunkError(RuntimeError):
    """A chunk that could not be trained; the message is one line."""


def train(chunk: Chunk) -> dict[str, Any]:
    """Train a chunk in an interpreter of its own; what `trained` gives.

    Raises:
        ChunkError: the interpreter ended before its time, or was killed again and again.
    """
    for attempt in itertools.count(1):
        run = subprocess.run(
            [sys.executable, "-m", "benchmarks.study.worker"],
            input=json.dumps(chunk.as_dict() | {"parent": os.getpid()}),
            capture_output=True,
            text=True,
            env=os.environ | framework_environment(chunk.arm.train_config),
            check=False,
        )
        # Killed, as the system does when memory runs out: another time there may be enough.
        if run.returncode >= 0 or attempt == TRIES:
            break
    if run.returncode:
        lines = [line for line in run.stderr.strip().splitlines() if line.strip()]
        said = (
            lines[-1] if run.returncode == 1 and lines else f"it ended with code {run.returncode}"
        )
        raise ChunkError(f"{chunk.arm.twin}, {chunk.arm.model}: {said}")
    return json.loads(run.stdout.splitlines()[-1])


def trained(chunk: Chunk) -> dict[str, Any]:
    """Train a chunk in this process: errors and losses of every start, weights of some."""
    package = importlib.import_module(TWIN_OF[chunk.arm.twin].package)
    data, begin = load_data(chunk.arm.data_config), time.perf_counter()
    if chunk.arm.held_out:
        data = data.held_out()
    found = package.fit_many(
        chunk.arm.model_config, data, chunk.arm.train_config, chunk.seeds, chunk.rates
    )
    starts = []
    for i, (seed, rate) in enumerate(zip(chunk.seeds, chunk.rates, strict=True)):
        start: dict[str, Any] = {
            "seed": seed,
            "learning_rate": rate,
            "train_mse": mse(found.train_prediction[i], data.train_y),
            "test_mse": mse(found.test_prediction[i], data.test_y),
            "loss": [float(f"{loss:.7g}") for loss in found.loss[i]],
        }
        weights = {name: array[i] for name, array in found.weights.items()}
        if "attention" in MODELS[chunk.arm.model]:
            start["largest_weight"] = largest_weight(chunk.arm.model_config, weights, data.test_x)
        if seed < KEPT:
            start["weights"] = {name: array.tolist() for name, array in weights.items()}
        starts.append(start)
    return {
        "starts": starts,
        "seconds": time.perf_counter() - begin,
        "compile_seconds": found.compile_seconds,
    }


def largest_weight(config: ModelConfig, weights: Weights, x: np.ndarray) -> float:
    """The largest that attention gives to any time step of rows x (B, T, F)."""
    with np.errstate(all="ignore"):  # a start that diverged has weights that are not finite
        found = reference.forward(config, weights, x)
        return max(float(a.max()) for name, a in found.items() if "attention/alpha" in name)


def _end_with_parent(parent: int) -> None:
    """A worker that was killed cannot end what it has started."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def main() -> None:
    """Read a chunk, train it, write the result as the last line."""
    given = json.load(sys.stdin)
    threading.Thread(target=_end_with_parent, args=(given["parent"],), daemon=True).start()
    output = os.dup(1)
    os.dup2(2, 1)  # frameworks chatter on either
    result = trained(Chunk.from_dict(given))
    with os.fdopen(output, "w") as file:
        file.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
