"""Backbones by short names: what segmentation-models-pytorch and timm call them, and what is our own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import OptionError, unknown_name
from ..imports import without_compiler

with without_compiler():
    import segmentation_models_pytorch as smp
    import timm
    import torchvision
    from segmentation_models_pytorch.encoders._base import EncoderMixin
    from torch import Tensor, nn
    from torchvision.ops import StochasticDepth

from .mscan import MSCAN, MSCAN_SIZES
from .vit_pyramid import ViTPyramid

#: Why a backbone cannot be dilated, by family; decoders that need dilation cannot take it.
_UNDILATED = {
    "swin": "its windows and patch merging are tied to strides of 4, 8, 16 and 32",
    "mscan": "its stages have strides of 4, 8, 16 and 32",
}


@dataclass(frozen=True)
class Backbone:
    """What a short name stands for.

    Attributes:
        name: For segmentation-models-pytorch: an own or registered encoder, or ``tu-<timm name>``.
        family: ``resnet``, ``convnext``, ``swin``, ``mit``, ``mscan``, a transformer of one resolution
            (``deit3``, ``dinov3``, ``vit``, ``dofa``, ``croma``, ``copernicusfm``, ``panopticon``,
            ``scalemae``), ``presto``, or ``other``.
        drop_path_rate: Default of the papers' segmentation models; None where there is no such thing.
        options: What timm is told besides.
        enumeration: Import path of the enumeration of its weights, whose members then go by their names
            alone; None where weights are the library's.
        sensor: Entry of the sensor catalog whose bands its weights were trained on, where nothing else says
            so.
        bands: Names of these bands.
    """

    name: str
    family: str
    drop_path_rate: float | None = None
    options: tuple[tuple[str, Any], ...] = ()
    enumeration: str | None = None
    sensor: str | None = None
    bands: tuple[str, ...] | None = None

    @property
    def for_any_bands(self) -> bool:
        """Whether its first layer is made for whatever bands a model has; others are adapted."""
        return self.family in ("dofa", "copernicusfm", "panopticon")

    @property
    def timm_name(self) -> str | None:
        """Name in timm where the encoder is timm's own, else None."""
        return self.name.removeprefix("tu-") if self.name.startswith("tu-") else None

    @property
    def why_undilated(self) -> str | None:
        """Why its last stages cannot be dilated; None where they can."""
        return (
            "its patches are its only resolution" if self.name in VIT_NAMES else _UNDILATED.get(self.family)
        )


#: Swin: partition into windows of 7 and shift them at every stage, whatever the size of the image.
_ANY_SIZE = (("strict_img_size", False), ("always_partition", True))

# drop path: ConvNeXt (Liu et al. 2022) and Swin (Liu et al. 2021) in their UPerNet models, DeiT III (Touvron
# et al. 2022) in its ImageNet-1k training; ConvNeXt V2 takes ConvNeXt's
_CONVNEXT = {"tiny": 0.4, "small": 0.3, "base": 0.4, "large": 0.4}
_CONVNEXT_LIGHT = {"atto": 0.1, "femto": 0.1, "pico": 0.1, "nano": 0.1}
_DEIT3 = {"small": 0.05, "base": 0.2, "large": 0.45}
_SIZES = ("tiny", "small", "base", "large")

