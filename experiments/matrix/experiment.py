"""Experiment: one configuration file, its head and its content."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml


@dataclass(frozen=True)
class Experiment:
    """One configuration.

    Attributes:
        path: Of the file, below experiments/, with forward slashes.
        title: What it is, in one sentence.
        commands: What to type, in the repository's root.
        content: What ``fit`` reads.
        missing: What a run needs that this repository has not, for example ``MM-5B``; empty for nothing.
    """

    path: str
    title: str
    commands: tuple[str, ...]
    content: Mapping[str, Any]
    missing: str = ""


@dataclass(frozen=True)
class Measured:
    """What a run of an experiment gave.

    Attributes:
        hardware: What it ran on.
        time: Of one training.
        score: On the test ground.
    """

    hardware: str
    time: str
    score: str


class _Dumper(yaml.SafeDumper):
    """Lists on one line, mappings on lines of their own."""

    def ignore_aliases(self, data: object) -> bool:
        """Write the same thing twice where it stands twice."""
        return True


_Dumper.add_representer(
    list, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)
)


#: Group of a task's options -> its options, where it is told them flat.
_GROUPS = {
    "loss": {"loss": "name", "alpha": "alpha"},
    "optimizer": {name: name for name in ("lr", "weight_decay", "layer_decay")},
    "schedule": {"warmup_steps": "warmup_steps"},
    "start": {
        "encoder_weights": "encoder_weights",
        "start": "parts",
        "freeze_backbone": "freeze_backbone",
    },
    "interaction": {"attention": "attention"},
}


def grouped(options: Mapping[str, Any]) -> dict[str, Any]:
    """Put the options of a task into the groups that the task has.

    Args:
        options: Flat, so that variants change one by its name alone.
    """
    groups = {flat: (group, name) for group, names in _GROUPS.items() for flat, name in names.items()}
    found: dict[str, Any] = {}
    for flat, value in options.items():
        if flat in groups:
            group, name = groups[flat]
            found.setdefault(group, {})[name] = value
        else:
            found[flat] = value
    return found


def render(experiment: Experiment, measured: Measured | None) -> str:
    """Write the file: command, hardware, time and score in front, then the YAML.

    Args:
        experiment: What to write.
        measured: What it gave, None where it has not been run.

    Returns:
        The text of the file.
    """
    needs = f": needs {experiment.missing}" if experiment.missing else ""
    known = measured or Measured(*(f"not run here{needs}",) * 3)
    first, *others = experiment.commands
    lines = [
        experiment.title,
        "",
        f"command:  {first}",
        *(f"          {command}" for command in others),
        f"hardware: {known.hardware}",
        f"time:     {known.time}",
        f"score:    {known.score}",
        "",
        "Written by experiments/make_matrix.py; change it there.",
    ]
    head = "".join(f"# {line}".rstrip() + "\n" for line in lines)
    body = yaml.dump(dict(experiment.content), Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)
    return head + body


__all__ = ("Experiment", "Measured", "grouped", "render")
