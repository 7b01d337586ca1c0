"""What a worker does in a process of its own: every stage with every subject, written to files.

Traces go to `FOLDER/WORKER/SUBJECT/STAGE.safetensors`; `traces.py` reads them.
"""

import importlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from attention_twins.parity import Key, Trace, named, state_trace, weight_trace
from attention_twins.processes import Send
from attention_twins.subject import Framework, Rows, Subject
from attention_twins.tolerances import rounds_like
from attention_twins.traces import Place, Traces, load_traces, save_traces, snapshot_steps
from attention_twins.training import (
    OPTIMIZERS,
    FitResult,
    KerasBackend,
    Snapshot,
)

ROWS, BATCH = 28, 7
"""Rows of the stages before the trajectory, and rows in a batch of them."""

EPOCH_ROWS = 23
"""Rows of the epoch whose loss is compared: its last batch is smaller."""


def run(
    send: Send,
    receive: Callable[[], Any],
    package: str,
    folder: Path,
    subjects: list[Subject],
    keras_backends: Sequence[KerasBackend],
) -> None:
    """Run every stage; says `ready`, then `stage` after each, `waiting` before what needs other
    workers' files; there it waits to hear whose, for each worker.

    Args:
        send: takes a kind and a content.
        receive: waits for the parent's word.
        package: name of the framework's package.
        folder: where this worker's traces go; the partners' lie beside it.
        subjects: what is compared.
        keras_backends: the Keras backends to train like: its own, or in PyTorch one or many.
    """
    framework: Any = importlib.import_module(package)
    send("ready", framework.device_name("cpu"))
    run_all(send, receive, framework, folder, subjects, keras_backends)


def run_all(
    send: Send,
    receive: Callable[[], Any],
    framework: Framework,
    folder: Path,
    subjects: list[Subject],
    keras_backends: Sequence[KerasBackend],
) -> None:
    """What `run` says and waits for after `ready`."""
    runners = [Runner(framework, subject, folder, keras_backends) for subject in subjects]
    for runner in runners:
        with runner.subject.in_place():
            for stage in runner.alone():
                send("stage", (runner.subject.name, stage))
    send("waiting", None)
    partners = receive()[folder.name]
    for runner in runners:
        with runner.subject.in_place():
            for partner in partners:
                for stage in runner.together(partner):
                    send("stage", (runner.subject.name, stage))