#: What TorchGeo's names stand before.
TORCHGEO = "torchgeo:"
#: Sees series alone, pixel by pixel.
PRESTO = f"{TORCHGEO}presto"
_VIT_S, _VIT_B, _VIT_L = (f"vit_{size}_patch16_224" for size in ("small", "base", "large"))
#: TorchGeo's image models that give a pyramid -> enumeration of their weights, the default drop path
#: (torchvision's of Swin V2, DeiT III's of the ViTs), and timm's ViT of their shape.
_TORCHGEO: dict[str, tuple[str, float | None, str | None]] = {
    "resnet18": ("ResNet18_Weights", None, None),
    "resnet50": ("ResNet50_Weights", None, None),
    "resnet152": ("ResNet152_Weights", None, None),
    "swin_v2_t": ("Swin_V2_T_Weights", 0.2, None),
    "swin_v2_b": ("Swin_V2_B_Weights", 0.5, None),
    "vit_small_patch16_224": ("ViTSmall16_Weights", 0.05, _VIT_S),
    "vit_base_patch16_224": ("ViTBase16_Weights", 0.2, _VIT_B),
    "vit_large_patch16_224": ("ViTLarge16_Weights", 0.45, _VIT_L),
    "vit_huge_patch14_224": ("ViTHuge14_Weights", 0.6, "vit_huge_patch14_224"),
    "vit_small_patch14_dinov2": ("ViTSmall14_DINOv2_Weights", 0.05, "vit_small_patch14_dinov2"),
    "vit_base_patch14_dinov2": ("ViTBase14_DINOv2_Weights", 0.2, "vit_base_patch14_dinov2"),
    "dofa_base_patch16_224": ("DOFABase16_Weights", 0.2, _VIT_B),
    "dofa_large_patch16_224": ("DOFALarge16_Weights", 0.45, _VIT_L),
    "scalemae_large_patch16": ("ScaleMAELarge16_Weights", 0.45, _VIT_L),
    "copernicusfm_base": ("CopernicusFM_Base_Weights", 0.2, _VIT_B),
    "panopticon_vitb14": ("Panopticon_Weights", 0.2, "vit_base_patch14_dinov2"),
    "croma_base": ("CROMABase_Weights", 0.2, _VIT_B),
    "croma_large": ("CROMALarge_Weights", 0.45, _VIT_L),
    "croma_base_sar": ("CROMABase_Weights", 0.2, _VIT_B),
    "croma_large_sar": ("CROMALarge_Weights", 0.45, _VIT_L),
}

#: Bands that CROMA knows: all of Sentinel-2 but cirrus, or radar.
_CROMA_BANDS = {
    "sentinel2": ("B01", *(f"B0{band}" for band in range(2, 9)), "B8A", "B09", "B11", "B12"),
    "sentinel1": ("VV", "VH"),
}


def _of_torchgeo(name: str) -> Backbone:
    enumeration, rate, _ = _TORCHGEO[name]
    family = name.split("_")[0].rstrip("0123456789")
    own = name if family == "resnet" else TORCHGEO + name
    path = f"torchgeo.models.{enumeration}"
    if family == "croma":
        sensor = "sentinel1" if name.endswith("_sar") else "sentinel2"
        return Backbone(own, family, rate, (), path, sensor, _CROMA_BANDS[sensor])
    return Backbone(own, family, rate, enumeration=path)


BACKBONES: dict[str, Backbone] = {
    **{f"resnet{depth}": Backbone(f"resnet{depth}", "resnet") for depth in (18, 34, 50, 101, 152)},
    **{
        f"{version}_{size}": Backbone(f"tu-{version}_{size}", "convnext", rate)
        for version in ("convnext", "convnextv2")
        for size, rate in {**_CONVNEXT_LIGHT, **_CONVNEXT}.items()
    },
    **{
        f"swin_{size}": Backbone(f"tu-swin_{size}_patch4_window7_224", "swin", 0.3, _ANY_SIZE)
        for size in _SIZES
    },
    **{
        f"{family}_{size}": Backbone(f"{family}_{size}", family, rate)
        for family in ("deit3", "dinov3")
        for size, rate in _DEIT3.items()
    },
    **{f"mit_b{size}": Backbone(f"mit_b{size}", "mit") for size in range(6)},
    **{name: Backbone(name, "mscan", size.drop_path_rate) for name, size in MSCAN_SIZES.items()},
    **{TORCHGEO + name: _of_torchgeo(name) for name in _TORCHGEO},
    PRESTO: Backbone(PRESTO, "presto", enumeration="torchgeo.models.Presto_Weights"),
}

#: timm's name of every ViT here.
VIT_NAMES: dict[str, str] = {
    **{f"deit3_{size}": f"deit3_{size}_patch16_224" for size in _DEIT3},
    **{f"dinov3_{size}": f"vit_{size}_patch16_dinov3" for size in _DEIT3},
    **{TORCHGEO + name: vit for name, (_, _, vit) in _TORCHGEO.items() if vit is not None},
}

#: What of a ViT is another than in timm, by family: paddings of the first layer, PyTorch's own norms, ...
VIT_OPTIONS: dict[str, dict[str, Any]] = {
    "dofa": {"padding": 1},
    "copernicusfm": {"padding": 1, "norm_layer": nn.LayerNorm},
    "scalemae": {"positions": "metres"},
    "panopticon": {"attends_to_bands": True},
    "croma": {
        **{"positions": "distances", "patch_size": 8, "num_heads": 16, "qkv_bias": False},
        **{"class_token": False, "norm_layer": nn.LayerNorm},
    },
}
#: CROMA's radar encoders have half the blocks; the maps are those at the ends of four parts.
_RADAR_BLOCKS = {"base": (0, 2, 3, 5), "large": (2, 5, 8, 11)}


