"""``hierars-geo fit | validate | test``: checked configurations for Lightning's own command line."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ..errors import MissingFileError, OptionError, TaxonomyError
from ..taxonomy.yaml_reader import read_yaml

#: More images than anybody lists by hand.
_MAX_ITEMS = 1_000_000
#: Keys of version 0.1 below ``data`` and ``model`` -> where they stand now.
MOVED_KEYS: Final[Mapping[str, Mapping[str, str]]] = {
    "data": {
        **dict.fromkeys(("val_fraction", "test_fraction", "block_m", "buffer_m", "leak_check"), "splits.{}"),
        **dict.fromkeys(("train_region", "val_region", "test_region"), "splits.{}"),
        **dict.fromkeys(("val_images", "val_labels", "test_images", "test_labels"), "splits.{}"),
        **{"split_by": "splits.by", "split_file": "splits.file"},
        **{"chip_size": "chips.size", "chips_per_epoch": "chips.per_epoch"},
        **dict.fromkeys(("sampler", "balance", "max_class_share", "min_valid_share"), "chips.{}"),
        **{"normalization": "normalization.method", "statistics_windows": "normalization.max_windows"},
        **dict.fromkeys(("mean", "std", "scale"), "normalization.{}"),
        "augment": "augmentation.flips",
        **dict.fromkeys(
            ("scale_range", "gain", "brightness", "contrast", "noise", "band_drop"), "augmentation.{}"
        ),
        **dict.fromkeys(("batch_size", "num_workers", "cache_dir"), "loader.{}"),
        **{"nodata": "reading.{}", "image_options": "reading"},
    },
    "model": {
        **dict.fromkeys(("lr", "weight_decay", "betas", "layer_decay", "ema_decay"), "optimizer.{}"),
        **dict.fromkeys(("warmup_steps", "power"), "schedule.{}"),
        **dict.fromkeys(("alpha", "level_weights", "class_weights"), "loss.{}"),
        **dict.fromkeys(("encoder_weights", "band_adaptation", "freeze_backbone"), "start.{}"),
        **{"start_checkpoint": "start.checkpoint", "start_parts": "start.parts"},
        **dict.fromkeys(("attention", "heads", "points"), "interaction.{}"),
        **dict.fromkeys(("value_ratio", "ffn_ratio", "drop_path"), "interaction.{}"),
        **{"loss": "loss.name", "start": "start.parts"},
    },
}
#: The same within an entry of ``data.sources``.
_MOVED_IN_SOURCES: Final = {"nodata": "reading.nodata", "image_options": "reading"}
_OPTION: Final = re.compile(r"--(data|model)(?:\.init_args)?\.(\w+)(?:=(.*))?", re.DOTALL)


def main(argv: list[str]) -> int:
    """Run the command.

    Args:
        argv: The sub-command and Lightning's options.

    Raises:
        HieraRSError: A configuration cannot be read, or the work failed.
    """
    for path in _configs(argv):
        _check_config(path)
    _check_keys(_given_options(argv), "the command line")
    from .training_cli import TrainingCLI

    TrainingCLI(argv)
    return 0


def _configs(argv: list[str]) -> Iterator[Path]:
    """Find the configurations that are named."""
    for argument, following in zip(argv, [*argv[1:], ""], strict=True):
        if argument in ("-c", "--config") and following:
            yield Path(following)
        elif argument.startswith("--config="):
            yield Path(argument.removeprefix("--config="))


def _check_config(path: Path) -> None:
    """Name the file where the parser would not.

    Raises:
        MissingFileError: It does not exist.
        OptionError: It is no YAML mapping, gives a key twice, or repeats a list or mapping by an alias.
    """
    if not path.is_file():
        raise MissingFileError(
            f"Expected {path} to be a configuration file, but it does not exist. Check the path."
        )
    remedy = "Start from experiments/quickstart/bhccm_s2.yaml."
    try:
        content = read_yaml(path, _MAX_ITEMS)
    except TaxonomyError as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise OptionError(f"Expected {path} to be a YAML file, but: {reason}. Correct it.") from error
    if not isinstance(content, dict) or not content:
        found = "nothing" if content is None or content == {} else f"a {type(content).__name__}"
        raise OptionError(f"Expected {path} to hold model, data and trainer, but got {found}. {remedy}")
    _check_keys(content, str(path))


def _given_options(argv: list[str]) -> dict[str, dict[str, Any]]:
    """Collect the options of data and model that the command line gives, as a configuration would."""
    given: dict[str, dict[str, Any]] = {}
    for argument, following in zip(argv, [*argv[1:], ""], strict=True):
        if found := _OPTION.fullmatch(argument):
            value = following if found[3] is None else found[3]
            given.setdefault(found[1], {})[found[2]] = {} if value.startswith("{") else value
    return given


def _check_keys(content: Mapping[str, Any], where: str) -> None:
    """Say what the keys of version 0.1 are called now.

    Raises:
        OptionError: There are such keys; all of them are named.
    """
    found = {}
    for part, moved in MOVED_KEYS.items():
        section = content.get(part)
        options = section.get("init_args", section) if isinstance(section, Mapping) else None
        if not isinstance(options, Mapping):
            continue
        sources = options.get("sources")
        for entry, names in ((options, moved), *((each, _MOVED_IN_SOURCES) for each in _mappings(sources))):
            for key in entry:
                new = names.get(key, key).format(key)
                if new != key and not (new.startswith(f"{key}.") and isinstance(entry[key], Mapping)):
                    found[f"{part}: {key}"] = new
    if found:
        listed = ", ".join(f"{old} -> {new}" for old, new in found.items())
        raise OptionError(
            f"Expected options in groups, but got names of version 0.1 (in {where}). Rename them: {listed}."
        )


def _mappings(entries: object) -> list[Mapping[str, Any]]:
    return [each for each in entries if isinstance(each, Mapping)] if isinstance(entries, list) else []
