"""Job: one configuration under one seed, known by what the configuration says."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from hierars_geo.errors import MissingFileError, OptionError


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        config: The YAML file.
        group: Name of its folder, for example ``gewata``; jobs of one group share a table.
        variant: Name of the file without suffix.
        digest: First 12 hexadecimal digits of the SHA-256 of what file and overrides say; comments and
            the order of keys do not count.
        seed: Of weights, chips and augmentation.
    """

    config: Path
    group: str
    variant: str
    digest: str
    seed: int

    @property
    def name(self) -> str:
        """Name of the job's files: the same job, the same name."""
        return f"{self.group.replace('/', '-')}-{self.variant}-{self.digest}-s{self.seed}"


def plan_jobs(
    configs: Sequence[Path], seeds: Iterable[int], root: Path, overrides: Sequence[str] = ()
) -> list[Job]:
    """List the trainings, all configurations under the first seed first.

    In that order an interrupted evening leaves a complete comparison under fewer seeds.

    Args:
        configs: YAML files.
        seeds: Seeds, >= 0.
        root: Folder that group names start from.
        overrides: Further options of every training; they make another job of it.

    Returns:
        One job per configuration and seed.

    Raises:
        MissingFileError: A configuration does not exist.
        OptionError: One is no YAML mapping, or two are of the same group and name.
    """
    known = [_describe(path, root, overrides) for path in configs]
    named = [(group, variant) for _, group, variant, _ in known]
    for name in named:
        if named.count(name) > 1:
            raise OptionError(
                f"Expected every configuration once, but got {'/'.join(name)} twice. Name it once."
            )
    return [Job(*description, seed) for seed in dict.fromkeys(seeds) for description in known]


def _describe(path: Path, root: Path, overrides: Sequence[str]) -> tuple[Path, str, str, str]:
    """Return file, group, variant and digest."""
    if not path.is_file():
        raise MissingFileError(
            f"Expected {path} to be a configuration file, but it does not exist. Check the path."
        )
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise OptionError(f"Expected {path} to hold model, data and trainer, but got no mapping.")
    said = json.dumps([content, *overrides], sort_keys=True)
    digest = hashlib.sha256(said.encode()).hexdigest()[:12]
    folder = path.resolve().parent
    group = folder.relative_to(root).as_posix() if folder.is_relative_to(root) else folder.name
    return path, group, path.stem, digest


__all__ = ("Job", "plan_jobs")
