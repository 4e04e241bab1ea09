"""Pretrained weights of an encoder: from a library, a torchvision-style enumeration, or a file."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import segmentation_models_pytorch as smp
import timm
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ..errors import OptionError, list_some, unknown_name
from ..types import Spectra, SpectralBand
from .backbones import VIT_NAMES, Backbone
from .band_adaptation import BandAdaptation, adapt_bands, by_names, matching_bands
from .plain_file import read_tensors, tensors_of
from .vit_weights import to_plain_vit

FetchedT = TypeVar("FetchedT")

_LOG = logging.getLogger(__name__)

FILE_SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin")

#: What libraries and frameworks put before the names of an encoder's layers.
_WRAPPERS = (
    "module.",
    "model.",
    "vit.",
    "backbone.",
    "encoder.",
    "segmenter.",
    "features.",
    "swin.",
    "body.",
)

#: Published ImageNet-1k weights of MSCAN, as MMSegmentation's SegNeXt configurations name them.
_MSCAN_URL = "https://download.openmmlab.com/mmsegmentation/v0.5/pretrain/segnext/"
_MSCAN_FILES = {
    "mscan_tiny": "mscan_t_20230227-119e8c9f.pth",
    "mscan_small": "mscan_s_20230227-f33ccdf2.pth",
    "mscan_base": "mscan_b_20230227-3ab7d230.pth",
    "mscan_large": "mscan_l_20230227-cef260d4.pth",
}

#: Words in the name of an enumeration's member -> sensor of the catalog.
_SENSORS = (
    ("SENTINEL2", "sentinel2"),
    ("SENTINEL1", "sentinel1"),
    ("LANDSAT_TM", "landsat5"),
    ("LANDSAT_ETM", "landsat7"),
    ("LANDSAT", "landsat8"),
    ("NAIP", "naip"),
)

#: Names that ask for whatever weights the library ships first.
DEFAULTS = ("imagenet", "default")


#: Tensors by name; names of their bands and the entry of the sensor catalog that these are of, where known.
_Found: TypeAlias = tuple[Mapping[str, Tensor], tuple[str, ...] | None, str | None]


@dataclass(frozen=True)
class WeightStatistics:
    """How images were normalised before the weights saw them: (x - mean) / std.

    Attributes:
        source: The weights.
        mean: Per band of the weights, or one for all of them.
        std: Likewise.
        bands: Names of the bands; None where nobody says.
        sensor: Entry of the sensor catalog that names and values are of; None where nobody says.
        of_brightness: Whether the numbers are shares of full brightness, and not stored values.
    """

    source: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    bands: tuple[str, ...] | None
    sensor: str | None = None
    of_brightness: bool = False

    def of_bands(
        self, names: Sequence[str], sensor: str | None, full_scale: float, spectra: Spectra = by_names
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return mean and std of other bands, in stored values: those of the band that sees the same.

        Args:
            names: Of the bands.
            sensor: That their names are of; None for that of the weights.
            full_scale: Stored value of full brightness.
            spectra: Looks bands up in the sensor catalog.

        Returns:
            Mean and std per band; a band that the weights do not know takes the mean over all of theirs.
        """
        known = spectra(self.sensor, self.bands or ())
        matches = matching_bands(known, spectra(sensor or self.sensor, names))
        scale = full_scale if self.of_brightness else 1.0

        def chosen(numbers: Sequence[float]) -> tuple[float, ...]:
            each = numbers if len(numbers) == len(known) else [float(np.mean(numbers))] * len(known)
            rest = float(np.mean(numbers))
            return tuple(scale * float(rest if index is None else each[index]) for index in matches)

        return chosen(self.mean), chosen(self.std)


