"""`python -m benchmarks.readme` writes into the README what can be measured or quoted.

A block between `<!-- NAME -->` and `<!-- /NAME -->` is replaced: `results` from the two records of
`twins run` under results/, `layer` from the source of the two layers. No number is typed by hand.
"""

import ast
import json
import re
from pathlib import Path
from typing import Any

from benchmarks.tables import RESULT_COLUMNS, conditions, difference_lines, result_rows, verdict

ROOT = Path(__file__).parents[1]
FOLDERS = ("results/tutorial-float32", "results/tutorial-float64")


def results_block(single: dict[str, Any], double: dict[str, Any]) -> str:
    """Figure and table of the run in float32, differences in both types, the conditions."""
    rows = [RESULT_COLUMNS, ["---", "---", *["--:"] * 4], *result_rows(single)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    differences = [*difference_lines(double), *difference_lines(single)]
    return "\n\n".join(
        [
            f"![Predicted against true test numbers]({FOLDERS[0]}/predictions.png)",
            table,
            "\n".join(f"- {line}" for line in differences),
            verdict(single),
            f"Conditions: {conditions(single)}. Records, weights and figures: "
            + " and ".join(f"[{folder}]({folder})" for folder in FOLDERS)
            + ".",
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


def filled_readme() -> str:
    """The README as it should read, given the records and the sources."""
    records = [json.loads((ROOT / folder / "record.json").read_text()) for folder in FOLDERS]
    blocks = {"results": results_block(*records), "layer": layer_block()}
    return fill((ROOT / "README.md").read_text(), blocks)


if __name__ == "__main__":
    (ROOT / "README.md").write_text(filled_readme())
