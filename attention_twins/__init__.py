"""Any Keras model against any PyTorch model: is the port right, and if not, where do they part?"""

from typing import TYPE_CHECKING, Any

from attention_twins.layers import register_layer

if TYPE_CHECKING:
    from attention_twins.check import check_pair
    from attention_twins.report import Report

__all__ = ["Report", "check_pair", "register_layer"]


def __getattr__(name: str) -> Any:
    """`check_pair` and `Report`, imported when they are asked for: a layer's module stays light."""
    if name == "check_pair":
        from attention_twins.check import check_pair

        return check_pair
    if name == "Report":
        from attention_twins.report import Report

        return Report
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
