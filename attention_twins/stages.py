"""What a twin does on the ladder, in a process of its own: every rung, written to files.

A trace goes to `FOLDER/WORKER/MODEL-DTYPE/RUNG.safetensors`; `places.py` reads them.
"""

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from attention_twins.parity import Trace, load_trace, save_trace
from attention_twins.processes import Send
from attention_twins.training import OPTIMIZERS, FitResult, Snapshot
from benchmarks.prove.cases import BATCH, epochs, follows, snapshot_steps
from benchmarks.prove.wrong_ports import applied
from shared.config import TrainConfig
from shared.data import Data


def climb(
    send: Send,
    receive: Callable[[], Any],
    twin: str,
    folder: Path,
    cases: list[Any],
    backends: list[str],
) -> None:
    """Climb every rung; says `ready`, then `rung` after each, `waiting` before what needs other
    workers' files; there it waits to be told whose, for each worker.

    Args:
        send: takes a kind and a content.
        receive: waits for the parent's word.
        twin: "keras" or "torch".
        folder: where this worker's traces go; the partners' lie beside it.
        cases: what to climb with, each like a Case.
        backends: the Keras backends to train like: its own, or in PyTorch one or many.
    """
    package = importlib.import_module(f"{twin}_impl")
    send("ready", package.device_name("cpu"))
    ascend(send, receive, [Climber(package, case, folder / case.name, backends) for case in cases])


def ascend(send: Send, receive: Callable[[], Any], climbers: list["Climber"]) -> None:
    """Climb: what `climb` says and waits for after `ready`."""
    for climber in climbers:
        with applied(climber.case.mutant):
            for rung in climber.alone():
                send("rung", (climber.case.name, rung))
    send("waiting", None)
    partners = receive()[climbers[0].folder.parent.name]
    for climber in climbers:
        with applied(climber.case.mutant):
            for partner in partners:
                for rung in climber.together(partner):
                    send("rung", (climber.case.name, rung))


