"""Holds the shapes and types of arrays in signatures, while the tests run."""

from beartype import beartype


def arrays(function):
    """Check the annotations with a shape; what else a function refuses, it refuses in words.

    A user's order of rows is among that: `check_order` says what is wrong with it.
    """
    shaped = {
        name: kind
        for name, kind in function.__annotations__.items()
        if name != "order" and "jaxtyping" in repr(kind)
    }
    function.__annotations__ = shaped
    return beartype(function)