def load_encoder_weights(
    encoder: nn.Module,
    backbone: Backbone,
    source: str,
    bands: Sequence[str] | None = None,
    adaptation: BandAdaptation = "auto",
    sensor: str | None = None,
    spectra: Spectra = by_names,
) -> None:
    """Start an encoder from pretrained weights.

    Args:
        encoder: Takes the weights, in place.
        backbone: What it is.
        source: ``imagenet`` (or ``default``); another name of the library's for this encoder (a tag of
            timm's, ``fb_in22k``); the import path of a member of a torchvision-style enumeration,
            ``torchgeo.models.ResNet18_Weights.SENTINEL2_ALL_MOCO``, of an encoder ``torchgeo:NAME`` the
            member alone; or a file (safetensors, or a state dict that loads without running code).
        bands: Names of the encoder's bands, in channel order.
        adaptation: How the first layer meets other bands, see
            :func:`~hierars_geo.models.adapt_bands`.
        sensor: Entry of the sensor catalog that the names are of; None where nobody says: they are then
            taken for those of the weights' sensor.
        spectra: Looks bands up in the sensor catalog.

    Raises:
        MissingFileError: There is no such file.
        OptionError: There are no such weights, no way to them, they are another encoder's, or another
            sensor's with which these bands have nothing in common.
    """
    source = member_path(backbone, source)
    state, trained_on, of_sensor = _find(backbone, source)
    own, first = encoder.state_dict(), first_layer(encoder)
    patch_px = own[first].shape[-1] if first else 0
    unwrapped = {_unwrapped(name): value for name, value in tensors_of(state)}
    state = to_plain_vit(backbone, unwrapped, spectra(sensor, bands or ()), patch_px, source)
    if backbone.for_any_bands:
        trained_on, adaptation = None, "auto"
    names = {_plain(name): name for name in own}
    found = {names[p]: tensor for key, tensor in state.items() if (p := _plain(key)) in names}
    if first in found and found[first].ndim == own[first].ndim:
        known = None if trained_on is None else spectra(of_sensor, trained_on)
        wanted = None if bands is None else spectra(sensor or of_sensor, bands)
        if adaptation == "auto" and of_sensor is not None and known and wanted:
            _check_bands(source, known, wanted)
        found[first] = adapt_bands(found[first], own[first].shape[1], known, wanted, adaptation)
    needed = [name for name, _ in encoder.named_parameters() if not name.startswith("pyramid.")]
    missing = [name for name in needed if name not in found or found[name].shape != own[name].shape]
    idle = _idle_parameters(encoder, own[first].shape[1]) if missing and first in own else frozenset()
    if missing and idle.issuperset(missing):
        _LOG.info("weights %s lack what the encoder never uses: %s", source, list_some(missing))
        missing = []
    if missing:
        raise OptionError(
            f"Expected weights '{source}' to be those of encoder '{backbone.name}', but {len(missing)} of "
            f"its {len(needed)} parameters are missing or of another shape ('{missing[0]}' is the first). "
            "Take the weights of this encoder."
        )
    encoder.load_state_dict(
        {name: value for name, value in found.items() if value.shape == own[name].shape}, strict=False
    )


def _check_bands(source: str, known: Sequence[SpectralBand], wanted: Sequence[SpectralBand]) -> None:
    """Refuse weights of a sensor whose bands see nothing of what the encoder's see."""
    if all(index is None for index in matching_bands(known, wanted)):
        names, own = (list_some([band.name for band in bands], 12) for bands in (wanted, known))
        raise OptionError(
            f"Expected weights '{source}' to know some of the bands {names}, but they were trained on {own}. "
            "Say which bands these are (sensor, bands), take weights of these bands, or set "
            "start.band_adaptation to average."
        )


def _idle_parameters(encoder: nn.Module, bands: int) -> frozenset[str]:
    """Names of parameters whose layers a forward pass never calls."""
    called: set[str] = set()
    hooks = [
        module.register_forward_hook(lambda *_, name=name: called.add(name))
        for name, module in encoder.named_modules()
    ]
    training = encoder.training
    encoder.eval()
    try:
        with torch.no_grad():
            encoder(torch.zeros(1, bands, 64, 64))
    finally:
        for hook in hooks:
            hook.remove()
        encoder.train(training)
    return frozenset(name for name, _ in encoder.named_parameters() if name.rpartition(".")[0] not in called)


def _find(backbone: Backbone, source: str) -> _Found:
    if source.endswith(FILE_SUFFIXES):
        told = told_of_file(Path(source))
        bands, sensor = (backbone.bands, backbone.sensor) if told is None else (told.bands, told.sensor)
        return read_tensors(Path(source)), bands, sensor
    of_member = "_Weights." in source
    what = f"{source}' of encoder '{backbone.name}"
    state, bands, sensor = fetched(
        what, lambda: _from_enumeration(source) if of_member else _from_library(backbone, source)
    )
    return state, backbone.bands or bands, backbone.sensor or sensor


def fetched(what: str, fetch: Callable[[], FetchedT]) -> FetchedT:
    """Fetch weights.

    Raises:
        OptionError: There is no way to them.
    """
    try:
        return fetch()
    except OSError as error:  # URLError, HTTPError and the hub's errors are OSErrors
        reason = " ".join(str(error).split())[:120]
        raise OptionError(
            f"Expected to fetch weights '{what}', but there is no way to them ({reason}). Go online once, or "
            "set start.encoder_weights to null or to a file."
        ) from error


def told_of_file(path: Path) -> WeightStatistics | None:
    """Read bands, mean and std that a file of ``hierars-geo models get`` carries; None of any other.

    Raises:
        OptionError: They are damaged.
    """
    if path.suffix != ".safetensors" or not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            told = file.metadata() or {}
    except (SafetensorError, OSError):
        return None  # whoever reads the tensors says so
    if "bands" not in told:
        return None
    try:
        names = tuple(str(name) for name in json.loads(told["bands"]))
        mean, std = (tuple(float(value) for value in json.loads(told[key])) for key in ("mean", "std"))
    except (KeyError, TypeError, ValueError) as error:
        raise OptionError(
            f"Expected {path} to name its bands with mean and std, but they are damaged. Get the weights "
            "again: hierars-geo models get."
        ) from error
    if not len(names) == len(mean) == len(std) or not all(value > 0 for value in std):
        raise OptionError(
            f"Expected {path} to hold a mean and a std > 0 for each of {len(names)} bands, but got "
            f"{len(mean)} and {len(std)}. Get the weights again: hierars-geo models get."
        )
    return WeightStatistics(str(path), mean, std, names, told.get("sensor"), "sensor" not in told)


