"""ModelRecord: all that predicting needs beside the weights, as plain values inside a checkpoint."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from ..errors import CheckpointError, HieraRSError, OptionError
from ..taxonomy import Taxonomy
from ..types import MaskRule, NodataRule, ReadRecipe, SeriesRule
from .applicability import Applicability
from .calibration import Calibration

#: ``deformable``, or ``cross`` (between all positions).
AttentionKind = Literal["deformable", "cross"]
ATTENTIONS: tuple[AttentionKind, ...] = get_args(AttentionKind)


@dataclass(frozen=True)
class CDKSOptions:
    """How two backbones talk; plain values, carried by the checkpoint.

    Attributes:
        attention: ``deformable``, or ``cross`` (between all positions: for small windows).
        heads: Heads of an attention; the greatest common divisor with its inner width is taken.
        points: Places that a head of a deformable attention reads at each position.
        value_ratio: Inner width of an attention as a share of the stream's, above 0 to 1.
        ffn_ratio: Inner width of the feed-forward layers as a share of the stream's, > 0.
        drop_path: Probability that a sample skips a feed-forward layer in training, 0..1 (1 excluded).

    Raises:
        OptionError: An option is out of range.
    """

    attention: str = "deformable"
    heads: int = 16
    points: int = 4
    value_ratio: float = 0.5
    ffn_ratio: float = 0.25
    drop_path: float = 0.4

    def __post_init__(self) -> None:
        """Refuse what no interaction could be built with."""
        checks: dict[str, tuple[bool, str]] = {
            "attention": (self.attention in ATTENTIONS, f"one of {', '.join(ATTENTIONS)}"),
            "heads": (self.heads >= 1, "at least 1"),
            "points": (self.points >= 1, "at least 1"),
            "value_ratio": (0 < self.value_ratio <= 1, "above 0 and at most 1"),
            "ffn_ratio": (self.ffn_ratio > 0, "above 0"),
            "drop_path": (0 <= self.drop_path < 1, "in 0..1 (1 excluded)"),
        }
        for name, (good, wanted) in checks.items():
            if not good:
                raise OptionError(f"Expected {name} to be {wanted}, but got {getattr(self, name)!r}.")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


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
        temporal: How the dates of a series become one: ``mean``, ``max``, ``ltae`` or ``utae``; ``presto`` of
            the encoder of that name; None for a model of single images.
    """

    architecture: str = "upernet"
    encoder: str = "resnet18"
    mode: str = "residual"
    dropout: float = 0.1
    options: Mapping[str, Any] = field(default_factory=dict)
    temporal: str | None = None

    def __post_init__(self) -> None:
        """Write down what follows from the rest, so that a checkpoint says what it was built with."""
        if self.encoder == "torchgeo:presto" and self.temporal is None:
            object.__setattr__(self, "temporal", "presto")
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


#: Key of the record in a checkpoint, and the version of its form.
RECORD_KEY = "hierars_geo"
RECORD_VERSION = 3

#: Versions of release 0.1, whose records say little of how scenes were read; 2 had a source branch.
_BEFORE_RECIPES = (1, 2)

#: Largest side of a training chip that is believed.
_MAX_CHIP_PX = 65_536


@dataclass(frozen=True)
class Transfer:
    """The source branch of a TransLU model.

    Attributes:
        source: What the source's own checkpoint said of it.
        cdks: Whether the backbones share what they see.
        cdsa: Whether the trees are aligned.
        options: Of the interactions.
    """

    source: "ModelRecord"
    cdks: bool = True
    cdsa: bool = True
    options: CDKSOptions = field(default_factory=CDKSOptions)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "source": self.source.to_dict(),
            "cdks": self.cdks,
            "cdsa": self.cdsa,
            "options": self.options.to_dict(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], origin: str) -> "Transfer":
        """Read what :meth:`to_dict` wrote."""
        return cls(
            source=ModelRecord.from_dict(content["source"], origin),
            cdks=bool(content["cdks"]),
            cdsa=bool(content["cdsa"]),
            options=CDKSOptions(**content["options"]),
        )


