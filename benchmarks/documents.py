"""`python -m benchmarks.documents` writes into the documents what can be measured or quoted.

A block between `<!-- NAME -->` and `<!-- /NAME -->` is replaced; benchmarks/documents says by what.
No number is typed by hand. The tables and figures of the records of `twins bench` and `twins study`
are drawn anew.
"""

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.bench.documents import (
    BEFORE,
    BENCH,
    FULL,
    LEDGER,
    NETWORKS,
    again_block,
    ledger_block,
    networks_block,
    scaling_block,
    short_speed_block,
    speed_block,
)
from benchmarks.bench.records import read
from benchmarks.bench.views import save
from benchmarks.common.sources import ROOT, layer_block, lines_block
from benchmarks.prove.documents import (
    CHECK,
    FAMILY,
    effects_block,
    family_block,
    kills_block,
    proof_block,
)
from benchmarks.run.documents import FOLDERS, FORECAST, forecast_block, results_block
from benchmarks.study import documents as findings
from benchmarks.study.records import read as read_study
from benchmarks.study.tables import save as save_study
from shared.config import MODELS


def filled_documents() -> dict[Path, str]:
    """Every document as it should read, given the records and the sources."""

    def load(path: str) -> dict[str, Any]:
        return json.loads((ROOT / path).read_text())

    single, double = (load(f"{folder}/record.json") for folder in FOLDERS)
    full, mutants, variants = (
        load(f"{CHECK}/{name}.json") for name in ("full", "mutants", "variants")
    )
    family = {
        model: load(f"{FAMILY}/{model}.json")
        for model in MODELS
        if (ROOT / FAMILY / f"{model}.json").exists()
    }
    bench = read(ROOT / BENCH)
    blocks = {
        "README.md": {
            "results": results_block(single, double),
            "forecast": forecast_block(load(f"{FORECAST}/record.json")),
            "proof": proof_block(full, mutants, variants),
            "family": family_block(family),
            "speed": short_speed_block(bench),
            "layer": layer_block(),
        },
        "docs/differences.md": {"effects": effects_block(full, mutants)},
        "docs/porting.md": {"kills": kills_block(mutants)},
        "docs/speed.md": {
            "speed": speed_block(bench),
            "again": again_block(bench, read(ROOT / BEFORE)),
            "networks": networks_block(read(ROOT / NETWORKS)),
            "ledger": ledger_block(read(ROOT / LEDGER)),
            "scaling": scaling_block(read(ROOT / FULL)),
            "lines": lines_block(),
        },
        "docs/findings.md": findings.blocks(ROOT),
    }
    return {
        ROOT / name: fill((ROOT / name).read_text(), found, name) for name, found in blocks.items()
    }


def fill(text: str, blocks: dict[str, str], document: str) -> str:
    """The text with every block replaced; each must be there once."""
    for name, block in blocks.items():
        text, count = re.subn(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
            lambda match, block=block: f"{match[1]}\n{block}\n\n{match[2]}",
            text,
            flags=re.DOTALL,
        )
        if count != 1:
            raise ValueError(f"{document} must have one block {name}, got {count}")
    return text


if __name__ == "__main__":
    for folder in (BENCH, BEFORE, NETWORKS, LEDGER, FULL):
        save(read(ROOT / folder))
    for name in findings.STUDIES:
        save_study(read_study(ROOT / findings.FOLDER / name), findings.MARGIN)
    for path, text in filled_documents().items():
        path.write_text(text)
