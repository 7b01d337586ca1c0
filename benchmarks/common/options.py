"""Options that several commands have: the same name for the same thing."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from attention_twins.errors import InputError
from attention_twins.twins import TWINS
from shared.config import MODEL_GROUPS, MODELS, VARIANTS

# Literals, so that --help, shell completion and the error for another name list them.
if TYPE_CHECKING:
    ModelName = VariantName = TwinName = TwinGroup = str
else:
    ModelName = Literal[(*MODEL_GROUPS, *MODELS)]
    VariantName = Literal[("all", *VARIANTS)]
    TwinName = Literal[tuple(twin.name for twin in TWINS)]
    TwinGroup = Literal["both", "keras", "torch", TwinName]


def given(command: Any) -> dict[str, Any]:
    """Every option, in whatever group, that is not as it is by default: name → value."""
    default = type(command)()
    return {
        name: value
        for group in vars(command)
        for name, value in vars(getattr(command, group)).items()
        if value != getattr(getattr(default, group), name)
    }


def check_named(**options: Iterable[Any]) -> None:
    """Raise InputError for an option that names nothing."""
    for name, values in options.items():
        if not values:
            raise InputError(f"{name} must name at least one, got none")


def chosen_variants(names: tuple[str, ...]) -> list[str]:
    """The variants that names stand for, each once."""
    return list(VARIANTS) if "all" in names else list(dict.fromkeys(names))
