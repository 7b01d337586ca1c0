"""One function in a Python of its own: a framework takes its backend and threads on import.

Not by attention_twins.processes.Workers: a worker of joblib's or Dask's may have no children by
multiprocessing, and handles no signals outside its main thread.
"""

import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from attention_twins.processes import framework_environment
from attention_twins.training import Runtime

P = ParamSpec("P")
R = TypeVar("R")

TRIES = 3
"""How often a child is started that something kills: when memory runs out the system does, and
another time there may be enough."""


class ChildError(RuntimeError):
    """A function that has failed in its child; the message is one line."""


def run_alone(
    runtime: Runtime, function: Callable[P, R], *arguments: P.args, **options: P.kwargs
) -> R:
    """What a function returns in a new interpreter; function, arguments and result are pickled.

    Raises:
        ChildError: it raised, or the interpreter was killed again and again.
    """
    task = pickle.dumps((function, arguments, options))
    for _ in range(TRIES):
        run = subprocess.run(
            [sys.executable, "-m", __name__, str(os.getpid())],
            input=task,
            capture_output=True,
            env=os.environ | framework_environment(runtime),
            check=False,
        )
        if run.returncode == 0:
            return pickle.loads(run.stdout)
        if run.returncode > 0:
            break
    lines = [line for line in run.stderr.decode(errors="replace").splitlines() if line.strip()]
    raised = run.returncode == 1 and lines
    raise ChildError(lines[-1] if raised else f"it ended with code {run.returncode}")


def main() -> None:
    """The child: a pickled task on standard input, the pickled result on standard output."""
    threading.Thread(target=_end_with_parent, args=(int(sys.argv[1]),), daemon=True).start()
    output = os.dup(1)
    os.dup2(2, 1)  # frameworks chatter on either
    function, arguments, options = pickle.load(sys.stdin.buffer)
    result = pickle.dumps(function(*arguments, **options))
    with os.fdopen(output, "wb") as file:
        file.write(result)


def _end_with_parent(parent: int) -> None:
    """A parent that was killed cannot end its child."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    main()
