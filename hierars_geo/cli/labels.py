"""``hierars-geo labels``: what the sources of labels of a training say, and where they differ."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OptionError

if TYPE_CHECKING:
    from ..datasets.label_agreement import LabelAgreement

DESCRIPTION = "Look at labels before training."
EXAMPLES = {
    "labels": """examples:
  hierars-geo labels check my.yaml              # the configuration that fit takes, or its data alone
  hierars-geo labels check my.yaml -o labels.png
"""
}
#: Contradictions that are listed of every pair.
_MOST = 8


def check(data: str, *, out: Path | None = None, max_windows: int = 1024, overwrite: bool = False) -> int:
    """Say what each source of labels says, how deep, and where they contradict each other.

    The status is 1 where sources of one priority do: training would stop there.

    Args:
        data: YAML file with a data module, as fit takes it.
        out: FILE.png of how much of the tree each source covers.
        max_windows: Read at most this many windows of 512 pixels, evenly spread.
        overwrite: Replace a picture that exists.
    """
    from ..datasets.label_agreement import compare_labels
    from ..output import refuse_existing

    if out is not None:
        if out.suffix.lower() != ".png":
            raise OptionError(f"Expected the picture to end in .png, but got '{out.name}'.")
        refuse_existing([out], overwrite, [data])
    module = _data_module(data)
    found = compare_labels(module.scenes.dataset, max_windows, "labels")
    for line in _lines(found):
        sys.stdout.write(f"{line}\n")
    if out is not None:
        _draw(found, out)
        sys.stdout.write(f"{out}\n")
    return int(any(pair.same_priority and pair.contradictions for pair in found.pairs))


def _data_module(path: str) -> Any:  # noqa: ANN401  # of several classes
    """Build the data module that a configuration names."""
    from .. import datamodules
    from ..errors import MissingFileError
    from ..taxonomy.yaml_reader import read_yaml

    if not Path(path).is_file():
        raise MissingFileError(f"Expected {path} to be a YAML file, but it does not exist. Check the path.")
    content = read_yaml(Path(path), max_items=100_000)
    data = content.get("data", content) if isinstance(content, dict) else None
    if not isinstance(data, dict) or not {"init_args", "labels"} & set(data):
        raise OptionError(f"Expected {path} to hold a data module with labels, but it does not.")
    name = str(data.get("class_path", "SceneDataModule")).rpartition(".")[2]
    if name not in datamodules.__all__ or not name.endswith("DataModule"):
        known = ", ".join(one for one in datamodules.__all__ if one.endswith("DataModule"))
        raise OptionError(f"Expected class_path of data to be one of {known}, but got '{name}' (in {path}).")
    options = data.get("init_args", data)
    try:
        return getattr(datamodules, name)(**options)
    except TypeError as error:
        raise OptionError(f"Expected {path} to hold options of {name}, but: {error}.") from error


def _lines(found: "LabelAgreement") -> list[str]:
    tree = found.taxonomy
    lines = [f"ground: {found.ground} pixels, tree {tree.name} ({', '.join(tree.level_names)})"]
    for source in found.sources:
        labelled = int(source.pixels.sum())
        decided = ", ".join(
            f"{name} {100 * count / max(labelled, 1):.1f} %"
            for name, count in zip(tree.level_names, source.decided, strict=True)
        )
        share = 100 * labelled / max(found.ground, 1)
        lines.append(
            f"{source.name}: {labelled} pixels ({share:.2f} % of the ground), "
            f"priority {source.priority}; decided {decided}"
        )
        for level, name in enumerate(tree.level_names, start=1):
            counts = source.classes(level)
            lines.append(f"  {name}: {int((counts > 0).sum())} of {len(counts)} classes")
    for pair in found.pairs:
        share = 100 * pair.contradicting / pair.pixels
        lines.append(
            f"{pair.names[0]} and {pair.names[1]}: {pair.pixels} pixels of both, {pair.contradicting} "
            f"contradict ({share:.2f} %){_verdict(pair.same_priority, pair.contradicting)}"
        )
        ordered = sorted(pair.contradictions.items(), key=lambda item: -item[1])
        lines += [f"  {one} against {other}: {count}" for (one, other), count in ordered[:_MOST]]
        if len(ordered) > _MOST:
            lines.append(f"  and {len(ordered) - _MOST} further pairs of classes")
    return lines


def _verdict(same_priority: bool, contradicting: int) -> str:
    if not contradicting:
        return ""
    return "; give them a priority" if same_priority else "; the higher priority counts"


def _draw(found: "LabelAgreement", out: Path) -> None:
    """Draw the share of each source's pixels in every class, level by level."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from ..output import atomic_path

    tree = found.taxonomy
    height = 1 + 1.2 * tree.num_levels * (1 + len(found.sources) / 3)
    figure = Figure(figsize=(8, height), layout="constrained")
    for level, name in enumerate(tree.level_names, start=1):
        axes = figure.add_subplot(tree.num_levels, 1, level)
        counts = np.array([source.classes(level) for source in found.sources], dtype=float)
        axes.imshow(np.log10(np.where(counts > 0, counts, np.nan)), aspect="auto", cmap="viridis")
        axes.set_yticks(range(len(found.sources)), [Path(source.name).name for source in found.sources])
        names = tree.class_names(level)
        axes.set_xticks(range(len(names)), names if len(names) <= 24 else [""] * len(names), rotation=90)
        axes.set_title(f"{name}: pixels that decide it (log10; empty: none)", fontsize=9)
        axes.tick_params(labelsize=7)
    FigureCanvasAgg(figure)
    with atomic_path(out) as unfinished:
        figure.savefig(unfinished, format="png", dpi=120)


SUBCOMMANDS = {"check": check}
