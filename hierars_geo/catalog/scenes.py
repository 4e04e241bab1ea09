"""Which files make an item of the catalog: an image (stacked, or one file per band) and its labels."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import shapely

from ..grid.reprojection import same_crs
from ..scenes.band_files import band_of_file, scene_key
from ..scenes.products import safe_root
from ..scenes.quality import quality_of_name
from ..scenes.sensors import all_quality_bands, all_scale_endings
from .headers import BAND_FILE, Header, has_label_word, without_label_word

#: Key of the asset that multiplies the values of an image; no reader takes it for one.
SCALES = "scales"
_UNFIT_FOR_ID = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True)
class ItemPlan:
    """What becomes one STAC item.

    Attributes:
        id: Its name, unique in the collection.
        images: (asset key, file) of every image file; several are bands of one scene, or sources of one
            ground.
        labels: (asset key, file) of its labels.
        others: (asset key, file) of what tells of its images: quality bands (``SCL``), and scales.
    """

    id: str
    images: tuple[tuple[str, Header], ...]
    labels: tuple[tuple[str, Header], ...]
    others: tuple[tuple[str, Header], ...] = ()

    @property
    def headers(self) -> tuple[Header, ...]:
        """Every file, images first."""
        return tuple(header for _, header in (*self.images, *self.labels, *self.others))

    @property
    def times(self) -> tuple[datetime, ...]:
        """When its images (or, without any, its labels) were taken, sorted."""
        files = [header for _, header in self.images or self.labels]
        return tuple(sorted({header.acquired for header in files if header.acquired is not None}))


def plan_items(headers: Sequence[Header], root: Path) -> list[ItemPlan]:
    """Group files into items, sorted by id.

    Band files of a product (``B02.tif``, ``T48QUE_..._B02_10m.jp2``, folders ``*.SAFE``) are one item; any
    other image is one by itself. Labels belong to the images that bear their name up to the word that marks
    labels, in their own folder or in one beside theirs; else to the images there that show their ground, as
    a training pairs them. Labels without an image are items, too. Quality bands (``..._SCL.tif``) and the
    scales of quantised values (``..._scales.tif``) belong to the image whose name they bear.
    """
    of_others = {header.path: _of_other(header) for header in headers}
    images: dict[Path, list[Header]] = {}
    for header in headers:
        if not header.is_labels and of_others[header.path] is None:
            images.setdefault(_scene_of(header), []).append(header)
    others: dict[Path, list[tuple[str, Header]]] = {}
    labels = []
    for header in headers:
        told = of_others[header.path]
        if told is not None and told[0] in images:
            others.setdefault(told[0], []).append((told[1], header))
        elif header.is_labels:
            labels.append(header)
        elif told is not None:  # of no image: it is one itself
            images.setdefault(_scene_of(header), []).append(header)
    owned: dict[Path, list[Header]] = {scene: [] for scene in images}
    orphans = []
    for label in labels:
        near = [scene for scene in images if _is_beside(label.path, scene)]
        owners = [scene for scene in near if _bears_name(label.path, scene)]
        owners = owners or [scene for scene in near if _shows(images[scene], label)]
        for scene in owners:
            owned[scene].append(label)
        orphans += [] if owners else [label]
    ids = _ids([*images, *(label.path.with_suffix("") for label in orphans)], root)
    plans = [
        ItemPlan(
            ids[scene], _keys(files, "image"), _keys(owned[scene], "labels"), tuple(others.get(scene, ()))
        )
        for scene, files in images.items()
    ]
    plans += [ItemPlan(ids[label.path.with_suffix("")], (), _keys([label], "labels")) for label in orphans]
    return sorted(plans, key=lambda plan: plan.id)


def _scene_of(header: Header) -> Path:
    """Path, without band and suffix, that all files of a scene share."""
    path = header.path
    if (root := safe_root(str(path))) is not None:
        return root.with_suffix("")
    if len(header.bands) == 1 and BAND_FILE.fullmatch(band_of_file(path)):
        key = Path(scene_key(str(path)))
        stem = "" if key == path.parent else key.name.rstrip("_-. ")
        return path.parent / stem if stem else path.parent
    return path.with_suffix("")


def _of_other(header: Header) -> tuple[Path, str] | None:
    """Return path, without suffix, of the scene that a file tells of, and its key; None for an image."""
    path = header.path
    for ending in all_scale_endings():
        if path.stem.endswith(ending):
            return path.with_name(path.stem.removesuffix(ending)), SCALES
    band = quality_of_name(path.stem, all_quality_bands())
    if band is None:
        return None
    if safe_root(str(path)) is not None:
        return _scene_of(header), band.name
    ending = rf"(?:^|[_\-. ]+){re.escape(band.name)}(?:_\d+m)?$"
    stem = re.sub(ending, "", path.stem, flags=re.IGNORECASE)
    return path.parent / stem if stem else path.parent, band.name


def _bears_name(label: Path, scene: Path) -> bool:
    key = without_label_word(label.stem)
    return scene.name == key or (scene.name.startswith((f"{key}_", f"{key}-")) and len(key) > 0)


def _shows(images: Sequence[Header], label: Header) -> bool:
    """Tell whether images lie where labels do: at least half of the smaller of both in the other."""
    if label.grid is None:
        return False
    ground = shapely.box(*label.grid.bounds)
    for image in images:
        if image.grid is not None and same_crs(image.grid.crs, label.grid.crs):
            own = shapely.box(*image.grid.bounds)
            if own.intersection(ground).area >= 0.5 * min(own.area, ground.area):
                return True
    return False


def _is_beside(label: Path, scene: Path) -> bool:
    if label.parent == scene.parent:
        return True
    above = next((folder.parent for folder in label.parents if has_label_word(folder.name)), None)
    return above is not None and above in scene.parents


def _keys(files: Iterable[Header], single: str) -> tuple[tuple[str, Header], ...]:
    """Name the assets: ``image`` where there is one file, else by band and resolution, or by file name."""
    listed = sorted(files, key=lambda header: header.path)
    if len(listed) == 1:
        return ((single, listed[0]),)
    by_band = [_asset_key(header) for header in listed]
    counts = Counter(by_band)
    return tuple(
        (key if counts[key] == 1 else header.path.stem, header)
        for key, header in zip(by_band, listed, strict=True)
    )


def _asset_key(header: Header) -> str:
    band = band_of_file(header.path)
    if len(header.bands) != 1 or not BAND_FILE.fullmatch(band):
        return header.path.stem
    resolution = re.search(r"[_\-](\d+m)$", header.path.stem)
    return f"{band}_{resolution[1]}" if resolution else band


def _ids(scenes: Iterable[Path], root: Path) -> dict[Path, str]:
    """Name scenes by their file where that is unique, else by their way from the root."""
    listed = list(scenes)
    counts = Counter(scene.name for scene in listed)
    found = {}
    for scene in listed:
        way = scene.relative_to(root).parts if scene.is_relative_to(root) else scene.parts[-2:]
        name = scene.name if counts[scene.name] == 1 else "_".join(way)
        found[scene] = _UNFIT_FOR_ID.sub("_", name) or "scene"
    return found
