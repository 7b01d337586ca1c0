"""Holds the shapes and types of arrays in signatures, while the tests run."""

from beartype import beartype


def arrays(function):
    """Check the annotations with a shape; what else a function refuses, it refuses in words."""
    shaped = {
        name: kind for name, kind in function.__annotations__.items() if "jaxtyping" in repr(kind)
    }
    function.__annotations__ = shaped
    return beartype(function)
