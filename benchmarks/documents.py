"""`python -m benchmarks.documents` writes into the documents what can be measured or quoted.

A block between `<!-- NAME -->` and `<!-- /NAME -->` is replaced; documents.py in each command's
folder says by what. No number is typed by hand. The figures of every record and the tables of
`twins bench` and `twins study` are made anew, and every record is checked.
"""

import re
import sys
from pathlib import Path

from benchmarks.bench.documents import bench_blocks, redraw_bench
from benchmarks.committed import faults
from benchmarks.common.sources import ROOT, source_blocks
from benchmarks.prove.documents import prove_blocks, redraw_growth
from benchmarks.run.documents import redraw_runs, run_blocks
from benchmarks.study.documents import redraw_studies, study_blocks


def filled_documents() -> dict[Path, str]:
    """Every document as it should read, given the records and the sources."""
    texts: dict[Path, str] = {}
    for blocks_of in (run_blocks, prove_blocks, bench_blocks, study_blocks, source_blocks):
        for name, blocks in blocks_of(ROOT).items():
            path = ROOT / name
            texts[path] = fill(texts.get(path) or path.read_text(), blocks, name)
    return texts


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
    for redraw in (redraw_runs, redraw_growth, redraw_bench, redraw_studies):
        redraw(ROOT)
    for path, text in filled_documents().items():
        path.write_text(text)
    sys.exit("\n".join(faults(ROOT)) or 0)
