"""Presto reads the season of every pixel by itself (Tseng et al. 2023, arXiv 2304.14065)."""

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...errors import OptionError
from ...types import ReadRecipe
from ..backbones import PRESTO
from ..features import EncoderDecoder, FeatureExtractor
from ..pretrained import WeightStatistics
from ..weight_statistics import check_scale
from .features import RunningFeatures, SeriesFeatures

#: Groups of bands that share a token, as published: names of the catalog's sensors, and their places in the
#: table of groups. Weather, relief and the classes of Dynamic World, which it knows besides, stay unsaid.
_GROUPS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "sentinel2": {
        "S2_RGB": ("B02", "B03", "B04"),
        "S2_Red_Edge": ("B05", "B06", "B07"),
        "S2_NIR_10m": ("B08",),
        "S2_NIR_20m": ("B8A",),
        "S2_SWIR": ("B11", "B12"),
        "NDVI": ("B08", "B04"),
    },
    "sentinel1": {"S1": ("VV", "VH")},
}
_ALL_GROUPS: Final = (
    *("S1", "S2_RGB", "S2_Red_Edge", "S2_NIR_10m", "S2_NIR_20m", "S2_SWIR", "ERA5", "SRTM", "NDVI"),
    "dynamic_world",
)
#: Mean and std by which stored values are normalised, as published: reflectance, or decibel.
_NORMAL: Final = {"sentinel2": (0.0, 10000.0), "sentinel1": (-25.0, 25.0)}
#: Channels of a token: a quarter says the month, a quarter the group, and half the place in the season.
_WIDTH: Final = 128
_MONTHS: Final = 12
#: Pixels whose tokens are in memory together: 70 tokens of each take 75 MB where they are widest.
_TOGETHER: Final = 512


def presto_statistics(bands: Sequence[str], sensor: str | None) -> WeightStatistics:
    """Say how Presto's images are normalised, whatever the data.

    Args:
        bands: Names of the bands, in channel order.
        sensor: Of the catalog.

    Raises:
        OptionError: Presto does not know such bands, or lacks some that it sees together.
    """
    if sensor not in _GROUPS:
        raise OptionError(
            f"Expected sensor sentinel2 or sentinel1 with encoder {PRESTO}, which knows their bands, but got "
            f"{sensor}. Set sensor, or take another encoder."
        )
    groups = [group for name, group in _GROUPS[sensor].items() if name != "NDVI"]
    known = [name for group in groups for name in group]
    unknown = [name for name in bands if name not in known]
    if unknown:
        raise OptionError(
            f"Expected bands {', '.join(known)} with encoder {PRESTO}, but got {', '.join(unknown)}. Set "
            "bands."
        )
    for group in groups:
        lacking = [name for name in group if name not in bands]
        if 0 < len(lacking) < len(group):
            raise OptionError(
                f"Expected all of the bands {', '.join(group)} with encoder {PRESTO}, which sees them "
                f"together, but {', '.join(lacking)} is missing. Set bands."
            )
    mean, std = _NORMAL[sensor]
    return WeightStatistics("Presto", (mean,) * len(bands), (std,) * len(bands), tuple(bands), sensor)


def presto_normalisation(
    read: ReadRecipe, data: tuple[Sequence[float], Sequence[float]]
) -> tuple[Sequence[float], Sequence[float]]:
    """Return Presto's mean and std per band.

    Args:
        read: How the training images are read.
        data: Their mean and std per band.

    Raises:
        OptionError: Presto does not know such bands, or the images are in another unit.
    """
    own = presto_statistics(read.bands, read.sensor)
    check_scale(own, read.bands, (own.mean, own.std), data, remedy="")
    return own.mean, own.std


