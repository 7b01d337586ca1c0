"""The latest record of each kind in a folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.stopwatch import records as bench_records
from benchmarks.stopwatch.records import Record
from benchmarks.studies import records as study_records
from benchmarks.studies.records import Study
from shared.config import InputError


@dataclass
class Found:
    """Records; None where there is none of a kind."""

    run: dict[str, Any] | None = None
    run_folder: Path | None = None
    check: dict[str, Any] | None = None
    bench: Record | None = None
    study: Study | None = None

    def __bool__(self) -> bool:
        return any((self.run, self.check, self.bench, self.study))


def collect(folder: Path) -> Found:
    """Look through a folder and all that are in it; what is no whole record is passed over.

    Of benchmarks the default one comes before others, of studies those of several set-ups, of
    certificates the one of most training steps.
    """
    found, when = Found(), {"run": "", "check": "", "bench": "", "study": ""}

    def later(kind: str, started: str) -> bool:
        newer = started > when[kind]
        when[kind] = max(when[kind], started)
        return newer

    for path in sorted(folder.rglob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if path.name == "plan.json" and (path.parent / "samples.jsonl").exists():
                record = bench_records.read(path.parent)
                default = "1 " if record.plan["grid"]["name"] == "default" else "0 "
                if record.samples and later("bench", default + record.samples[0]["started"]):
                    found.bench = record
            elif path.name == "plan.json" and (path.parent / "starts.jsonl").exists():
                study = study_records.read(path.parent)
                tutorial = "1 " if any(arm.setup != "twin" for arm in study.arms) else "0 "
                if study.chain.lines and later("study", tutorial + study.plan["started"]):
                    found.study = study
            elif content.get("command") == "run" and content.get("status") == "complete":
                if later("run", content["started"]):
                    found.run, found.run_folder = content, path.parent
            elif content.get("command") == "check" and content.get("rows"):
                steps = content["cases"][0]["steps"]
                if later("check", f"{steps:9} {content['started']}"):
                    found.check = content
        except (OSError, ValueError, LookupError, TypeError, AttributeError, InputError):
            continue
    return found