_SWIN_V2: dict[str, Callable[..., Any]] = {
    "swin_v2_t": torchvision.models.swin_v2_t,
    "swin_v2_b": torchvision.models.swin_v2_b,
}


class SwinV2(nn.Module, EncoderMixin):
    """The four stages of a Swin Transformer V2 (Liu et al. 2022): maps at 1/4, 1/8, 1/16 and 1/32.

    Torchvision's layers under their own names, as TorchGeo's weights have them. Images of any size pass:
    windows of 8 are padded.

    Args:
        name: ``swin_v2_t`` or ``swin_v2_b``.
        drop_path_rate: Of the last block; grows linearly from 0 at the first.
        depth: Maps of segmentation-models-pytorch's count; 5 is all there is.
        output_stride: 32, the only one there is.
    """

    def __init__(
        self, name: str, drop_path_rate: float = 0.0, depth: int = 5, output_stride: int = 32
    ) -> None:
        super().__init__()
        self.swin: nn.Sequential = _SWIN_V2[name](weights=None).features
        width = next(module for module in self.swin.modules() if isinstance(module, nn.Conv2d)).out_channels
        self._depth, self._in_channels, self._output_stride = depth, 3, output_stride
        self._out_channels = [3, 0, *(width * 2**stage for stage in range(4))]
        self.set_drop_path(drop_path_rate)

    def set_drop_path(self, rate: float) -> None:
        """Let blocks drop out, from 0 at the first to ``rate`` at the last."""
        paths = [module for module in self.swin.modules() if isinstance(module, StochasticDepth)]
        for index, path in enumerate(paths):
            path.p = rate * index / max(1, len(paths) - 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute the pyramid; see :meth:`.ViTPyramid.forward`."""
        maps, hidden = [x, x[:, :0, ::2, ::2]], x
        for index, part in enumerate(self.swin):  # patches, stage, merging, stage, ...
            hidden = part(hidden)
            if index % 2:
                maps.append(hidden.permute(0, 3, 1, 2).contiguous())
        return maps


def _register() -> None:
    """Make our encoders known to segmentation-models-pytorch, the way its documentation describes."""
    own: dict[str, tuple[type, dict[str, Any]]] = {
        name: (MSCAN, {"widths": size.widths, "depths": size.depths}) for name, size in MSCAN_SIZES.items()
    }
    for name, vit in VIT_NAMES.items():
        options = VIT_OPTIONS.get(BACKBONES[name].family, {})
        own[name] = (ViTPyramid, {"name": vit, **({"img_size": 224} if "dinov2" in vit else {}), **options})
    for size, blocks in _RADAR_BLOCKS.items():
        own[f"{TORCHGEO}croma_{size}_sar"][1]["blocks"] = blocks
    own |= {TORCHGEO + name: (SwinV2, {"name": name}) for name in _TORCHGEO if name.startswith("swin_")}
    for name, (encoder, parameters) in own.items():
        parameters["drop_path_rate"] = BACKBONES[name].drop_path_rate
        smp.encoders.encoders[name] = {"encoder": encoder, "pretrained_settings": {}, "params": parameters}


_register()


def encoders() -> tuple[str, ...]:
    """Short names of the backbones, sorted.

    Names of segmentation-models-pytorch and ``tu-<timm name>`` work, too.
    """
    return tuple(sorted(BACKBONES))


def find_backbone(name: str) -> Backbone:
    """Look a backbone up.

    Args:
        name: Short name, a name of segmentation-models-pytorch, or ``tu-<timm name>``.

    Raises:
        OptionError: There is none; near names are listed.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    if name.startswith("tu-"):
        available = timm.list_models()
        if name.removeprefix("tu-").split(".")[0] not in available:
            near = tuple(f"tu-{model}" for model in available)
            raise OptionError(unknown_name("timm encoder", name, near))
        family = "swin" if name.startswith("tu-swin") else "other"
        return Backbone(name, family)
    known = tuple(smp.encoders.encoders)
    if name not in known:
        raise OptionError(unknown_name("encoder", name, (*BACKBONES, *known)))
    return Backbone(name, "other")
