"""What the documents say of the code itself."""

import ast
from pathlib import Path

from attention_twins.tables import Table
from attention_twins.twins import PYTORCH, TENSORFLOW, TORCH, TWINS
from benchmarks.common.tables import as_markdown

ROOT = Path(__file__).parents[2]

FRAMEWORKS = {TENSORFLOW.package: "Keras 3", PYTORCH.package: PYTORCH.framework}
"""Package → the framework that it is written in."""

WAYS = {
    "fit": ["training"],
    "fit_compiled": ["compiled", "loop"],
    "fit_many": ["many", "loop"],
}
"""Way to train → the files that it takes, beside those of the network."""


def source_blocks(root: Path) -> dict[str, dict[str, str]]:
    """Document → name of a block → what stands in it."""
    return {
        "README.md": {"layer": layer_block(root)},
        "docs/speed.md": {"lines": lines_block(root)},
    }


def lines_block(root: Path) -> str:
    """How much code each way takes."""
    lines = []
    for twin in sorted(TWINS, key=lambda twin: twin.package):
        cells = []
        for files in WAYS.values():
            paths = [root / twin.package / f"{file}.py" for file in files]
            if "training" in files:
                side = "in_torch" if twin is PYTORCH else "in_keras"
                paths.append(root / "attention_twins" / side / "steps.py")
            if "loop" in files and twin is not PYTORCH:
                paths.append(root / twin.package / "backends" / f"{twin.backend}.py")
            if "loop" in files and twin in (TORCH, PYTORCH):
                paths.append(root / PYTORCH.package / "inductor.py")
            cells.append(str(sum(map(code_lines, paths))))
        lines.append([twin.name, *cells])
    return as_markdown(Table("", ("twin", *WAYS), lines, left=1))


def code_lines(path: Path) -> int:
    """Lines of a file that hold code, and not only a docstring, a comment or nothing."""
    tree, text = ast.parse(path.read_text()), path.read_text().splitlines()
    said: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            said |= {*range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    code = [line for i, line in enumerate(text, 1) if i not in said and line.strip()]
    return sum(not line.strip().startswith("#") for line in code)


def layer_block(root: Path) -> str:
    """The method that computes attention, from both sources, side by side."""
    cells = []
    for package, framework in FRAMEWORKS.items():
        source = (root / package / "attention.py").read_text()
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
