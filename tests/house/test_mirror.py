"""The twins stay mirror images: files, names, order, parameters, docstrings.

keras_impl/ and torch_impl/, attention_twins/in_keras/ and attention_twins/in_torch/.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAIRS = {
    "keras_impl": "torch_impl",
    "attention_twins/in_keras": "attention_twins/in_torch",
}
FILES = [(pair, p.name) for pair in PAIRS for p in sorted((ROOT / pair).glob("*.py"))]

# What may differ. A permission that nothing needs fails: the list stays as short as the truth.
VOCABULARY = {
    "nn.Sequential": "keras.Sequential",
    "nn.Module": "keras.Model",
    "torch.optim.Optimizer": "keras.Optimizer",
    "torch_impl": "keras_impl",
    "in_torch": "in_keras",
    "PyTorch": "Keras 3",
}
RENAMED = {"forward": "call"}
KERAS_HOOKS = {"build", "compute_output_shape", "get_config"}
TORCH_HOOKS = {"reset_parameters", "extra_repr"}
PARAMETERS = {
    ", training: bool | None=None": "",  # Keras hands it to every model; PyTorch's know it
    ", second_bias: bool=False": "",  # Keras's layers have one
    ", device: torch.device | str | None=None": "",
    ", dtype: torch.dtype | None=None": ", **kwargs: Any",
    "features: int, ": "",  # Keras reads it from the first input
}
KERAS_ONLY = {
    ("attention.py", "AttentionBase.compute_mask"),
    ("conv.py", "MaxPooling1D.__init__"),
    ("loop.py", "Loop.fetch"),  # between Keras's variables and a backend's
    ("optimizer.py", "KINDS"),  # PyTorch's settings depend on the set-up
    ("optimizer.py", "create_many_optimizer"),  # Keras's own can do it; PyTorch's is a function
    ("rnn.py", "__all__"),  # Keras's own layer is only handed on
    ("runtime.py", "Tensor"),  # of any backend; PyTorch has its own
    ("runtime.py", "check_backend"),
    ("runtime.py", "sublayers"),  # PyTorch's modules tell
    ("runtime.py", "flat_layers"),
    ("runtime.py", "many_optimizer_class"),
    ("steps.py", "Watcher"),  # PyTorch's users write the loop, Keras's write callbacks
    ("steps.py", "StepWatcher"),
}
TORCH_FILES = {
    ("torch_impl", "inductor.py"),  # Keras's compilers are in keras_impl/backends
    ("attention_twins/in_torch", "keras_steps.py"),  # Keras is the one to follow
}
TORCH_ONLY = {
    ("rnn.py", "Recurrent"),  # Keras ships its own layers
    ("rnn.py", "SimpleRNN"),
    ("rnn.py", "SimpleRNNCell.__init__"),
    ("rnn.py", "SimpleRNNCell.forward"),
    ("rnn.py", "LSTM"),
    ("rnn.py", "GRU"),
    ("loop.py", "Replay"),
    ("networks.py", "ACTIVATIONS"),  # Keras knows them by name
    ("networks.py", "Sequential"),  # Keras's own hands on masks
    ("networks.py", "MASKED"),
    ("networks.py", "to_dtype"),  # Keras knows them by name, too
    ("kinds.py", "core"),  # what Recurrent and Conv1D hold
    ("kinds.py", "directions"),  # parameters are named by depth and direction
    ("optimizer.py", "MOMENTS"),  # names by optimizer; Keras has one for each moment
    ("weights.py", "Of"),
    ("weights.py", "Variable"),  # transposed, gates in another order
    ("weights.py", "read"),
    ("weights.py", "tensors"),  # second biases too
    ("weights.py", "write"),
}
DIFFER = {
    ("attention.py", "AttentionBase.__init__"),
    ("attention.py", "Attention.__init__"),  # the input's shape in PyTorch
    ("attention.py", "create_attention"),
    ("kinds.py", "KINDS"),  # the classes of each framework
    ("many.py", "CHUNK"),  # what suits each compiler
    ("steps.py", "LOSSES"),
    ("weights.py", "variables"),
}


def definitions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Public classes, their methods, functions and constants of a file, in file order."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            yield ast.unparse(node.targets[0]), node
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                for method in node.body:
                    if isinstance(method, ast.FunctionDef):
                        yield f"{node.name}.{method.name}", method


def public(name: str) -> bool:
    return all(not part.startswith("_") or part.startswith("__") for part in name.split("."))


def outline(package: str, file: str, used: set) -> dict[str, tuple[str, str, str]]:
    """Name → parameters, what is returned, docstring, in the words of keras_impl."""
    keras = package in PAIRS
    own, hooks = (KERAS_ONLY, KERAS_HOOKS) if keras else (TORCH_ONLY, TORCH_HOOKS)
    tree = ast.parse((ROOT / package / file).read_text())
    found = {"": ("", "", ast.get_docstring(tree) or "")}
    for name, node in definitions(tree):
        key, (*owner, last) = (file, name), name.split(".")
        if permission := {key, (file, name.split(".")[0])} & own:
            used |= permission
        elif owner and last in hooks:
            used.add(last)
        elif public(name):
            parameters = returns = text = ""
            if isinstance(node, ast.FunctionDef):
                parameters = ast.unparse(node.args)
                for mine, theirs in PARAMETERS.items():
                    used |= {mine} if mine in parameters else set()
                    parameters = parameters.replace(mine, theirs)
                returns = ast.unparse(node.returns) if node.returns else ""
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                text = ast.get_docstring(node) or ""
            elif isinstance(node, ast.Assign):
                text = ast.unparse(node.value)
            if owner and last in RENAMED and not keras:
                used.add(last)
                name = ".".join((*owner, RENAMED[last]))
            if key in DIFFER:
                parameters = returns = "differ"
                text = text if isinstance(node, ast.FunctionDef) else "differ"
            found[name] = (parameters, returns, text)
    return {name: tuple(map(translate, parts)) for name, parts in found.items()}  # type: ignore


def translate(text: str) -> str:
    """The same text for either framework: whichever is named, it reads `Keras 3`."""
    for theirs, ours in VOCABULARY.items():
        text = text.replace(theirs, ours)
    return text


def torch_files(package: str) -> list[str]:
    names = (path.name for path in (ROOT / package).glob("*.py"))
    return sorted(name for name in names if (package, name) not in TORCH_FILES)


@pytest.mark.parametrize("pair", PAIRS)
def test_same_files(pair):
    assert sorted(path.name for path in (ROOT / pair).glob("*.py")) == torch_files(PAIRS[pair])


@pytest.mark.parametrize(("pair", "file"), FILES)
def test_same_outline(pair, file):
    keras, torch = outline(pair, file, set()), outline(PAIRS[pair], file, set())
    assert list(torch) == list(keras)
    for name, parts in keras.items():
        assert torch[name] == parts, name


def test_every_permission_is_needed():
    used: set = set()
    for pair, file in FILES:
        for package in (pair, PAIRS[pair]):
            outline(package, file, used)
    names = KERAS_HOOKS | TORCH_HOOKS | set(PARAMETERS) | set(RENAMED)
    assert used == KERAS_ONLY | TORCH_ONLY | names
    assert all((ROOT / package / file).exists() for package, file in TORCH_FILES)
    for file, name in DIFFER:
        pair = next(pair for pair, other in FILES if other == file)
        sources = [
            {
                found: ast.unparse(node.args if isinstance(node, ast.FunctionDef) else node)
                + ast.unparse(getattr(node, "returns", None) or ast.Pass())
                for found, node in definitions(ast.parse((ROOT / package / file).read_text()))
            }[name]
            for package in (pair, PAIRS[pair])
        ]
        assert sources[0] != sources[1], name
    text = "".join(
        p.read_text() for package in PAIRS.values() for p in (ROOT / package).glob("*.py")
    )
    assert all(word in text for word in VOCABULARY)
