"""Job: a base configuration with its overlays under one seed, known by what they say."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from hierars_geo.errors import MissingFileError, OptionError

#: In the names of labels, what a share takes the place of.
_WHOLE = "labels_100"


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        configs: YAML files as ``fit`` takes them: the base, then its overlays.
        options: Further options of ``fit`` that belong to the variant.
        group: Name of the base, for example ``gewata``; jobs of one group share a table.
        variant: Names of the overlays, and the share of the labels where one is chosen.
        digest: First 12 hexadecimal digits of the SHA-256 of what files and options say; comments and the
            order of keys do not count.
        seed: Of weights, chips and augmentation.
    """

    configs: tuple[Path, ...]
    options: tuple[str, ...]
    group: str
    variant: str
    digest: str
    seed: int

    @property
    def name(self) -> str:
        """Name of the job's files: the same job, the same name."""
        return f"{self.group}-{self.variant}-{self.digest}-s{self.seed}"


def plan_jobs(
    bases: Sequence[Path],
    overlays: Sequence[Sequence[Path]],
    seeds: Iterable[int],
    shares: Sequence[int] = (),
    overrides: Sequence[str] = (),
) -> list[Job]:
    """List the trainings, all variants under the first seed first.

    In that order an interrupted evening leaves a complete comparison under fewer seeds.

    Args:
        bases: YAML files that are complete but for the overlays.
        overlays: Lists of YAML files, each of which takes one of every list in turn. ``A+B`` are two that go
            together under the name of the last; ``{base}`` is the name of the base.
        seeds: Seeds, >= 0.
        shares: Per cent of the labels, as ``label_shares.py`` and ``sparse_labels.py`` write them: in the
            labels' paths ``labels_100`` becomes ``labels_001``, and ``{base}`` the name of the base. Empty
            for the labels as they stand.
        overrides: Further options of every training; they make another job of it.

    Returns:
        One job per base, combination of overlays, share and seed.

    Raises:
        MissingFileError: A file does not exist.
        OptionError: One is no YAML mapping, two variants have one name, or labels without ``labels_100``.
    """
    said: dict[Path, dict[str, Any]] = {}
    variants = []
    for base, chosen, share in product(bases, product(*overlays), shares or (None,)):
        parts = [_files(overlay, base) for overlay in chosen]
        configs = (base, *(path for files in parts for path in files))
        said |= {path: _read(path) for path in configs if path not in said}
        names = [files[-1].stem for files in parts] or ["base"]
        options: tuple[str, ...] = ()
        if share is not None:
            names.append(f"{share:03d}")
            options = (
                "--data.init_args.labels",
                json.dumps(_share_of([said[c] for c in configs], share, base)),
            )
        content = json.dumps([*(said[path] for path in configs), *options, *overrides], sort_keys=True)
        digest = hashlib.sha256(content.encode()).hexdigest()[:12]
        variants.append((configs, options, base.stem, "_".join(names), digest))
    named = [f"{group}/{variant}" for _, _, group, variant, _ in variants]
    for name in named:
        if named.count(name) > 1:
            raise OptionError(f"Expected every variant once, but got {name} twice. Name it once.")
    return [Job(*variant, seed) for seed in dict.fromkeys(seeds) for variant in variants]


def _files(overlay: Path, base: Path) -> tuple[Path, ...]:
    """Return the files that an overlay of the command line stands for with a base."""
    return tuple(Path(name) for name in str(overlay).replace("{base}", base.stem).split("+"))


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise MissingFileError(
            f"Expected {path} to be a configuration file, but it does not exist. Check the path."
        )
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise OptionError(f"Expected {path} to hold model, data or trainer, but got no mapping.")
    return content


def _share_of(said: Sequence[dict[str, Any]], share: int, base: Path) -> list[str | dict[str, Any]]:
    """Return the labels of a share: those that the last of the files names, with another number."""
    named = [content.get("data", {}).get("init_args", {}).get("labels") for content in said]
    labels: str = json.dumps([one for one in named if one][-1])
    if _WHOLE not in labels:
        raise OptionError(f"Expected labels_100 of label_shares.py, but got {labels} (in {base}).")
    shared = labels.replace(_WHOLE, f"labels_{share:03d}").replace("{base}", base.stem)
    found: list[str | dict[str, Any]] = json.loads(shared)
    return found
