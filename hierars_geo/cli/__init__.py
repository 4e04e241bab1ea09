"""The command line: ``hierars-geo COMMAND``.

One thin module per command; it is imported only when its command is called, so that ``--help`` answers at
once.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Final

from ..errors import HieraRSError
from .verbosity import EVERYWHERE, Verbosity, complain

if TYPE_CHECKING:
    from .options import CommandParser

#: Command -> (module, one line for --help).
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "demo": ("demo", "the whole way on synthetic scenes, from nothing to maps and a report"),
    "synth": ("synth", "make georeferenced synthetic scenes with labels"),
    "fit": ("training", "train a model (Lightning's own options)"),
    "validate": ("training", "score a model on the validation split"),
    "test": ("training", "score a model on the test split"),
    "calibrate": ("calibrate", "measure and mend a model's confidence; promise how often maps are wrong"),
    "predict": ("predict", "write one GeoTIFF per level for rasters of any size"),
    "vectorize": ("vectorize", "turn maps into nested polygons: GeoPackage, GeoParquet, FlatGeobuf"),
    "areas": ("areas", "measure the area of every class inside polygons"),
    "fields": ("fields", "decide one class per field by the probabilities of its pixels"),
    "sample": ("sample", "draw points to label, for accuracy and areas with intervals"),
    "evaluate": ("evaluate", "compare maps with labels at every level"),
    "report": ("report", "write one HTML file with maps, legends and scores"),
    "expand": ("expand", "carry a model over to a class tree with more or other classes"),
    "export": ("export", "write a model as one graph: ONNX (also for QGIS Deepness) or torch.export"),
    "view": ("view", "show maps on a web page of this machine"),
    "taxonomy": ("taxonomy", "show, list and validate class trees"),
    "labels": ("labels", "check the sources of labels of a training"),
    "models": ("models", "pretrained weights: list them with their licences, get them as files"),
    "catalog": ("catalog", "data sets: list, show, scan into STAC, validate, assemble"),
}

INTERRUPTED = 130


def main(argv: list[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: Arguments without the program's name; default those of the process.

    Returns:
        0 done, 1 the work failed, 2 called wrongly, 130 interrupted.
    """
    verbosity, arguments = Verbosity.take(list(sys.argv[1:] if argv is None else argv))
    if not arguments:
        return _fail(f"Expected a command ({', '.join(COMMANDS)}), but got none. See hierars-geo --help.", 2)
    if arguments[0] in ("-h", "--help"):
        sys.stdout.write(_help())
        return 0
    if arguments[0] in ("-V", "--version"):
        from .. import __version__

        sys.stdout.write(f"hierars-geo {__version__}\n")
        return 0
    command, *rest = arguments
    if command not in COMMANDS:
        return _fail(
            f"Expected a command ({', '.join(COMMANDS)}), but got '{command}'. See hierars-geo --help.", 2
        )
    return _run(command, rest, verbosity)


def _run(command: str, arguments: list[str], verbosity: Verbosity) -> int:
    with verbosity.of([command, *arguments]):
        try:
            return run_command(command, arguments)
        except KeyboardInterrupt as stop:
            return _interrupted(command, stop)
        except SystemExit as stop:  # the parser's own way to end after --help
            if isinstance(stop.__context__, KeyboardInterrupt):  # Lightning ends a training so
                return _interrupted(command, stop.__context__)
            return stop.code if isinstance(stop.code, int) else 2
        except Exception as error:  # the one door to the shell: everything becomes a line and a status
            if verbosity.debug:
                raise
            return _fail_with(error)


def run_command(command: str, arguments: list[str]) -> int:
    """Run a command; errors are raised.

    Raises:
        HieraRSError: An option is wrong, or the work failed.
        SystemExit: ``--help``.
    """
    if command in ("fit", "validate", "test"):
        from .training import main as train

        return train([command, *arguments])
    options = parser_of(command).parse_args(arguments)
    module = _module_of(command)
    if "subcommand" in options:
        return int(module.SUBCOMMANDS[options.subcommand](**vars(options[options.subcommand])))
    return int(module.run(**vars(options)))


def parser_of(command: str) -> "CommandParser":
    """Build the parser of one of :data:`COMMANDS` but Lightning's (``fit``, ``validate``, ``test``)."""
    from .options import build_parser, build_parser_of_many

    module = _module_of(command)
    if hasattr(module, "SUBCOMMANDS"):
        return build_parser_of_many(module.SUBCOMMANDS, command, module.DESCRIPTION, module.EXAMPLES)
    return build_parser(module.run, command, module.EXAMPLES, getattr(module, "OPTIONS", None))


def _module_of(command: str) -> ModuleType:
    return import_module(f".{COMMANDS[command][0]}", __package__)


def _interrupted(command: str, stop: KeyboardInterrupt) -> int:
    """Say how to go on: as whoever was interrupted says, else from the start."""
    remedy = str(stop) or "Files that were not finished are gone: run it again."
    return _fail(f"{command}: interrupted. {remedy}", INTERRUPTED)


def _fail(message: str, status: int) -> int:
    complain(message)
    return status


def _fail_with(error: Exception) -> int:
    """Say what went wrong: our own words where a library wrapped them, else the library's last ones."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, HieraRSError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, HieraRSError):
        return _fail(str(cause), cause.exit_status)
    lacking = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
    if lacking and "." not in lacking:  # a part of a package that is there is of another version
        return _fail(
            f"Expected the package {lacking} to be installed, but it is not: an install that only predicts "
            "goes without it. Install everything: pip install hierars-geo.",
            1,
        )
    return _fail(f"{type(error).__name__}: {error} (--debug shows where).", 1)


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = "\n".join(f"  {name:<{width}}  {line}" for name, (_, line) in COMMANDS.items())
    return (
        "usage: hierars-geo COMMAND [options]\n\n"
        "Hierarchical land-cover and crop maps from georeferenced scenes.\n\n"
        f"commands:\n{lines}\n\n"
        "Every command has --help with examples.\n"
        f"{EVERYWHERE}\n"
        "examples:\n"
        "  hierars-geo demo demo_out\n"
        "  hierars-geo fit --config experiments/quickstart/bhccm_s2.yaml\n"
        "  hierars-geo predict model.ckpt scene.tif -o maps --confidence\n"
    )


__all__ = ("COMMANDS", "main", "parser_of", "run_command")
