"""ExportedRunner: a model that was exported as an ONNX file, run without PyTorch."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import CheckpointError, MissingFileError, OptionError
from ..models.applicability import applicability_of
from ..models.record import ModelFile, ModelRecord
from ..output import sha256_of
from .augment import View, averaged_over_views, views
from .graph_session import (
    PACKAGES,
    GraphLibrary,
    GraphRun,
    check_is_installed,
    graph_library,
    obstacle_of,
    open_graph,
    window_by_window,
)
from .onnx_file import sealed_metadata
from .options import BatchSize, PredictOptions
from .quantization import Sample, check_can_quantise, int8_runtime, open_quantised
from .runtime import DatedBatch, Runtime, Windows, cpu_batch_size

#: How exported files end.
SUFFIX: Final = ".onnx"

#: Entry of a file with what its checkpoint says of the model, as JSON; and with what else predicting needs.
RECORD_ENTRY: Final = "hierars_geo"
GRAPH_ENTRY: Final = "hierars_geo_graph"

#: Outputs that maps are made of.
PATH_LOGITS: Final = "path_logits"
DISSIMILARITY: Final = "dissimilarity"

#: The graph takes windows of any height and width.
_VIEWS: Final = frozenset({"flips", "turns"})


class ExportedRunner:
    """Run an exported model with ONNX Runtime, or with OpenVINO.

    Args:
        path: File of ``hierars-geo export --format onnx``.
        options: How it is predicted.
        device: ``auto`` or ``cpu``.

    Attributes:
        loaded: What the file says of the model.

    Raises:
        MissingFileError: There is no such file.
        CheckpointError: It is damaged, or no model of ours.
        OptionError: What is asked for takes a checkpoint, or the library is not installed.
    """

    def __init__(self, path: str | Path, options: PredictOptions, device: str) -> None:
        self.loaded, described = _read(Path(path))
        self.sees_window = bool(described["sees_window"])
        self._options = options.network
        self._library = _library(options, device, self.loaded.path)
        self._outputs = (PATH_LOGITS, *((DISSIMILARITY,) if options.output.applicability else ()))
        if options.output.applicability:
            applicability_of(self.loaded.record.applicability, str(path))
        if not {*self._outputs} <= {*described["outputs"]}:
            raise CheckpointError(
                f"Expected {path} to tell what is unlike its training ground, but it is of an older release. "
                "Export the checkpoint again."
            )

    @property
    def software(self) -> Mapping[str, str]:
        """Version of the library; see :class:`.Runner`."""
        package = PACKAGES[self._library]
        return {package: version(package)}

    def runtime_of(self, size: tuple[int, int], pixels: int, windows: Windows) -> Runtime:
        """Say who runs a scene, in windows of any size; see :class:`.Runner`."""
        package = PACKAGES[self._library]
        count = self.loaded.record.taxonomy.num_paths + len(self._outputs) - 1
        if self._options.precision == "int8" and (some := windows()):
            samples: list[Sample] = [((_without_data(*each),), each[1]) for each in some]
            run, changed = open_quantised(self.loaded.path, self._library, self._outputs, samples, count, 0)
            return int8_runtime(window_by_window(_of_stored(run)), self._library, count, changed, len(some))
        averaged = averaged_over_views(window_by_window(_of_stored(self._run)), self._options.views)
        runtime = Runtime(averaged, count, "cpu", self._options.precision, package, version(package))
        if self.loaded.record.model.temporal is None:
            return runtime
        return replace(
            runtime, run_dates=partial(_run_dates, window_by_window(self._run), views(self._options.views))
        )

    def batch_size(self, asked: BatchSize, window: tuple[int, int]) -> int:
        """Windows of (height, width) px that are read together."""
        return cpu_batch_size(asked, window)

    @cached_property
    def _run(self) -> GraphRun:
        path, package = self.loaded.path, PACKAGES[self._library]
        try:
            return open_graph(path, self._library, self._outputs, self._options.precision)
        except Exception as error:  # each library has its own kinds, with nothing in common
            reason = " ".join(str(error).split())[:500]
            raise CheckpointError(
                f"Expected {package} {version(package)} to run {path}, but: {reason}. Install a newer "
                f"{package}, or export the checkpoint again."
            ) from error


def _of_stored(run: GraphRun) -> GraphRun:
    """Let a graph that asks for nothing but stored values take validity, too."""
    return lambda image, valid: run(_without_data(image, valid))


def _without_data(image: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Say in stored values (..., C, h, w) where there is no data: what is not a number has none."""
    return np.where(np.expand_dims(valid, -3), image, np.float32(np.nan))


def _run_dates(
    run: GraphRun, ways: Sequence[View], series: Iterable[DatedBatch]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Hand all dates of windows over at once: a graph takes a series as a whole."""
    dates = list(series)
    known = [each for each in dates if each[1].any()] or dates[:1]
    image, valid, doy = (np.stack(parts, axis=1) for parts in zip(*known, strict=True))
    shown: NDArray[np.bool_] = np.logical_or.reduce(valid, axis=1)
    size = shown.shape[-2], shown.shape[-1]
    found = [way.undo(run(_without_data(*way.apply(image, valid)), doy), size) for way in ways]
    mean: NDArray[np.float32] = np.mean(found, axis=0) if len(found) > 1 else found[0]
    return mean, shown


def _read(path: Path) -> tuple[ModelFile, dict[str, Any]]:
    """Read what an exported file says.

    Raises:
        HieraRSError: It is missing, damaged, or no model of ours that maps can be made with.
    """
    if not path.is_file():
        raise MissingFileError(f"Expected {path} to be an exported model, but there is no such file.")
    metadata = sealed_metadata(path)
    try:
        content, described = json.loads(metadata[RECORD_ENTRY]), json.loads(metadata[GRAPH_ENTRY])
        outputs = described["outputs"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"Expected {path} to say what its model is, but got {error!r}. Export the checkpoint again."
        ) from error
    if PATH_LOGITS not in outputs:
        raise CheckpointError(
            f"Expected a graph with the output {PATH_LOGITS}, but {path} is for Deepness. "
            "Export the checkpoint without --deepness."
        )
    record = ModelRecord.from_dict(content, str(path))
    return ModelFile(record, path, sha256_of(path), ()), described


def _library(predicted: PredictOptions, device: str, path: Path) -> GraphLibrary:
    """Say who runs the graph.

    Raises:
        OptionError: What is asked for takes a checkpoint, or the library is not installed.
    """
    options = predicted.network
    library = graph_library(options)
    obstacle = (
        "--runtime torch"
        if options.runtime == "torch"
        else f"--device {device}"
        if device not in ("auto", "cpu")
        else f"--applicability with precision {options.precision}"
        if predicted.output.applicability and options.precision != "float32"
        else obstacle_of(options, library, _VIEWS)
    )
    if obstacle is not None:
        raise OptionError(
            f"Expected what an exported model can do, but got {obstacle}; or give the checkpoint "
            f"in place of {path}."
        )
    check_is_installed(library)
    if options.precision == "int8":
        check_can_quantise()
    return library
