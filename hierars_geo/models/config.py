"""ModelConfig: the names and options that a model is built from, as plain values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

#: Width of UPerNet's decoder in the papers; its pool scales are 1, 2, 3 and 6.
_UPERNET_CHANNELS = 512

#: Width of UPerNet where a record says nothing of it: the library's default when it was written.
_UNSAID_UPERNET_CHANNELS = 256


@dataclass(frozen=True)
class ModelConfig:
    """What a model is built from; plain values, carried by every checkpoint.

    Attributes:
        architecture: Decoder, one of :func:`architectures`.
        encoder: Backbone, one of :func:`encoders`, a name of segmentation-models-pytorch, or
            ``tu-<timm name>``.
        mode: How the levels talk; ``flat`` predicts the leaves alone.
        dropout: Dropout before the classifiers, 0..1.
        options: Further options of the architecture, for example ``decoder_channels``, and
            ``drop_path_rate`` of encoders that have one. A UPerNet without ``decoder_channels`` gets 512.
        temporal: How the dates of a series become one: ``mean``, ``max``, ``ltae`` or ``utae``; None for a
            model of single images.
    """

    architecture: str = "upernet"
    encoder: str = "resnet18"
    mode: str = "residual"
    dropout: float = 0.1
    options: Mapping[str, Any] = field(default_factory=dict)
    temporal: str | None = None

    def __post_init__(self) -> None:
        """Write the width down where a default stands, so that a checkpoint says what it was built with."""
        if self.architecture.lower() == "upernet" and "decoder_channels" not in self.options:
            object.__setattr__(self, "options", {**self.options, "decoder_channels": _UPERNET_CHANNELS})

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; of a model of single images without ``temporal``, as before there was one."""
        content = asdict(self)
        return content if self.temporal is not None else {k: v for k, v in content.items() if k != "temporal"}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "ModelConfig":
        """Read what :meth:`to_dict` wrote, also before the width of a UPerNet was written down.

        Raises:
            TypeError: A key is unknown.
        """
        config = dict(content)
        options = dict(config.get("options") or {})
        if str(config.get("architecture", "")).lower() == "upernet":
            options.setdefault("decoder_channels", _UNSAID_UPERNET_CHANNELS)
        return cls(**{**config, "options": options})