class PrestoEncoder(nn.Module):
    """Presto's encoder: a token for every month and group of bands of a pixel, and one for its place.

    A month whose group was not seen has no token: published is to leave tokens out, the same number for every
    pixel; here nothing attends to them, which is the same and lets every pixel have its own clouds. The
    tokens' mean is what is known of a pixel. Names of parameters are TorchGeo's.

    Args:
        bands: Names of the bands, in channel order.
        sensor: Of the catalog.
        latitude: Of the training ground, in degrees; told to every pixel.
        longitude: Likewise.

    Attributes:
        first_month: 0..11, of the season.

    Raises:
        OptionError: Presto does not know such bands.
    """

    place: Tensor
    month: Tensor
    position: Tensor

    def __init__(self, bands: Sequence[str], sensor: str | None, latitude: float, longitude: float) -> None:
        super().__init__()
        presto_statistics(bands, sensor)
        self.first_month = 0
        self.groups = {
            name: [list(bands).index(band) for band in group]
            for name, group in _GROUPS[str(sensor)].items()
            if all(band in bands for band in group)
        }
        inputs = {name: 1 if name == "NDVI" else len(group) for name, group in self.groups.items()}
        self.eo_patch_embed = nn.ModuleDict({name: nn.Linear(n, _WIDTH) for name, n in inputs.items()})
        self.latlon_embed = nn.Linear(3, _WIDTH)
        self.blocks = nn.ModuleList(
            [Block(_WIDTH, 8, qkv_bias=True, norm_layer=nn.LayerNorm) for _ in range(2)]
        )
        self.norm = nn.LayerNorm(_WIDTH)
        self.channel_embed = nn.Embedding(len(_ALL_GROUPS), _WIDTH // 4)
        for layer in (each for each in self.modules() if isinstance(each, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        north, east = math.radians(latitude), math.radians(longitude)
        place = [math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)]
        self.register_buffer("place", torch.tensor(place), persistent=False)
        angle = torch.arange(_MONTHS)[:, None] * (2 * math.pi / _MONTHS)
        month = torch.cat([angle.sin(), angle.cos()], dim=1).repeat_interleave(_WIDTH // 8, dim=1)
        self.register_buffer("month", month, persistent=False)
        number = torch.arange(_WIDTH // 2)
        rate = 1000.0 ** (-2 * (number // 2) / (_WIDTH // 2))
        angle = torch.arange(_MONTHS)[:, None] * rate
        position = torch.where(number % 2 == 0, angle.sin(), angle.cos())
        self.register_buffer("position", position, persistent=False)

    def forward(self, image: Tensor, seen: Tensor) -> list[Tensor]:
        """Map the means of the months to the features of their pixels, one map (B, 128, H, W).

        Args:
            image: (B, 12, C, H, W) normalised as :func:`presto_statistics` says, the season's first month
                first; 0 where not seen.
            seen: (B, 12, H, W) bool.
        """
        batch, _, _, height, width = image.shape
        values = image.permute(0, 3, 4, 1, 2).flatten(0, 2)
        known = seen.permute(0, 2, 3, 1).flatten(0, 2)
        learns = torch.is_grad_enabled() and any(one.requires_grad for one in self.parameters())
        pixels = zip(torch.split(values, _TOGETHER), torch.split(known, _TOGETHER), strict=True)
        found = torch.cat([self._part(*some, learns) for some in pixels])
        return [found.reshape(batch, height, width, _WIDTH).permute(0, 3, 1, 2)]

    def _part(self, values: Tensor, known: Tensor, learns: bool) -> Tensor:
        """Do some pixels: months that none of them saw cost nothing, and memory is that of these alone."""
        months = known.any(dim=0).nonzero().flatten().tolist() or [0]
        inputs = values[:, months], known[:, months], months
        if not learns:
            return self._features(*inputs)
        found: Tensor = checkpoint(self._features, *inputs, use_reentrant=False)
        return found

    def _features(self, values: Tensor, known: Tensor, months: Sequence[int]) -> Tensor:
        """Map pixels (P, M, C), and whether they were seen (P, M), in M months of the season to (P, 128)."""
        month = self.month[[(self.first_month + step) % _MONTHS for step in months]]
        tokens = [self.latlon_embed(self.place).expand(len(values), 1, -1)]
        for name, channels in self.groups.items():
            group = self.channel_embed.weight[_ALL_GROUPS.index(name)].expand(len(months), -1)
            where = torch.cat([month, group, self.position[months]], dim=1)
            own = values[..., channels]
            tokens.append(self.eo_patch_embed[name](_ndvi(own) if name == "NDVI" else own) + where)
        hidden = torch.cat(tokens, dim=1)
        kept = torch.cat([torch.ones_like(known[:, :1]), known.repeat(1, len(self.groups))], dim=1)
        bias = torch.zeros_like(kept, dtype=hidden.dtype).masked_fill(~kept, -math.inf)[:, None, None]
        for block in self.blocks:
            hidden = block(hidden, attn_mask=bias)
        weight = kept.to(hidden.dtype).unsqueeze(-1)
        found: Tensor = self.norm((hidden * weight).sum(dim=1) / weight.sum(dim=1))
        return found


def _ndvi(values: Tensor) -> Tensor:
    """Compute (..., 1) of near infrared and red (..., 2); 0 where both are dark."""
    nir, red = values[..., :1], values[..., 1:]
    total = nir + red
    return torch.where(total > 0, (nir - red) / total.where(total > 0, 1.0), 0.0)


def months_of(doy: Tensor) -> Tensor:
    """Months 0..11 of days of the year 1..366 (of a common year); days beyond its ends come round."""
    ends = list(accumulate((31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30)))
    return (((doy - 1) % 366 + 1).unsqueeze(-1) > torch.tensor(ends, device=doy.device)).sum(dim=-1)


class PrestoFeatures(SeriesFeatures):
    """Features of series of images by :class:`PrestoEncoder`: every pixel's dates become means of months.

    Args:
        encoder: Presto.
        decoder: Maps [(B, 128, H, W)] to features.
        channels: Of these.
    """

    def __init__(self, encoder: PrestoEncoder, decoder: nn.Module, channels: int) -> None:
        FeatureExtractor.__init__(self, EncoderDecoder(encoder, decoder), channels)

    @property
    def sees_all(self) -> bool:
        """Whether a layer sees all of an image: its attention sees the dates of one pixel."""
        return False

    def pixel(self, bands: int) -> float:
        """Side of a pixel of the features in pixels of the image."""
        return 1.0

    def begin(self) -> RunningFeatures:
        """Begin a series of which no date is kept."""
        return _RunningMonths(self)

    def at_once(self, image: Tensor, valid: Tensor, doy: Tensor) -> Tensor:
        """Map dates that are all there; see :meth:`SeriesFeatures.forward`."""
        return self.body.decode(self.maps(image, valid, doy))

    def maps(self, image: Tensor, valid: Tensor | None = None, doy: Tensor | None = None) -> list[Tensor]:
        """Return the one map that the decoder reads; see :meth:`FeatureExtractor.maps`."""
        if valid is None or doy is None:
            raise TypeError("a series has validity and days")
        running = _RunningMonths(self)
        running.add_all(image, valid, doy)
        return running.maps()


class _RunningMonths(RunningFeatures):
    """Sums of every month's dates."""

    def __init__(self, extractor: PrestoFeatures) -> None:
        self._body = extractor.body
        self._encoder: PrestoEncoder = extractor.body.encoder  # type: ignore[assignment]  # given as one
        self._sums: tuple[Tensor, Tensor] | None = None

    def add(self, image: Tensor, valid: Tensor, doy: Tensor) -> None:
        """Add a date; see :meth:`RunningFeatures.add`."""
        self.add_all(image[:, None], valid[:, None], doy[:, None])

    def add_all(self, image: Tensor, valid: Tensor, doy: Tensor) -> None:
        """Add dates (B, D, C, H, W), 0 where not valid."""
        step = (months_of(doy) - self._encoder.first_month) % _MONTHS
        month = (step.unsqueeze(1) == torch.arange(_MONTHS, device=doy.device)[:, None]).to(image.dtype)
        total = torch.einsum("bmd,bdchw->bmchw", month, image)
        count = torch.einsum("bmd,bdhw->bmhw", month, valid.to(image.dtype))
        before = self._sums
        self._sums = (total, count) if before is None else (before[0] + total, before[1] + count)

    def result(self) -> Tensor:
        """Return the features (B, F, H, W) after the dates so far."""
        return self._body.decode(self.maps())

    def maps(self) -> list[Tensor]:
        """Return what the encoder says of the dates so far."""
        if self._sums is None:
            raise ValueError("no date was added")
        total, count = self._sums
        mean = total / count.clamp(min=1).unsqueeze(2)
        found: list[Tensor] = self._encoder(mean, count > 0)
        return found
