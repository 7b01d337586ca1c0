"""keras_impl/ and torch_impl/ stay mirror images: files, names, order, parameters, docstrings."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(path.name for path in (ROOT / "keras_impl").glob("*.py"))

# What may differ. A permission that nothing needs fails: the list stays as short as the truth.
VOCABULARY = {
    "nn.Sequential": "keras.Sequential",
    "nn.Module": "keras.Model",
    "torch_impl": "keras_impl",
    "PyTorch": "Keras 3",
}
RENAMED = {
    ("attention.py", "Attention.forward"): "Attention.call",
    ("conv.py", "Conv1D.forward"): "Conv1D.call",
    ("conv.py", "MaxPooling1D.forward"): "MaxPooling1D.call",
    ("seq2seq.py", "EncoderDecoder.forward"): "EncoderDecoder.call",
}
KERAS_ONLY = {
    ("attention.py", "Attention.build"),  # weights are made at the first call
    ("attention.py", "Attention.compute_mask"),
    ("attention.py", "Attention.compute_output_shape"),
    ("attention.py", "Attention.get_config"),
    ("attention.py", "AdditiveAttention.build"),
    ("attention.py", "AdditiveAttention.get_config"),
    ("conv.py", "Conv1D.get_config"),
    ("conv.py", "MaxPooling1D.__init__"),
    ("conv.py", "MaxPooling1D.compute_output_shape"),
    ("optimizer.py", "KINDS"),  # PyTorch's settings depend on the set-up
    ("optimizer.py", "create_many_optimizer"),  # Keras's own can do it; PyTorch's is a function
    ("rnn.py", "__all__"),  # Keras's own layer is only handed on
    ("seq2seq.py", "EncoderDecoder.build"),
    ("seq2seq.py", "EncoderDecoder.compute_output_shape"),
    ("seq2seq.py", "EncoderDecoder.get_config"),
    ("runtime.py", "check_backend"),  # PyTorch is its own
    ("training.py", "Watcher"),  # PyTorch's users write the loop, Keras's write callbacks
    ("training.py", "StepWatcher"),
}
TORCH_ONLY = {
    ("attention.py", "Attention.reset_parameters"),
    ("attention.py", "Attention.extra_repr"),
    ("attention.py", "AdditiveAttention.reset_parameters"),
    ("attention.py", "AdditiveAttention.extra_repr"),
    ("rnn.py", "Recurrent"),  # Keras ships its own layers
    ("rnn.py", "SimpleRNN"),
    ("rnn.py", "SimpleRNNCell.__init__"),
    ("rnn.py", "SimpleRNNCell.forward"),
    ("rnn.py", "LSTM"),
    ("rnn.py", "GRU"),
    ("loop.py", "check_compiler"),  # Keras's compilers are in keras_impl/backends
    ("loop.py", "compiled"),
    ("loop.py", "Replay"),
    ("networks.py", "ACTIVATIONS"),  # Keras knows them by name
    ("networks.py", "Sequential"),  # Keras's own hands on masks
    ("networks.py", "MASKED"),
    ("layers.py", "core"),  # what Recurrent and Conv1D hold
    ("layers.py", "directions"),  # parameters are named by depth and direction
    ("optimizer.py", "MOMENTS"),  # names by optimizer; Keras has one for each moment
    ("optimizer.py", "follow_keras"),  # Keras is the one to follow
    ("optimizer.py", "keras_settings"),
    ("optimizer.py", "step_table"),
    ("optimizer.py", "TABLE"),
    ("optimizer.py", "update"),
    ("weights.py", "Of"),
    ("weights.py", "Variable"),  # transposed, gates in another order
    ("weights.py", "read"),
    ("weights.py", "tensors"),  # second biases too
    ("weights.py", "write"),
}
DIFFER = {
    ("layers.py", "KINDS"),  # the classes of each framework
    ("many.py", "TOGETHER"),  # what suits each compiler
    ("training.py", "LOSSES"),
    ("weights.py", "variables"),
    ("attention.py", "AdditiveAttention.__init__"),
    ("attention.py", "Attention.__init__"),  # the input's shape and factory_kwargs in PyTorch
    ("attention.py", "create_attention"),
    ("conv.py", "Conv1D.__init__"),
    ("networks.py", "create_rnn"),  # second_bias
    ("networks.py", "create_rnn_with_attention"),
    ("networks.py", "create_lstm"),
    ("networks.py", "create_gru"),
    ("networks.py", "create_conv"),
    ("seq2seq.py", "EncoderDecoder.__init__"),
    ("seq2seq.py", "create_encoder_decoder"),
}


TRAINING = ", training: Any=None"
"""What Keras hands to every model; PyTorch's know it of themselves."""


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
    own = KERAS_ONLY if package == "keras_impl" else TORCH_ONLY
    tree = ast.parse((ROOT / package / file).read_text())
    found = {"": ("", "", ast.get_docstring(tree) or "")}
    for name, node in definitions(tree):
        key = (file, name)
        if key in own or (file, name.split(".")[0]) in own:
            used.add(key if key in own else (file, name.split(".")[0]))
        elif public(name):
            parameters = returns = text = ""
            if isinstance(node, ast.FunctionDef):
                parameters = ast.unparse(node.args).replace(TRAINING, "")
                returns = ast.unparse(node.returns) if node.returns else ""
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                text = ast.get_docstring(node) or ""
            elif isinstance(node, ast.Assign):
                text = ast.unparse(node.value)
            if key in RENAMED:
                used.add(key)
                name = RENAMED[key]
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


def test_same_files():
    assert FILES == sorted(path.name for path in (ROOT / "torch_impl").glob("*.py"))


@pytest.mark.parametrize("file", FILES)
def test_same_outline(file):
    keras, torch = outline("keras_impl", file, set()), outline("torch_impl", file, set())
    assert list(torch) == list(keras)
    for name, parts in keras.items():
        assert torch[name] == parts, name


def test_pytorchs_compiler_is_one_text():
    """Keras runs on PyTorch, too, and neither implementation imports the other."""
    keras, torch = ((ROOT / f"{p}_impl/inductor.py").read_text() for p in ("keras", "torch"))
    assert keras.split("\n", 1)[1] == torch.split("\n", 1)[1]


def test_every_permission_is_needed():
    used: set = set()
    for file in FILES:
        for package in ("keras_impl", "torch_impl"):
            outline(package, file, used)
    assert used == KERAS_ONLY | TORCH_ONLY | set(RENAMED)
    for file, name in DIFFER:
        sources = [
            {
                found: ast.unparse(node.args if isinstance(node, ast.FunctionDef) else node)
                + ast.unparse(getattr(node, "returns", None) or ast.Pass())
                for found, node in definitions(ast.parse((ROOT / package / file).read_text()))
            }[name]
            for package in ("keras_impl", "torch_impl")
        ]
        assert sources[0] != sources[1], name
    text = "".join(path.read_text() for path in (ROOT / "torch_impl").glob("*.py"))
    assert all(word in text for word in VOCABULARY)
