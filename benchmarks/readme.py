"""`python -m benchmarks.readme FOLDER`: writes into the README what can be measured or quoted.

A block between `<!-- NAME -->` and `<!-- /NAME -->` is replaced: `results` from the record of
`twins run` in FOLDER, `layer` from the source of the two layers. No number is typed by hand.
"""

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

from benchmarks.tables import RESULT_COLUMNS, conditions, difference_lines, result_rows, verdict

ROOT = Path(__file__).parents[1]


def results_block(record: dict[str, Any], folder: Path) -> str:
    """Figures and table of a run, with the conditions they hold under."""
    rows = [RESULT_COLUMNS, ["---", "---", *["--:"] * 4], *result_rows(record)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return "\n\n".join(
        [
            f"![Predicted against true test numbers]({folder}/predictions.png)",
            table,
            *(f"{line[0].upper()}{line[1:]}." for line in difference_lines(record)),
            verdict(record),
            f"Conditions: {conditions(record)}. Record, weights and figures: [{folder}]({folder}).",
        ]
    )


def layer_block() -> str:
    """The method that computes attention, from both sources, side by side."""
    cells = []
    for package, framework in (("keras_impl", "Keras 3"), ("torch_impl", "PyTorch")):
        source = (ROOT / package / "attention.py").read_text()
        (method,) = (
            node
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.FunctionDef) and node.name == "attend"
        )
        code = "\n".join(
            line.removeprefix("    ")
            for line in source.splitlines()[method.lineno - 1 : method.end_lineno]
        )
        cells.append(
            f"<td>\n\n`{package}/attention.py`, {framework}\n\n```python\n{code}\n```\n\n</td>"
        )
    return "<table><tr>\n" + "\n".join(cells) + "\n</tr></table>"


def fill(text: str, blocks: dict[str, str]) -> str:
    """The text with every block replaced; each must be there once."""
    for name, block in blocks.items():
        text, count = re.subn(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
            lambda match, block=block: f"{match[1]}\n{block}\n\n{match[2]}",
            text,
            flags=re.DOTALL,
        )
        if count != 1:
            raise ValueError(f"README.md must have one block {name}, got {count}")
    return text


def filled_readme(folder: Path) -> str:
    """The README as it should read, given the run in `folder` (relative to the project)."""
    record = json.loads((ROOT / folder / "record.json").read_text())
    blocks = {"results": results_block(record, folder), "layer": layer_block()}
    return fill((ROOT / "README.md").read_text(), blocks)


if __name__ == "__main__":
    (ROOT / "README.md").write_text(filled_readme(Path(sys.argv[1])))
