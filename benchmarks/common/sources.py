"""What the documents say of the code itself."""

import ast
from pathlib import Path

from benchmarks.common.tables import Table, as_markdown

ROOT = Path(__file__).parents[2]

WAYS = {
    "fit": ["training"],
    "fit_compiled": ["compiled", "loop"],
    "fit_many": ["many", "loop"],
}
"""Way to train → the files that it takes, beside those of the network."""


def lines_block() -> str:
    """How much code each way takes."""
    lines = []
    for twin, package in (
        ("Keras/tensorflow", "keras_impl"),
        ("Keras/jax", "keras_impl"),
        ("Keras/torch", "keras_impl"),
        ("PyTorch", "torch_impl"),
    ):
        cells = []
        for files in WAYS.values():
            paths = [ROOT / package / f"{file}.py" for file in files]
            if "loop" in files and package == "keras_impl":
                paths.append(ROOT / package / "backends" / f"{twin.split('/')[1]}.py")
            if "loop" in files and twin in ("Keras/torch", "PyTorch"):
                paths.append(ROOT / "torch_impl" / "inductor.py")
            cells.append(str(sum(map(code_lines, paths))))
        lines.append([twin, *cells])
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
