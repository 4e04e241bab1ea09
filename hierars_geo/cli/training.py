"""``hierars-geo fit | validate | test``: checked configurations for Lightning's own command line."""

from collections.abc import Iterator
from pathlib import Path

from ..errors import MissingFileError, OptionError, TaxonomyError
from ..taxonomy.yaml_reader import read_yaml

#: More images than anybody lists by hand.
_MAX_ITEMS = 1_000_000


def main(argv: list[str]) -> int:
    """Run the command.

    Args:
        argv: The sub-command and Lightning's options.

    Raises:
        HieraRSError: A configuration cannot be read, or the work failed.
    """
    for path in _configs(argv):
        _check_config(path)
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


__all__ = ("main",)
