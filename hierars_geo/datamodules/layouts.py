"""Published data sets as they lie on disk: which label belongs to which image, and to which split."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import get_args

from ..errors import DataError, MissingFileError, OptionError, list_some, notice
from ..samplers.splits import SplitName
from ..taxonomy.dataset_records import SourceRecord, read_record

#: What counts as an image or a label beside ``.aux.xml``, ``.rpb`` and the like.
_SUFFIXES = frozenset({".bmp", ".img", ".jp2", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".vrt"})
_SPLITS: tuple[SplitName, ...] = get_args(SplitName)
_FOLDERS: dict[str, SplitName] = {**{name: name for name in _SPLITS}, "valid": "val", "validation": "val"}


@dataclass(frozen=True)
class ScenePair:
    """An image and its labels.

    Attributes:
        name: Way to the file, without suffix and the folders that the record's pattern spells out.
        image: What GDAL opens.
        label: What GDAL opens.
        split: Where the data set puts it; None where it does not say.
    """

    name: str
    image: str
    label: str
    split: SplitName | None = None


def source_of(dataset: str, source: str | None = None) -> SourceRecord:
    """Return the record of a source, of the only one where none is named.

    Raises:
        OptionError: There is no such source, or there are several.
    """
    sources = read_record(dataset).sources
    if source is None and len(sources) == 1:
        return next(iter(sources.values()))
    if source not in sources:
        raise OptionError(
            f"Expected source of {dataset} to be one of {', '.join(sources)}, but got {source}."
        )
    return sources[source]


def find_pairs(dataset: str, root: str | Path, source: str | None = None) -> list[ScenePair]:
    """List the images of a published data set with their labels, sorted by name.

    A label has the name of its image (and, before its suffix, what the record calls ``label_suffix``), on the
    same way but for the folders that the record spells out. The split of a pair is the first folder on that
    way, if it is called ``train``, ``val`` or ``test``; else it is what a list of names ``splits/train.txt``
    or ``train.txt`` in the root says.

    Args:
        dataset: Name in the catalog of data sets, or the path of a record of one's own.
        root: Where it lies.
        source: Which of its sources, by the record's name.

    Raises:
        MissingFileError: The folder, or the images in it, do not exist.
        DataError: Images have no label; all of them are named.
        OptionError: The data set has no such source.
    """
    record = source_of(dataset, source)
    root = Path(root)
    if not root.is_dir():
        raise MissingFileError(f"Expected {root} to be the folder of {dataset}, but it does not exist.")
    if record.labels is None:
        raise DataError(f"Expected labels of {dataset}, but its record has none. Name another source.")
    images = _by_name(root, record.images, "")
    labels = _by_name(root, record.labels, record.label_suffix)
    if not images:
        raise MissingFileError(
            f"Expected images {record.images} in {root}, but got none. Check the folder, or give a record of "
            "your own with the names of your folders."
        )
    bare = [str(path) for name, path in images.items() if name not in labels]
    if bare:
        raise DataError(
            f"Expected a label {record.labels} for every image, but got none for {len(bare)} of "
            f"{len(images)}: {list_some(bare, 10)}. Add them."
        )
    spare = sorted(set(labels) - set(images))
    if spare:
        notice(f"Left out {len(spare)} labels of {dataset} without an image: {list_some(spare)}.")
    listed = _listed_splits(root)
    return [
        ScenePair(
            name,
            str(path),
            str(labels[name]),
            _FOLDERS.get(PurePosixPath(name).parts[0]) or listed.get(PurePosixPath(name).name),
        )
        for name, path in sorted(images.items())
    ]


def deal(
    pairs: Sequence[ScenePair], val_fraction: float, test_fraction: float, seed: int
) -> dict[SplitName, list[ScenePair]]:
    """Sort pairs by their split; where the data set has none of that name, deal it from the training pairs.

    Args:
        pairs: All pairs.
        val_fraction: Share of all pairs without a split that become validation, unless there are some.
        test_fraction: The same for testing.
        seed: Decides which.

    Raises:
        DataError: No pair is left to train on.
    """
    splits: dict[SplitName, list[ScenePair]] = {
        name: [pair for pair in pairs if pair.split == name] for name in _SPLITS
    }
    open_pairs = [pair for pair in pairs if pair.split is None]
    if not splits["train"]:
        pool, splits["train"] = open_pairs, []
    else:
        pool, splits["train"] = splits["train"], []
        if open_pairs:
            notice(
                f"Left out {len(open_pairs)} pairs that are in no list of a split: {open_pairs[0].name}, ..."
            )
    shuffled = sorted(pool, key=lambda pair: pair.name)
    random.Random(seed).shuffle(shuffled)
    for name, fraction in (("test", test_fraction), ("val", val_fraction)):
        if not splits[name] and fraction > 0:  # type: ignore[index]
            count = max(1, round(fraction * len(pool)))
            splits[name], shuffled = shuffled[:count], shuffled[count:]  # type: ignore[index]
    splits["train"] = sorted(shuffled, key=lambda pair: pair.name)
    if not splits["train"]:
        raise DataError(
            f"Expected pairs to train on, but all {len(pairs)} are of val and test. Lower the shares."
        )
    return {name: [replace(pair, split=name) for pair in chosen] for name, chosen in splits.items()}


def _by_name(root: Path, pattern: str, suffix: str) -> dict[str, Path]:
    """Find files, by the folders of their way that the pattern does not spell out, and their name."""
    spelled = [part for part in PurePosixPath(pattern).parts[:-1] if not any(sign in part for sign in "*?[")]
    found = {}
    for path in sorted(root.glob(pattern)):
        if path.is_file() and path.suffix.lower() in _SUFFIXES and not path.name.startswith("."):
            way = _open_parts(path.relative_to(root).with_suffix("").parts, spelled)
            found["/".join(way).removesuffix(suffix)] = path
    return found


def _open_parts(parts: Sequence[str], spelled: Sequence[str]) -> list[str]:
    """Leave out the folders that a pattern spells out, each where it is first met in their order.

    Examples:
        >>> _open_parts(["train", "labels", "a"], ["labels"]), _open_parts(["GF2", "val", "b"], ["GF2"])
        (['train', 'a'], ['val', 'b'])
    """
    left = list(spelled)
    kept = []
    for part in parts:
        if left and part == left[0]:
            left.pop(0)
        else:
            kept.append(part)
    return kept


def _listed_splits(root: Path) -> dict[str, SplitName]:
    listed: dict[str, SplitName] = {}
    for name in _SPLITS:
        for path in (root / "splits" / f"{name}.txt", root / f"{name}.txt"):
            if path.is_file():
                lines = path.read_text(encoding="utf-8").split("\n")
                listed |= {PurePosixPath(line.strip()).stem: name for line in lines if line.strip()}
                break
    return listed
