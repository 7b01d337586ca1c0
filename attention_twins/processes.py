"""Functions in processes of their own: a framework a process, heard while it works.

A fresh process is the only place where a framework can be given its backend, threads and device,
and where it cannot disturb another one.
"""

import contextlib
import multiprocessing
import os
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any
from unittest.mock import patch

from attention_twins.errors import InputError
from attention_twins.training import Runtime

Send = Callable[[str, Any], None]

ONE_KERNEL = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=1000000000"
"""Lets XLA make one kernel of a whole loop, on one thread; else it calls one for each operation."""


@dataclass(frozen=True)
class Message:
    """What a worker says: a kind that its function chose, or one of those below.

    missing: before `ready`, a package could not be imported (its name, why); refused: an
    InputError (its text); crashed: any other early end (why); late: it said nothing for longer than
    it may; finished: the function returned.
    """

    worker: str
    kind: str
    content: Any


def framework_environment(config: Runtime) -> dict[str, str]:
    """The variables that the frameworks read when they are imported.

    One source of numbers only: threads as configured, TF32 off, deterministic kernels, float64
    allowed; no GPU where "cpu" is asked for; no framework takes the whole GPU for itself.
    """
    threads = str(config.threads)
    alone = "" if config.threads > 1 else f"--xla_cpu_multi_thread_eigen=false {ONE_KERNEL} "
    return {
        "KERAS_BACKEND": config.keras_backend,
        "OMP_NUM_THREADS": threads,
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": threads,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_DETERMINISTIC_OPS": "1",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "NVIDIA_TF32_OVERRIDE": "0",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "XLA_FLAGS": f"{alone}--xla_gpu_deterministic_ops=true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "JAX_ENABLE_X64": "1",
    } | ({"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"} if config.device == "cpu" else {})


@contextlib.contextmanager
def no_interrupt() -> Iterator[None]:
    """Ctrl-C does nothing for a while."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def held_interrupt() -> Iterator[None]:
    """Ctrl-C waits until this is over; a process that is started meanwhile never sees it."""
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        with no_interrupt():
            yield
        return
    resource_tracker.ensure_running()  # which would unblock SIGINT, were it started meanwhile
    held: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda n, _: held.append(n)) for number in numbers]
    # The mask is for the child, which inherits it; here other threads take the signal all the same.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
        if held:
            signal.raise_signal(held[0])


class Workers:
    """A process for every name, each running `function(send, receive, *arguments)`.

    As a context manager it ends them all on the way out, however that comes about.
    """

    def __init__(self) -> None:
        self._logs = tempfile.TemporaryDirectory()
        self._context = multiprocessing.get_context("spawn")
        self._connections: dict[Connection, str] = {}
        self._processes: dict[str, Any] = {}

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            end(process)
        self._logs.cleanup()

    def start(
        self,
        name: str,
        config: Runtime,
        function: Callable[..., None],
        *arguments: Any,
        environment: dict[str, str] | None = None,
    ) -> None:
        """Start a process with what `config` says of backend, device and threads.

        `function` and `arguments` must be picklable; `environment` has the last word.
        """
        self._log(name).touch()  # it may be killed before it writes
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_work,
            args=(theirs, self._log(name), function, arguments),
            daemon=True,
        )
        # Both inherited: a script's own imports come before _work; Ctrl-C reaches all of them, and
        # only the parent is to act on it.
        variables = framework_environment(config) | (environment or {})
        with patch.dict(os.environ, variables), held_interrupt():
            process.start()
            theirs.close()
            self._processes[name] = process
            self._connections[ours] = name

    def _log(self, name: str) -> Path:
        """Where a process's own output goes: chatter, and what explains a crash."""
        return Path(self._logs.name, name)

    def tell(self, content: Any) -> None:
        """Send every running worker something to `receive`."""
        for connection in self._connections:
            with contextlib.suppress(OSError):  # it has crashed: `listen` says so
                connection.send(content)

    def listen(self, limit: float | None = None) -> Iterator[Message]:
        """What the workers say, until the last one has ended.

        After `limit` seconds without a word those that are left are killed.
        """
        while self._connections:
            heard = wait(list(self._connections), limit)
            for connection, name in [] if heard else list(self._connections.items()):
                end(self._processes[name])
                del self._connections[connection]
                yield Message(name, "late", f"nothing heard for {limit:g} s")
            for connection in heard:
                assert isinstance(connection, Connection)
                name = self._connections[connection]
                try:
                    message = Message(name, *connection.recv())
                except (EOFError, OSError):
                    self._processes[name].join()
                    code = self._processes[name].exitcode
                    said = self._log(name).read_text(errors="replace")[-2000:]
                    message = Message(name, "crashed", f"process ended with code {code}\n{said}")
                if message.kind in ("missing", "refused", "crashed", "finished"):
                    del self._connections[connection]
                yield message


def end(process: Any) -> None:
    """Kill a worker and all that it has started: a compiler would work on for minutes."""
    if process.is_alive() and hasattr(os, "killpg"):  # else its number may be another one's by now
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # there is no such group before it has begun
    process.kill()
    process.join()


def _work(
    connection: Connection,
    log: Path,
    function: Callable[..., None],
    arguments: tuple[Any, ...],
) -> None:
    """The life of a worker."""
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)  # a group of its own, so that what it starts ends with it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with log.open("wb", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)

    said = []

    def send(kind: str, content: Any = None) -> None:
        said.append(kind)
        connection.send((kind, content))

    try:
        function(send, connection.recv, *arguments)
        send("finished")
    except InputError as error:
        send("refused", str(error))
    except BaseException as error:
        if isinstance(error, ImportError) and "ready" not in said:
            send("missing", (str(error.name).split(".")[0], str(error)))
        else:
            send("crashed", traceback.format_exc())


def _end_with_parent() -> None:
    """A parent that was killed cannot end its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        if hasattr(os, "killpg"):
            os.killpg(0, signal.SIGKILL)
        os._exit(1)
