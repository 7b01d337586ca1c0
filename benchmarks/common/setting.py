"""What is trained on what: the fields that a cell of a bench and an arm of a study share."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar, TypeVar

from attention_twins.training import Dtype
from shared.config import VARIANTS, DataConfig, DataName, ModelConfig

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A network, its data and the size of its batches."""

    ORDER: ClassVar[tuple[str, ...]] = ()
    """All fields, in the order that records and tables have."""

    variant: ClassVar[str] = "tutorial"
    """The variant of attention, where it is not a field."""

    model: str = "rnn_with_attention"
    data: DataName = "fibonacci"
    units: int = 2
    batch_size: int = 1
    time_steps: int = 20
    horizon: int = 1
    """Numbers to predict."""

    dtype: Dtype = "float32"

    def as_dict(self) -> dict[str, object]:
        """Name → value, in order, for JSON and CSV."""
        return {name: getattr(self, name) for name in self.ORDER}

    def config(self, kind: type[Config], **others: object) -> Config:
        """A dataclass from the fields that have its names, and others."""
        names = {field.name for field in fields(kind)}
        return kind(**{k: v for k, v in vars(self).items() if k in names} | others)

    @property
    def data_config(self) -> DataConfig:
        """The data."""
        return self.config(DataConfig)

    @property
    def model_config(self) -> ModelConfig:
        """The network."""
        sizes = {"dense_units": self.horizon, "features": self.data_config.features}
        return self.config(ModelConfig, **sizes, **VARIANTS[self.variant])

    def configs(self) -> tuple[DataConfig, ModelConfig]:
        """Data and network; making them checks the fields."""
        return self.data_config, self.model_config
