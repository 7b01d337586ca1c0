"""The records of each kind in a folder that are worth showing."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from attention_twins.errors import InputError
from attention_twins.report import CheckRecord
from benchmarks.bench.records import Record
from benchmarks.run.tables import RunRecord
from benchmarks.study.records import Study


@dataclass
class Found:
    """Records; None, or no entry, where there is none of a kind."""

    runs: dict[int, RunRecord] = field(default_factory=dict)
    """Numbers ahead that were predicted → record, the fewest first."""

    checks: dict[str, CheckRecord] = field(default_factory=dict)
    """Networks → certificate; none is there twice."""

    benches: dict[str, Record] = field(default_factory=dict)
    """Name of a grid → record."""

    study: Study | None = None

    def __bool__(self) -> bool:
        return any((self.runs, self.checks, self.benches, self.study))


def collect(folder: Path) -> Found:
    """Look through a folder and all that are in it; what is no whole record is passed over.

    A run of each horizon, a study and a benchmark of each grid are the latest; but of studies
    those of several set-ups come first. Of each network the certificate of most training steps
    counts, of most networks, the latest; the default benchmark comes before others.
    """
    found, when = Found(), defaultdict(str)
    certificates: list[CheckRecord] = []

    def later(kind: str, started: str) -> bool:
        newer = started > when[kind]
        when[kind] = max(when[kind], started)
        return newer

    for path in sorted(folder.rglob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if path.name == "plan.json" and (path.parent / "samples.jsonl").exists():
                record = Record.read(path.parent)
                name = record.plan["grid"]["name"]
                if record.samples and later(f"bench {name}", record.samples[0]["started"]):
                    found.benches[name] = record
            elif path.name == "plan.json" and (path.parent / "starts.jsonl").exists():
                study = Study.read(path.parent)
                tutorial = "1 " if any(arm.setup != "twin" for arm in study.arms) else "0 "
                if study.lines and later("study", tutorial + study.plan["started"]):
                    found.study = study
            elif content.get("command") == "run" and content.get("status") == "complete":
                horizon = content["data"].get("horizon", 1)  # older records have none
                if later(f"run {horizon}", content["started"]):
                    found.runs[horizon] = content
            elif content.get("command") == "check" and content.get("rows"):
                rank(content)  # fails here if it is none
                certificates.append(content)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, InputError):
            continue
    seen: set[str] = set()
    for certificate in sorted(certificates, key=rank, reverse=True):
        models = networks(certificate)
        if not seen.issuperset(models):
            found.checks[", ".join(models)] = certificate
            seen.update(models)
    found.runs = dict(sorted(found.runs.items()))
    found.benches = dict(sorted(found.benches.items(), key=lambda item: item[0] != "default"))
    return found


def rank(certificate: CheckRecord) -> tuple[int, int, str]:
    """The larger, the sooner it is shown: training steps, networks, when."""
    steps = max(case["steps"] for case in certificate["cases"])
    return steps, len(networks(certificate)), certificate["started"]


def networks(certificate: CheckRecord) -> list[str]:
    """What a certificate is about."""
    return list(dict.fromkeys(case["model"] for case in certificate["cases"]))