class Climber:
    """A twin on the ladder with one case."""

    def __init__(self, package: Any, case: Any, folder: Path, backends: list[str]) -> None:
        self.package, self.case, self.folder = package, case, folder
        self.followed = sorted({follows(backend, case.dtype) for backend in backends})

    def alone(self) -> Iterator[str]:
        """The rungs that need no other twin; their names, when each is on disk."""
        package, case = self.package, self.case
        data, mask = case.rows()
        y = data.train_y[:BATCH]

        self.save("born", package.get_weights(case.fresh(package)))
        model = case.short(package)
        self.save("weights", package.get_weights(model))
        yield "weights"
        told = package.teacher_forced(model, data).train_x[:BATCH]
        self.save("trace", package.trace(model, told, y, loss=case.loss))
        yield "forward"
        if mask is not None:
            x = data.train_x[:BATCH]
            self.save("mask", package.trace(model, x, y, mask[:BATCH], case.loss))
        yield "mask"
        # So small a rate moves no weight: the epoch's loss is the loss of all rows.
        still = TrainConfig(batch_size=8, learning_rate=1e-30, loss=case.loss)
        epoch = package.fit(model, data, still, np.arange(23)[np.newaxis])
        self.save("loss", {"loss of an epoch": np.array(epoch.loss, case.dtype)})
        yield "loss"
        for followed in self.followed:
            self.save(f"step-{followed}", self.three_steps(data, followed))
        yield "step"
        for followed in self.followed:
            result = self.train(followed, 0, case.steps)
            self.save(f"trajectory-{followed}", trajectory(result))
            half = result.snapshots[case.steps // 2]
            self.save(f"half-{followed}", parts(half))
            self.save(f"fit-{followed}", ending(result))
        yield "trajectory"
        if case.faster:
            for followed in self.followed:
                result = self.train(followed, 0, case.steps, way="fit_compiled")
                self.save(f"compiled-{followed}", ending(result))
            yield "compiled"
            for followed in self.followed:
                found = case.many(package, self.config(followed))
                weights = {name: array[1] for name, array in found.weights.items()}
                loss = np.array(found.loss[1], case.dtype)
                self.save(f"many-{followed}", {"loss of every epoch": loss, **weights})
            yield "many"

    def together(self, partner: str) -> Iterator[str]:
        """The rungs that take up what a partner has written."""
        package, case = self.package, self.case
        theirs = self.folder.parents[1] / partner / case.correct.name
        model = case.empty(package)
        package.set_weights(model, case.own(load_trace(theirs / "born.safetensors")))
        self.save(f"weights-{partner}", package.get_weights(model))
        yield "weights"
        backend = partner.removeprefix("keras-")
        followed = self.followed[0] if partner == "torch" else follows(backend, case.dtype)
        start = as_snapshot(case.own(load_trace(theirs / f"half-{followed}.safetensors")))
        result = self.train(followed, case.steps // 2, case.steps, start)
        self.save(f"hand-off-{partner}", result.weights)
        yield "hand-off"

    def three_steps(self, data: Data, followed: str) -> Trace:
        """Weights and state after each of three steps with each optimizer, one epoch."""
        found = {}
        for optimizer in OPTIMIZERS:
            config = TrainConfig(
                optimizer=optimizer,  # pyright: ignore[reportArgumentType]
                loss=self.case.loss,
                batch_size=BATCH,
                learning_rate=0.01,
                keras_backend=followed,  # pyright: ignore[reportArgumentType]
            )
            order = np.arange(3 * BATCH)[np.newaxis]
            model = self.case.short(self.package)
            result = self.package.fit(model, data, config, order, snapshots=(1, 2, 3))
            for step, snapshot in result.snapshots.items():
                for name, array in {**snapshot.state, **snapshot.weights}.items():
                    found[f"{optimizer}/{step}/{name}"] = array
        return found

    def train(
        self,
        followed: str,
        begin: int,
        end: int,
        start: Snapshot | None = None,
        way: str = "fit",
    ) -> FitResult:
        """The trajectory from step `begin` to step `end`."""
        data, order = self.case.sequence()
        size = self.case.batch_size
        model = self.case.long(self.package)
        steps = snapshot_steps(end) if begin == 0 else ()
        rows = order[begin * size : end * size]
        rows = epochs(rows) if self.case.faster else rows[np.newaxis]
        train = getattr(self.package, way)
        return train(model, data, self.config(followed), rows, resume_from=start, snapshots=steps)

    def config(self, followed: str) -> TrainConfig:
        """The training of the trajectory."""
        return TrainConfig(
            loss=self.case.loss,
            batch_size=self.case.batch_size,
            keras_backend=followed,  # pyright: ignore[reportArgumentType]
        )

    def save(self, name: str, trace: Trace) -> None:
        """Write one file."""
        save_trace(self.folder / f"{name}.safetensors", self.case.shared(trace))


def trajectory(result: FitResult) -> Trace:
    """`STEP/WEIGHT` for every snapshot."""
    return {
        f"{step}/{name}": array
        for step, snapshot in result.snapshots.items()
        for name, array in snapshot.weights.items()
    }


def ending(result: FitResult) -> Trace:
    """The loss of every epoch, and the weights at the end."""
    dtype = next(iter(result.weights.values())).dtype
    return {"loss of every epoch": np.array(result.loss, dtype), **result.weights}


def parts(snapshot: Snapshot) -> Trace:
    """Weights and state, for one file."""
    weights = {f"weights/{name}": array for name, array in snapshot.weights.items()}
    return weights | {f"state/{name}": array for name, array in snapshot.state.items()}


def as_snapshot(arrays: Trace) -> Snapshot:
    """Weights and state, out of one file."""
    found: dict[str, Trace] = {"weights": {}, "state": {}}
    for key, array in arrays.items():
        part, name = key.split("/", 1)
        found[part][name] = array
    return Snapshot(**found)