class Runner:
    """A worker with one subject."""

    def __init__(
        self,
        framework: Framework,
        subject: Subject,
        folder: Path,
        keras_backends: Sequence[KerasBackend],
    ) -> None:
        self.framework, self.subject, self.folder = framework, subject, folder / subject.name
        self.roundings = sorted({rounds_like(b, subject.dtype) for b in keras_backends})

    def alone(self) -> Iterator[str]:
        """The stages that need no other worker; their names, when each is on disk."""
        framework, subject = self.framework, self.subject
        rows, mask = subject.rows()
        y = rows.train_y[:BATCH]

        weights = framework.get_weights(subject.native_model(framework))
        self.save("native", Place("weights", 0), weight_trace(weights))
        model = subject.small_model(framework)
        self.save("weights", Place("weights", 0), weight_trace(framework.get_weights(model)))
        yield "weights"
        x = subject.traced_x(rows)[:BATCH]
        trace = framework.trace(model, x, y, loss=subject.loss)
        gradients = {key: array for key, array in trace.items() if key.part == "gradient"}
        forward = {key: array for key, array in trace.items() if key.part == "forward"}
        self.save("forward", Place("forward", 1), forward)
        self.save("gradients", Place("gradients", 1), gradients)
        yield "forward"
        if mask is not None:
            x = rows.train_x[:BATCH]
            masked = framework.trace(model, x, y, mask[:BATCH], subject.loss)
            self.save("mask", Place("mask", 1), masked)
        yield "mask"
        # So small a rate moves no weight: the epoch's loss is the loss of all rows.
        still = subject.training(batch_size=8, learning_rate=1e-30, loss=subject.loss)
        epoch = framework.fit(model, rows, still, np.arange(EPOCH_ROWS)[np.newaxis])
        loss = Key("loss", "", "loss")
        losses = {loss: trace[loss], EPOCH_LOSS: np.array(epoch.loss, subject.dtype)}
        self.save("loss", Place("loss", 1), losses)
        yield "loss"
        for rounding in self.roundings:
            self.save_all(f"step-{rounding}", self.three_steps(rows, rounding))
        yield "step"
        for rounding in self.roundings:
            result = self.train(rounding, 0, subject.steps)
            self.save_all(f"trajectory-{rounding}", trajectory(result))
            half = result.snapshots[subject.steps // 2]
            self.save(f"half-{rounding}", Place("hand-off", subject.steps // 2), as_trace(half))
            self.save(f"fit-{rounding}", Place("trajectory", subject.steps), ending(result))
        yield "trajectory"
        for stage, traces in subject.further_stages(framework, self.train, self.roundings):
            for rounding, trace in traces.items():
                self.save(f"{stage}-{rounding}", Place(stage, subject.steps), trace)
            yield stage

    def together(self, partner: str) -> Iterator[str]:
        """The stages that take up what a partner has written."""
        framework, subject = self.framework, self.subject
        theirs = self.folder.parents[1] / partner / subject.correct.name
        model = subject.blank_model(framework)
        framework.set_weights(model, named(self.load(theirs / "native.safetensors")))
        trace = weight_trace(framework.get_weights(model))
        self.save(f"weights-{partner}", Place("weights", 0, partner), trace)
        yield "weights"
        backend = partner.removeprefix("keras-")
        rounding = self.roundings[0] if partner == "torch" else rounds_like(backend, subject.dtype)
        half = as_snapshot(self.load(theirs / f"half-{rounding}.safetensors"))
        result = self.train(rounding, subject.steps // 2, subject.steps, half)
        place = Place("hand-off", subject.steps, partner)
        self.save(f"hand-off-{partner}", place, weight_trace(result.weights))
        yield "hand-off"

    def three_steps(self, rows: Rows, rounding: str) -> Traces:
        """Weights and state after each of three steps with each optimizer, one epoch."""
        traces = {}
        for optimizer in OPTIMIZERS:
            config = self.subject.training(
                optimizer=optimizer,
                loss=self.subject.loss,
                batch_size=BATCH,
                learning_rate=0.01,
                keras_backend=rounding,
            )
            order = np.arange(3 * BATCH)[np.newaxis]
            model = self.subject.small_model(self.framework)
            result = self.framework.fit(model, rows, config, order, snapshots=(1, 2, 3))
            for step, snapshot in result.snapshots.items():
                traces[Place("step", step, optimizer)] = as_trace(snapshot)
        return traces

    def train(
        self,
        rounding: str,
        begin: int,
        end: int,
        resume_from: Snapshot | None = None,
        way: str = "fit",
    ) -> FitResult:
        """The trajectory from step `begin` to step `end`."""
        rows, order = self.subject.sequence()
        size = self.subject.batch_size
        model = self.subject.trajectory_model(self.framework)
        steps = snapshot_steps(end) if begin == 0 else ()
        if begin or end < self.subject.steps:
            order = order.ravel()[np.newaxis, begin * size : end * size]
        fit = getattr(self.framework, way)
        config = self.subject.training(
            loss=self.subject.loss, batch_size=size, keras_backend=rounding
        )
        return fit(model, rows, config, order, resume_from=resume_from, snapshots=steps)

    def save(self, name: str, place: Place, trace: Trace) -> None:
        """Write one trace to a file."""
        self.save_all(name, {place: trace})

    def save_all(self, name: str, traces: Traces) -> None:
        """Write one file."""
        shared = {place: self.subject.shared(trace) for place, trace in traces.items()}
        save_traces(self.folder / f"{name}.safetensors", shared)

    def load(self, path: Path) -> Trace:
        """The only trace in a file, with this worker's own names."""
        (trace,) = load_traces(path).values()
        return self.subject.own(trace)


EPOCH_LOSS, LOSSES = Key("loss", "", "loss of an epoch"), Key("loss", "", "loss of every epoch")


def trajectory(result: FitResult) -> Traces:
    """The weights of every snapshot."""
    return {
        Place("trajectory", step): weight_trace(snapshot.weights)
        for step, snapshot in result.snapshots.items()
    }


def ending(result: FitResult) -> Trace:
    """The loss of every epoch, and the weights at the end."""
    dtype = next(iter(result.weights.values())).dtype
    return {LOSSES: np.array(result.loss, dtype), **weight_trace(result.weights)}


def as_trace(snapshot: Snapshot) -> Trace:
    """State and weights, for one file."""
    return state_trace(snapshot.state) | weight_trace(snapshot.weights)


def as_snapshot(trace: Trace) -> Snapshot:
    """Weights and state, out of one file."""
    state = {str(key): array for key, array in trace.items() if key.part != "weight"}
    return Snapshot(named(trace, "weight"), state)
