"""ExportedRunner: a model that was exported as an ONNX file, run without PyTorch."""

import base64
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import CheckpointError, MissingFileError, OptionError
from ..models.applicability import applicability_of
from ..models.record import ModelFile, ModelRecord
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

#: Height and width of the window that a kept graph is tried on, of no model's multiple.
TRIAL_SIZE: Final = (100, 132)


@dataclass(frozen=True)
class GraphFile(ModelFile):
    """A model as an exported graph.

    Attributes:
        graph: The ONNX file; :attr:`path` and :attr:`sha256` are its own, or of the checkpoint that it was
            made of.
        described: What predicting has to know besides the record.
    """

    graph: Path
    described: Mapping[str, Any]

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the windows that it takes; None for any."""
        size = self.described.get("size")
        return None if size is None else (int(size[0]), int(size[1]))


class ExportedRunner:
    """Run an exported model with ONNX Runtime, or with OpenVINO.

    Args:
        loaded: The file.
        library: Who runs it.
        options: How it is predicted.

    Attributes:
        loaded: What the file says of the model.

    Raises:
        CheckpointError: The file does not tell what is asked for.
    """

    def __init__(self, loaded: GraphFile, library: GraphLibrary, options: PredictOptions) -> None:
        self.loaded = loaded
        self.sees_window = bool(loaded.described["sees_window"])
        self._options = options.network
        self._library = library
        self._outputs = (PATH_LOGITS, *((DISSIMILARITY,) if options.output.applicability else ()))
        if options.output.applicability:
            applicability_of(loaded.record.applicability, str(loaded.path))
        if not {*self._outputs} <= {*loaded.described["outputs"]}:
            raise CheckpointError(
                f"Expected {loaded.path} to tell what is unlike its training ground, but it is of an older "
                "release. Export the checkpoint again."
            )

    def runtime_of(self, size: tuple[int, int], pixels: int, windows: Windows) -> Runtime:
        """Say who runs a scene, in windows of any size; see :class:`.Runner`."""
        package = PACKAGES[self._library]
        count = self.loaded.record.taxonomy.num_paths + len(self._outputs) - 1
        if self._options.precision == "int8" and (some := windows()):
            samples: list[Sample] = [((without_data(*each),), each[1]) for each in some]
            run, changed = open_quantised(self.loaded.graph, self._library, self._outputs, samples, count, 0)
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
    def share_changed(self) -> float:
        """Share of a trial window's pixels, 0..1, to which the library gives other classes than PyTorch did.

        Or another dissimilarity, where it is asked for: by more than a per cent of it.
        """
        record, answer = self.loaded.record, unpacked(self.loaded.described["trial"])
        image, valid = trial_window(record, (answer.shape[-2], answer.shape[-1]))
        ours = _of_stored(self._run)(image, valid)
        if not np.isfinite(ours[:, :, valid[0]]).all():
            return 1.0
        count = record.taxonomy.num_paths
        changed = ours[:, :count].argmax(axis=1) != answer[:, 0]
        if DISSIMILARITY in self._outputs:
            changed |= np.abs(ours[:, count] - answer[:, 1]) > 0.01 * answer[:, 1] + 1e-3
        return float(changed[valid].mean())

    @cached_property
    def _run(self) -> GraphRun:
        path, package = self.loaded.graph, PACKAGES[self._library]
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
    return lambda image, valid: run(without_data(image, valid))


def without_data(image: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
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
    found = [way.undo(run(without_data(*way.apply(image, valid)), doy), size) for way in ways]
    mean: NDArray[np.float32] = np.mean(found, axis=0) if len(found) > 1 else found[0]
    return mean, shown


def trial_window(record: ModelRecord, size: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Make a window of noise, coarse and fine, around a training's mean: image (1, C, h, w), valid (1, h, w).

    The same one on every machine; a corner of it has no data.
    """
    draws = np.random.RandomState(0)  # whose numbers no release of NumPy changes
    bands = len(record.bands)
    coarse = draws.normal(size=(1, bands, *(side // 16 + 1 for side in size)))
    noise = coarse.repeat(16, axis=2).repeat(16, axis=3)[..., : size[0], : size[1]]
    noise = noise + 0.3 * draws.normal(size=noise.shape)
    mean, std = (np.reshape(values, (1, bands, 1, 1)) for values in (record.mean, record.std))
    valid = np.ones((1, *size), np.bool_)
    valid[:, : size[0] // 8, : size[1] // 8] = False
    return (mean + std * noise).astype(np.float32), valid


def packed(values: NDArray[Any]) -> dict[str, Any]:
    """Say an array as a value of JSON, in float32."""
    content = base64.b64encode(zlib.compress(values.astype("<f4").tobytes())).decode("ascii")
    return {"shape": list(values.shape), "float32": content}


def unpacked(said: Mapping[str, Any]) -> NDArray[np.float32]:
    """Return the array that :func:`packed` said."""
    content = zlib.decompress(base64.b64decode(said["float32"]))
    return np.frombuffer(content, "<f4").reshape(said["shape"]).astype(np.float32)


def read_graph(path: Path) -> GraphFile:
    """Read what an exported file says.

    Raises:
        HieraRSError: It is missing, damaged, or no model of ours that maps can be made with.
    """
    if not path.is_file():
        raise MissingFileError(f"Expected {path} to be an exported model, but there is no such file.")
    metadata, sha256 = sealed_metadata(path)
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
    return GraphFile(record, path, sha256, (), path, described)


def exported_runner(path: Path, options: PredictOptions, device: str) -> ExportedRunner:
    """Open a file of ``hierars-geo export --format onnx``.

    Args:
        path: The file.
        options: How it is predicted.
        device: ``auto`` or ``cpu``.

    Raises:
        MissingFileError: There is no such file.
        CheckpointError: It is damaged, or no model of ours.
        OptionError: What is asked for takes a checkpoint, or the library is not installed.
    """
    loaded, library = read_graph(path), graph_library(options.network)
    obstacle = (
        "--runtime torch"
        if options.network.runtime == "torch"
        else f"--device {device}"
        if device not in ("auto", "cpu")
        else obstacle_of(options, library)
    )
    if obstacle is not None:
        raise OptionError(
            f"Expected what an exported model can do, but got {obstacle}; or give the checkpoint "
            f"in place of {path}."
        )
    check_is_installed(library)
    if options.network.precision == "int8":
        check_can_quantise()
    return ExportedRunner(loaded, library, options)
