"""One run of `twins run`: starts the twins, listens, keeps what is finished, shows it."""

import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.console import Console

from attention_twins.errors import InputError
from attention_twins.processes import Message, Workers, no_interrupt
from attention_twins.progress import progress_bar
from attention_twins.provenance import environment, finite, write_json
from attention_twins.twins import trained_twin
from attention_twins.weights import Weights
from benchmarks.common.figures import save_figures
from benchmarks.run import worker
from benchmarks.run.figures import RUN_FIGURES
from benchmarks.run.tables import Fit, RunRecord, show
from shared.baselines import baselines
from shared.config import DataConfig, ModelConfig, TrainConfig
from shared.tasks import load_data
from shared.weights import save_weights


class Session:
    """A run and its record.

    The record is a dict that JSON can hold. It is on disk, whole, after every network that is
    finished: a crash or Ctrl-C loses only the networks that are still training.
    """

    def __init__(
        self,
        data: DataConfig,
        models: list[ModelConfig],
        train: TrainConfig,
        out: Path,
        way: str,
    ) -> None:
        """Prepare; `way` is the name of what trains: fit or fit_compiled."""
        self.data_config = data
        self.models = {model.model: model for model in models}
        self.train_config = train
        self.out = out
        self.way = way
        self.weights: dict[tuple[str, str], Weights] = {}
        self.errors = Console(stderr=True)
        self.record: RunRecord = {
            "command": "run",
            "status": "running",
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "data": asdict(data),
            "train": asdict(train),
            "way": way,
            "models": [asdict(model) for model in models],
            "environment": environment(),
            "devices": {},
            "fits": [],
            "weight_difference": {},
            "missing": {},
            "failures": {},
        }

    def run(self, twins: list[str], start: Weights | None) -> int:
        """Train in every twin, each in a process of its own; the exit code.

        Raises:
            InputError: a twin refuses, or none is installed; nothing has been written then.
        """
        with Workers() as workers:
            for twin in twins:
                workers.start(
                    twin,
                    self.train_config,
                    worker.train,
                    twin,
                    self.data_config,
                    list(self.models.values()),
                    self.train_config,
                    start,
                    self.way,
                )
            try:
                messages = workers.listen()
                with self.errors.status("Importing the frameworks …"):
                    self._await_ready(messages, len(twins))
                if self.record["devices"]:
                    self._open_folder()
                    workers.tell("go")
                    self._describe_data()
                    self._follow(messages)
                self.record["status"] = "failed" if self.record["failures"] else "complete"
            except KeyboardInterrupt:
                self.record["status"] = "interrupted"
        with no_interrupt():  # a second Ctrl-C would lose what the first one left
            return self._close()

    def _framework(self, twin: str) -> str:
        """The framework of a worker."""
        return trained_twin(twin, self.train_config.keras_backend).framework

    def _await_ready(self, messages: Iterator[Message], count: int) -> None:
        """Hear every twin once; raise InputError if one refuses or none is installed."""
        for _ in range(count):
            message = next(messages)
            if message.kind == "refused":
                raise InputError(message.content)
            if message.kind == "ready":
                self.record["devices"][message.worker] = message.content
            else:
                self._note_end(message)
        if len(self.record["missing"]) == count:
            raise InputError("; ".join(self.record["missing"].values()))
        for text in self.record["missing"].values():
            self.errors.print(text, style="red", markup=False, soft_wrap=True)

    def _note_end(self, message: Message) -> None:
        """Keep why a twin does not go on; the other one does."""
        framework = self._framework(message.worker)
        if message.kind == "missing":
            package, why = message.content
            self.record["missing"][message.worker] = (
                f"{framework} needs the package {package!r}, which cannot be imported ({why}); "
                f"install it with: {sys.executable} -m pip install {package}"
            )
        else:
            self._fail(framework, message.content)

    def _fail(self, what: str, why: str) -> None:
        """Keep and print what went wrong; the exit code will be 1."""
        self.record["failures"][what] = why
        self.errors.print(f"{what}: {why}", style="red", markup=False, soft_wrap=True)

    def _open_folder(self) -> None:
        """Make the run's folder and write the record for the first time."""
        try:
            (self.out / "weights").mkdir(parents=True)
        except OSError as error:
            raise InputError(
                f"out must be a folder that can be made, got {str(self.out)!r}"
            ) from error
        write_json(self.out / "record.json", self.record)

    def _describe_data(self) -> None:
        """Put into the record what the networks' errors are to be compared with."""
        data = load_data(self.data_config)
        exact = load_data(replace(self.data_config, dtype="float64"))
        self.record["baselines"] = baselines(data)
        self.record["test_numbers"] = exact.to_numbers(exact.test_y)[:, 0].tolist()
        if self.data_config.horizon > 1:
            rows = exact.examples()
            self.record["forecast"] = {
                "seen": exact.to_numbers(exact.test_x[rows, :, 0]).tolist(),
                "true": exact.to_numbers(exact.test_y[rows]).tolist(),
            }
        self.record["rows"] = {
            side: {"rows": len(y), "targets": y.size, "above_0.001": int((y > 1e-3).sum())}
            for side, y in (("train", data.train_y), ("test", data.test_y))
        }

    def _follow(self, messages: Iterator[Message]) -> None:
        """Show progress and keep every network that is finished, until the twins end."""
        with progress_bar(self.errors, "epochs") as progress:
            bars = {
                (twin, name): progress.add_task(
                    f"{self._framework(twin)} {name}",
                    total=self.train_config.epochs,
                    start=False,
                    note="",
                )
                for name in self.models
                for twin in self.record["devices"]
            }
            for message in messages:
                if message.kind == "begun":
                    bar = bars[message.worker, message.content]
                    progress.start_task(bar)
                    progress.update(bar, note="compiling …")
                elif message.kind == "epoch":
                    bar = bars[message.worker, message.content["model"]]
                    epochs, loss = message.content["epochs"], message.content["loss"]
                    progress.update(bar, completed=epochs, note=f"loss {loss:.3e}")
                elif message.kind == "plain":
                    text = f"{self._framework(message.worker)} trains by fit: {message.content}"
                    self.errors.print(text, style="yellow", markup=False, soft_wrap=True)
                elif message.kind == "fitted":
                    self._keep(message.content)
                elif message.kind != "finished":
                    self._note_end(message)

    def _keep(self, fitted: Fit) -> None:
        """Put a finished network into the record, and both on disk."""
        twin, name = fitted["twin"], fitted["model"]
        weights = self.weights[twin, name] = fitted.pop("weights")
        fits, order = self.record["fits"], list(self.models)
        fits.append(fitted)
        fits.sort(key=lambda fit: (order.index(fit["model"]), fit["twin"]))
        trained = [self.weights[side, model] for side, model in self.weights if model == name]
        if len(trained) == 2:
            one, other = trained
            self.record["weight_difference"][name] = max(
                float(np.abs(one[key] - other[key]).max()) for key in one
            )
        path, what = (
            self.out / "weights" / f"{twin}-{name}.safetensors",
            f"{self._framework(twin)} {name}",
        )
        try:
            if np.isfinite(np.concatenate([array.ravel() for array in weights.values()])).all():
                save_weights(path, weights, self.models[name])
            else:
                self._fail(what, "diverged: its weights are not finite, and are not kept")
            write_json(self.out / "record.json", self.record)
        except OSError as error:
            self._fail(what, f"cannot be kept: {error}")

    def _close(self) -> int:
        """Write and show what there is; the exit code."""
        self.record["ended"] = datetime.now(UTC).isoformat(timespec="seconds")
        if self.record["fits"]:
            record = finite(self.record)
            show(record, self.out, Console(width=max(100, Console().width)))
            try:
                save_figures(RUN_FIGURES, record, self.out)
            except OSError as error:
                self._fail("figures", f"cannot be kept: {error}")
        if self.record["failures"] and self.record["status"] == "complete":
            self.record["status"] = "failed"
        if self.out.is_dir() and self.record["devices"]:
            write_json(self.out / "record.json", self.record)
        return {"complete": 0, "failed": 1, "interrupted": 130}[self.record["status"]]
