"""What machine this is, and what else it did while a cell was measured."""

import contextlib
import hashlib
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

import psutil

from attention_twins.provenance import environment
from benchmarks.common.journal import Line

OTHERS = 0.10
"""Cores that other processes may use on average while a cell is measured."""

STEAL = 0.02
"""Cores' worth of time that the host may give to others."""

CLOCK = 0.9
"""Share of the fastest clock seen that the clock must keep."""


class Watch:
    """Watches the machine from its creation to `end`."""

    def __init__(self) -> None:
        self._cpu, self._own, self._begin = psutil.cpu_times(), _own_seconds(), time.monotonic()
        self.load = os.getloadavg()[0]

    def end(self, mhz: float = 0.0, fastest: float = 0.0) -> Line:
        """Load before, cores used by others, steal, clock; `busy` names what is too much.

        Args:
            mhz: the clock while the cell was measured, where the system tells it; else 0.
            fastest: the fastest clock seen before.
        """
        lasted = time.monotonic() - self._begin
        cpu, own = psutil.cpu_times(), _own_seconds() - self._own
        spent = {name: getattr(cpu, name) - getattr(self._cpu, name) for name in cpu._fields}
        used = sum(spent.get(name, 0) for name in ("user", "nice", "system", "irq", "softirq"))
        load = {
            "load": round(self.load, 2),
            "others": round(max(0.0, used - own) / lasted, 4),
            "steal": round(spent.get("steal", 0) / lasted, 4),
            "mhz": mhz,
        }
        return load | {"busy": busy(load, fastest)}


def busy(load: Line, fastest: float) -> str:
    """What makes a measurement one on a busy machine; empty if nothing does."""
    if load["others"] > OTHERS:
        return f"others used {load['others']:.2f} cores"
    if load["steal"] > STEAL:
        return f"the host took {load['steal']:.2f} cores"
    if 0 < load["mhz"] < CLOCK * fastest:
        return f"the clock fell to {load['mhz']} MHz"
    return ""


def host() -> str:
    """An anonymous id of this machine."""
    with contextlib.suppress(OSError):
        return _hashed(platform.node() + Path("/etc/machine-id").read_text())
    return _hashed(platform.node())


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _own_seconds() -> float:
    """CPU seconds of this process and of its children that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def described() -> Line:
    """`environment()`, what pyperf says of clock and settings, GPU and driver, and `host`."""
    command = [sys.executable, "-m", "pyperf", "collect_metadata"]
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    kept = ("aslr", "cpu_affinity", "cpu_config", "cpu_freq", "cpu_machine", "python_compiler")
    lines = [line[2:].split(": ", 1) for line in output.splitlines() if line.startswith("- ")]
    pyperf = {name: value for name, value in lines if name in (*kept, "timer", "perf_version")}
    return environment() | {"pyperf": pyperf, "driver": _driver(), "host": host()}


def _driver() -> str | None:
    """The GPU and its driver."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return run.stdout.strip()