def member_path(backbone: Backbone, source: str) -> str:
    """Return the import path of a member that is named alone; other sources as they are.

    Raises:
        OptionError: The member is of the enumeration of another encoder.
    """
    if backbone.enumeration is None or source.endswith(FILE_SUFFIXES):
        return source
    if "_Weights." not in source:
        return f"{backbone.enumeration}.{source}"
    path = source if source.count(".") > 1 else f"{backbone.enumeration.rpartition('.')[0]}.{source}"
    if path.startswith("torchgeo.") and path.rpartition(".")[0] != backbone.enumeration:
        raise OptionError(
            f"Expected weights of {backbone.enumeration} for this encoder, but got '{source}'. Take the "
            "weights of this encoder, or the encoder of these weights."
        )
    return path


def enumeration_member(path: str) -> tuple[str, Any]:
    """Find name and member of an enumeration by its path: ``package.module.Name_Weights.MEMBER``.

    Raises:
        OptionError: There is none.
    """
    module, _, member = path.rpartition(".")
    module, _, enumeration = module.rpartition(".")
    try:
        members = getattr(import_module(module), enumeration).__members__
    except (ImportError, AttributeError, ValueError) as error:
        raise OptionError(
            f"Expected weights '{path}' to be package.module.Name_Weights.MEMBER, but: {error}. "
            "TorchGeo's are torchgeo.models.ResNet18_Weights.SENTINEL2_ALL_MOCO and the like."
        ) from error
    if member not in members:
        raise OptionError(unknown_name(f"member of {enumeration}", member, tuple(members)))
    return member, members[member]


def member_bands(member: str, weights: Any) -> tuple[tuple[str, ...] | None, str | None]:  # noqa: ANN401
    """Return the bands of an enumeration's member and the sensor that they are of, None where nobody says."""
    bands = weights.meta.get("bands") or (
        ("red", "green", "blue") if weights.meta.get("in_chans", 3) == 3 else None
    )
    sensor = next((name for words, name in _SENSORS if words in member), None)
    return (tuple(bands) if bands else None), sensor


def _from_enumeration(path: str) -> _Found:
    member, weights = enumeration_member(path)
    state = weights.get_state_dict(progress=False, map_location="cpu", weights_only=True)
    return state, *member_bands(member, weights)


def timm_weights(model: str, name: str) -> str:
    """Name of weights as timm knows them: the model's first ones, or those of a tag."""
    return model if name in DEFAULTS or "." in model else f"{model}.{name}"


def _from_library(backbone: Backbone, name: str) -> _Found:
    """Weights by the name that segmentation-models-pytorch, timm or SegNeXt's authors give them."""
    rgb = ("red", "green", "blue")
    if backbone.name in _MSCAN_FILES:
        if name not in DEFAULTS:
            raise OptionError(unknown_name(f"name of weights of {backbone.name}", name, DEFAULTS))
        state = torch.hub.load_state_dict_from_url(
            _MSCAN_URL + _MSCAN_FILES[backbone.name], progress=False, map_location="cpu", weights_only=True
        )
        return state.get("state_dict", state), rgb, None
    timm_name = VIT_NAMES.get(backbone.name, backbone.timm_name)
    if timm_name is None:
        return _from_smp(backbone.name, name), rgb, None
    wanted = timm_weights(timm_name, name)
    try:
        model = timm.create_model(wanted, pretrained=True, num_classes=0)
    except RuntimeError as error:  # an unknown tag, or a model without weights
        tags = [n.partition(".")[2] for n in timm.list_pretrained(f"{timm_name.split('.')[0]}.*")]
        raise OptionError(unknown_name(f"name of weights of {timm_name}", name, tags)) from error
    return model.state_dict(), rgb, None


def _from_smp(encoder: str, name: str) -> dict[str, Tensor]:
    settings: Any = smp.encoders.encoders[encoder]["pretrained_settings"]
    wanted = "imagenet" if name == "default" else name
    if wanted not in settings:
        raise OptionError(unknown_name(f"name of weights of {encoder}", name, tuple(settings)))
    model: nn.Module = smp.encoders.get_encoder(encoder, weights=wanted)  # type: ignore[no-untyped-call]
    return dict(model.state_dict())


def _unwrapped(name: str) -> str:
    """Name of a layer without what libraries wrap around it."""
    stripped = True
    while stripped:
        stripped = False
        for wrapper in _WRAPPERS:
            if name.startswith(wrapper):
                name, stripped = name.removeprefix(wrapper), True
    return name


def _plain(name: str) -> str:
    """Name of a layer, unwrapped and in one spelling: ``stages_0_blocks_1``."""
    return _unwrapped(name).replace(".", "_").replace("dwconv_dwconv", "dwconv")


def first_layer(encoder: nn.Module) -> str:
    """Name of the weight of the first convolution, the one that sees the bands."""
    for name, module in encoder.named_modules():
        if isinstance(module, nn.Conv2d):
            return f"{name}.weight"
    return ""
