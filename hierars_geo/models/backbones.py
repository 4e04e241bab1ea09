"""Backbones by short names: what segmentation-models-pytorch and timm call them, and what is our own."""

from dataclasses import dataclass
from typing import Any

from ..errors import OptionError, unknown_name
from ..imports import without_compiler

with without_compiler():
    import segmentation_models_pytorch as smp
    import timm

from .mscan import MSCAN, MSCAN_SIZES
from .swin_v2 import SwinV2
from .vit_pyramid import ViTPyramid

#: Why a backbone cannot be dilated, by family; decoders that need dilation cannot take it.
_UNDILATED = {
    "swin": "its windows and patch merging are tied to strides of 4, 8, 16 and 32",
    "deit3": "its patches of 16 pixels are its only resolution",
    "vit": "its patches of 16 pixels are its only resolution",
    "dofa": "its patches of 16 pixels are its only resolution",
    "mscan": "its stages have strides of 4, 8, 16 and 32",
}


@dataclass(frozen=True)
class Backbone:
    """What a short name stands for.

    Attributes:
        name: For segmentation-models-pytorch: an own or registered encoder, or ``tu-<timm name>``.
        family: ``resnet``, ``convnext``, ``swin``, ``deit3``, ``vit``, ``dofa``, ``mit``,
            ``mscan``, or ``other``.
        drop_path_rate: Default of the papers' segmentation models; None where there is no such thing.
        options: What timm is told besides.
        enumeration: Import path of the enumeration of its weights, whose members then go by their names
            alone; None where weights are the library's.
    """

    name: str
    family: str
    drop_path_rate: float | None = None
    options: tuple[tuple[str, Any], ...] = ()
    enumeration: str | None = None

    @property
    def timm_name(self) -> str | None:
        """Name in timm where the encoder is timm's own, else None."""
        return self.name.removeprefix("tu-") if self.name.startswith("tu-") else None

    @property
    def why_undilated(self) -> str | None:
        """Why its last stages cannot be dilated; None where they can."""
        return _UNDILATED.get(self.family)


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
#: TorchGeo's image models that give a pyramid -> enumeration of their weights, and the default drop path:
#: torchvision's of Swin V2, DeiT III's of the ViTs.
_TORCHGEO: dict[str, tuple[str, float | None]] = {
    "resnet18": ("ResNet18_Weights", None),
    "resnet50": ("ResNet50_Weights", None),
    "resnet152": ("ResNet152_Weights", None),
    "swin_v2_t": ("Swin_V2_T_Weights", 0.2),
    "swin_v2_b": ("Swin_V2_B_Weights", 0.5),
    "vit_small_patch16_224": ("ViTSmall16_Weights", 0.05),
    "vit_base_patch16_224": ("ViTBase16_Weights", 0.2),
    "vit_large_patch16_224": ("ViTLarge16_Weights", 0.45),
    "dofa_base_patch16_224": ("DOFABase16_Weights", 0.2),
    "dofa_large_patch16_224": ("DOFALarge16_Weights", 0.45),
}


def _of_torchgeo(name: str) -> Backbone:
    enumeration, rate = _TORCHGEO[name]
    family = name.split("_")[0].rstrip("0123456789")
    own = name if family == "resnet" else TORCHGEO + name
    return Backbone(own, family, rate, enumeration=f"torchgeo.models.{enumeration}")


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
    **{f"deit3_{size}": Backbone(f"deit3_{size}", "deit3", rate) for size, rate in _DEIT3.items()},
    **{f"mit_b{size}": Backbone(f"mit_b{size}", "mit") for size in range(6)},
    **{name: Backbone(name, "mscan", size.drop_path_rate) for name, size in MSCAN_SIZES.items()},
    **{TORCHGEO + name: _of_torchgeo(name) for name in _TORCHGEO},
}

#: timm's name of every ViT here.
VIT_NAMES: dict[str, str] = {
    **{f"deit3_{size}": f"deit3_{size}_patch16_224" for size in _DEIT3},
    **{
        TORCHGEO + name: name.replace("dofa", "vit")
        for name in _TORCHGEO
        if name.startswith(("vit_", "dofa_"))
    },
}


def _register() -> None:
    """Make our encoders known to segmentation-models-pytorch, the way its documentation describes."""
    own: dict[str, tuple[type, dict[str, Any]]] = {
        name: (MSCAN, {"widths": size.widths, "depths": size.depths}) for name, size in MSCAN_SIZES.items()
    }
    own |= {name: (ViTPyramid, {"name": vit}) for name, vit in VIT_NAMES.items()}
    for name, (_, parameters) in own.items():
        if BACKBONES[name].family == "dofa":
            parameters["padding"] = 1  # of its first layer, as its makers have it
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
