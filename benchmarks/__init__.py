"""What people run: `twins`, and `check_pair` for their own models."""

from typing import Any


def __getattr__(name: str) -> Any:
    """`check_pair`, imported when it is asked for: `twins --help` is to stay light."""
    if name == "check_pair":
        from attention_twins.pairing import check_pair

        return check_pair
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
