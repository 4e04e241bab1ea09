"""ModelRecord: all that predicting needs beside the weights, as plain values inside a checkpoint."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import CheckpointError, HieraRSError
from ..taxonomy import Taxonomy
from .band_adaptation import BandAdaptation
from .factory import ModelConfig, build_segmenter
from .scene_model import SceneModel

#: Key of the record in a checkpoint, and the version of its form.
RECORD_KEY = "hierars_geo"
RECORD_VERSION = 1


@dataclass(frozen=True)
class ModelRecord:
    """What a checkpoint says about its model.

    Attributes:
        taxonomy: The whole class tree.
        bands: Canonical band names in channel order.
        mean: Normalisation per band, in stored values.
        std: Normalisation per band, in stored values.
        model: What the model is built from.
        chip_size: Side of a training chip in pixels, or None.
        gsd_m: Ground sampling distance of the training scenes in metres, or None.
    """

    taxonomy: Taxonomy
    bands: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    model: ModelConfig
    chip_size: int | None = None
    gsd_m: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values (no class of ours, no tensor), so that a safe loader reads them."""
        return {
            "version": RECORD_VERSION,
            "taxonomy": self.taxonomy.to_dict(),
            "bands": list(self.bands),
            "mean": list(self.mean),
            "std": list(self.std),
            "model": asdict(self.model),
            "chip_size": self.chip_size,
            "gsd_m": self.gsd_m,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], origin: str) -> "ModelRecord":
        """Read what :meth:`to_dict` wrote.

        Args:
            content: The mapping.
            origin: Name of the checkpoint, for messages.

        Raises:
            CheckpointError: Another version, a missing key or a value of another kind.
        """
        version = content.get("version")
        if version != RECORD_VERSION:
            raise CheckpointError(
                f"Expected a model record of version {RECORD_VERSION}, but got {version} (in {origin}). "
                "Use the release that wrote it."
            )
        try:
            return cls(
                taxonomy=Taxonomy.from_dict(content["taxonomy"], origin),
                bands=tuple(str(band) for band in content["bands"]),
                mean=tuple(float(value) for value in content["mean"]),
                std=tuple(float(value) for value in content["std"]),
                model=ModelConfig.from_dict(content["model"]),
                chip_size=None if content["chip_size"] is None else int(content["chip_size"]),
                gsd_m=None if content["gsd_m"] is None else float(content["gsd_m"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"Expected a complete model record, but got {error!r} (in {origin})."
            ) from error

    def build(
        self, encoder_weights: str | None = None, band_adaptation: BandAdaptation = "auto"
    ) -> SceneModel:
        """Build the model; its weights are random, or the encoder's pretrained ones where named.

        Args:
            encoder_weights: See :func:`~hierars_geo.nn.load_encoder_weights`.
            band_adaptation: How their first layer meets the record's bands, see
                :func:`~hierars_geo.nn.adapt_bands`.

        Raises:
            CheckpointError: The record's parts do not fit each other.
        """
        if not len(self.bands) == len(self.mean) == len(self.std):
            raise CheckpointError(
                f"Expected a mean and a std for each of the bands {', '.join(self.bands)}, but got "
                f"{len(self.mean)} and {len(self.std)} of them."
            )
        try:
            segmenter = build_segmenter(
                self.model,
                len(self.bands),
                self.taxonomy.num_classes,
                encoder_weights,
                self.bands,
                band_adaptation,
            )
            return SceneModel(segmenter, self.mean, self.std)
        except HieraRSError:
            raise
        except (RuntimeError, ValueError, TypeError) as error:
            raise CheckpointError(
                f"Expected a model that can be built from {self.model}, but: {error}"
            ) from error


__all__ = ("RECORD_KEY", "RECORD_VERSION", "ModelRecord")