@dataclass(frozen=True)
class ModelRecord:
    """What a checkpoint says about its model.

    Attributes:
        taxonomy: The whole class tree.
        read: How the scenes of the training were read; its bands are the model's channels.
        mean: Normalisation per band, in stored values.
        std: Normalisation per band, in stored values.
        model: What the model is built from.
        chip_size: Side of a training chip in pixels, or None.
        gsd_m: Ground sampling distance of the training scenes in metres, or None.
        transfer: The source branch beside the model, or None.
        calibration: What is known of its confidence, or None.
        applicability: What is known of its training ground, or None.
    """

    taxonomy: Taxonomy
    read: ReadRecipe
    mean: tuple[float, ...]
    std: tuple[float, ...]
    model: ModelConfig
    chip_size: int | None = None
    gsd_m: float | None = None
    transfer: Transfer | None = None
    calibration: Calibration | None = None
    applicability: Applicability | None = None

    @property
    def bands(self) -> tuple[str, ...]:
        """Canonical band names in channel order."""
        return self.read.bands

    def to_dict(self) -> dict[str, Any]:
        """Return plain values (no class of ours, no tensor), so that a safe loader reads them."""
        return {
            "version": RECORD_VERSION,
            "taxonomy": self.taxonomy.to_dict(),
            "read": _plain(self.read),
            "mean": list(self.mean),
            "std": list(self.std),
            "model": self.model.to_dict(),
            "chip_size": self.chip_size,
            "gsd_m": self.gsd_m,
            **({} if self.transfer is None else {"transfer": self.transfer.to_dict()}),
            **({} if self.calibration is None else {"calibration": self.calibration.to_dict()}),
            **({} if self.applicability is None else {"applicability": self.applicability.to_dict()}),
        }

    def describe_model(self) -> dict[str, Any]:
        """Say in plain values what the model is, with the source branch in short: for provenance."""
        description = self.model.to_dict()
        if self.transfer is not None:
            source = {"taxonomy": self.transfer.source.taxonomy.name, **self.transfer.source.model.to_dict()}
            description["transfer"] = self.transfer.to_dict() | {"source": source}
        return description

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], origin: str) -> "ModelRecord":
        """Read what :meth:`to_dict` wrote, in this release or in 0.1.

        Raises:
            CheckpointError: Another version, a missing key or a value of another kind.
        """
        version = content.get("version")
        if version not in (*_BEFORE_RECIPES, RECORD_VERSION):
            raise CheckpointError(
                f"Expected a model record of version 1 to {RECORD_VERSION}, but got {version} (in {origin}). "
                "Use the release that wrote it."
            )
        try:
            record = cls(
                taxonomy=Taxonomy.from_dict(content["taxonomy"], origin),
                read=_recipe(content),
                mean=tuple(float(value) for value in content["mean"]),
                std=tuple(float(value) for value in content["std"]),
                model=ModelConfig.from_dict(content["model"]),
                chip_size=None if content["chip_size"] is None else int(content["chip_size"]),
                gsd_m=None if content["gsd_m"] is None else float(content["gsd_m"]),
                transfer=Transfer.from_dict(content["transfer"], origin) if "transfer" in content else None,
                calibration=Calibration.from_dict(content["calibration"], origin)
                if "calibration" in content
                else None,
                applicability=Applicability.from_dict(content["applicability"], origin)
                if "applicability" in content
                else None,
            )
        except HieraRSError:
            raise
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise CheckpointError(
                f"Expected a complete model record, but got {error!r} (in {origin})."
            ) from error
        record._check_values(origin)
        return record

    def _check_values(self, origin: str) -> None:
        """Refuse numbers with which every map would be wrong."""
        count = len(self.bands)
        numbers = (*self.mean, *self.std)
        of_sources = tuple(f"{name}:{band}" for name, own in self.read.sources.items() for band in own.bands)
        fits = {
            "bands to be distinct": len(set(self.bands)) == count > 0,
            "a finite mean and std > 0 for each of the bands": len(self.mean) == len(self.std) == count
            and all(map(math.isfinite, numbers))
            and min(self.std, default=0) > 0,
            f"chip_size to be 1..{_MAX_CHIP_PX} px": self.chip_size is None
            or 1 <= self.chip_size <= _MAX_CHIP_PX,
            "bands to be those of the sources": of_sources in ((), self.bands),
            "grid to be one of the sources": self.read.grid is None or self.read.grid in self.read.sources,
            f"nodata_rule to be one of {', '.join(get_args(NodataRule))}": self.read.nodata_rule
            in get_args(NodataRule),
            "gsd_m to be > 0": self.gsd_m is None or 0 < self.gsd_m < math.inf,
        }
        wrong = [what for what, holds in fits.items() if not holds]
        if wrong:
            raise CheckpointError(
                f"Expected {wrong[0]}, but the model record says otherwise (in {origin}). The file is broken "
                "or was changed: get it again."
            )


@dataclass(frozen=True)
class ModelFile:
    """A file that holds a trained model: a checkpoint, or an exported graph.

    Attributes:
        record: Taxonomy, read recipe, normalisation, configuration.
        path: The file.
        sha256: Of the file, hexadecimal.
        notes: What a careful user should know of it.
    """

    record: ModelRecord
    path: Path
    sha256: str
    notes: tuple[str, ...]


def knows_reading(content: Mapping[str, Any]) -> bool:
    """Tell whether a record says how scenes were read; those of release 0.1 know little of it."""
    return content.get("version") not in _BEFORE_RECIPES


def _plain(recipe: ReadRecipe) -> dict[str, Any]:
    """Return a recipe as plain values."""
    lists = {"bands": list(recipe.bands), "numbers": list(recipe.numbers)}
    return asdict(recipe) | lists | {"sources": {name: _plain(own) for name, own in recipe.sources.items()}}


def _recipe(content: Mapping[str, Any]) -> ReadRecipe:
    """Return how scenes were read; of a record of release 0.1 what it holds, and what was the rule then."""
    if not knows_reading(content):
        return ReadRecipe(
            tuple(str(band) for band in content["bands"]), harmonize=bool(content.get("harmonize"))
        )
    return _read_recipe(content["read"])


def _read_recipe(read: Mapping[str, Any]) -> ReadRecipe:
    return ReadRecipe(
        bands=tuple(str(band) for band in read["bands"]),
        sensor=None if read["sensor"] is None else str(read["sensor"]),
        nodata=None if read["nodata"] is None else float(read["nodata"]),
        nodata_rule=read["nodata_rule"],
        harmonize=bool(read["harmonize"]),
        resampling=str(read["resampling"]),
        numbers=tuple(int(number) for number in read.get("numbers", ())),
        mask=None if read.get("mask") is None else MaskRule(**read["mask"]),
        series=None if read.get("series") is None else SeriesRule(**read["series"]),
        standardize=bool(read.get("standardize")),
        sources={str(name): _read_recipe(own) for name, own in read.get("sources", {}).items()},
        grid=None if read.get("grid") is None else str(read["grid"]),
    )
