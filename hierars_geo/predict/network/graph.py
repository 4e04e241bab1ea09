"""The network as a graph for other libraries than PyTorch, exported once per checkpoint and window."""

import copy
import hashlib
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from platformdirs import user_cache_path
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.nn import functional as F

from ... import __version__
from ...errors import OptionError
from ...models.checkpoint import Model
from ...models.features import padded_size
from ...models.map_model import MapModel
from ...output import as_output_error, atomic_path, sha256_of

#: Names of the graph's inputs and of its output.
INPUTS = ("image", "valid")
OUTPUT = "path_logits"

#: What the ONNX exporter needs besides torch.
_ONNX_PACKAGES = ("onnx", "onnxscript")

#: Bytes that graphs may take on disk; the ones that were not used for longest go first.
_MOST_BYTES = 2 * 2**30


class WindowGraph(nn.Module):
    """Stored values and validity of one window in, path logits out, at one size.

    Args:
        model: The trained model.
        paths: (T, N) int64.
        applicability: Let dissimilarities to the training ground follow the path logits.
    """

    paths: Tensor

    def __init__(self, model: MapModel, paths: Tensor, applicability: bool = False) -> None:
        super().__init__()
        self.applicability = applicability
        # a copy without channels last: the layout would become part of the graph's conditions
        self.model = copy.deepcopy(model).cpu().eval()
        self.model.contiguous_layout()
        self.register_buffer("paths", paths)

    def forward(self, image: Tensor, valid: Tensor) -> Tensor:
        """Map (1, C, h, w) float32 and (1, h, w) bool to (1, T, h, w), or to one channel more."""
        height, width = image.shape[-2:]
        padded = padded_size((height, width), self.model.multiple)
        coarse = self.model.coarse_map_channels if self.applicability else self.model.coarse_path_logits
        logits = coarse(image, valid, self.paths)
        if tuple(logits.shape[-2:]) != padded:
            logits = F.interpolate(logits, size=padded, mode="bilinear", align_corners=False)
        return logits[..., :height, :width]


def window_graph(
    loaded: Model, size: tuple[int, int], cache_dir: Path | None = None, applicability: bool = False
) -> Path:
    """Return the graph of a checkpoint for windows of one size, exported where it is not kept yet.

    A file that is not what was written is made anew. Several processes may ask at once.

    Args:
        loaded: The checkpoint.
        size: (height, width) of a window in pixels.
        cache_dir: Where graphs are kept; None for the user's cache folder.
        applicability: Of the graph, see :class:`WindowGraph`.

    Returns:
        An ONNX file of :class:`WindowGraph`.

    Raises:
        OptionError: The exporter is not installed, or the model holds what it cannot translate.
        OutputError: The folder cannot be written.
    """
    check_onnx_is_installed()
    folder = (cache_dir or user_cache_path("hierars-geo")) / "graphs"
    key = f"{loaded.sha256} {size} {loaded.record.chip_size} {__version__} {torch.__version__}"
    key += " applicability" if applicability else ""
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.onnx"
    with as_output_error(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            if not _is_whole(path):
                _export(loaded, size, path, applicability)
                _forget_old(folder, path)
            os.utime(path)
    return path


def check_onnx_is_installed() -> None:
    """Refuse to start where the packages behind the ONNX exporter are missing.

    Raises:
        OptionError: One is; the command that installs it is named.
    """
    missing = [name for name in _ONNX_PACKAGES if find_spec(name) is None]
    if missing:
        raise OptionError(
            f"Expected {' and '.join(missing)} to translate a model to ONNX, but got no such package. "
            "Install it: pip install 'hierars-geo[onnx]'."
        )


def trace(
    graph: nn.Module,
    example: tuple[Tensor, ...],
    dynamic_shapes: Any,  # noqa: ANN401
    name: str,
) -> ExportedProgram:
    """Trace a graph.

    Args:
        graph: In eval mode, on the CPU.
        example: Its inputs.
        dynamic_shapes: What stays open, see ``torch.export.export``; None for nothing.
        name: Of the model, for messages.

    Raises:
        OptionError: The model holds something that torch.export cannot trace.
    """
    try:
        with torch.no_grad(), _no_exporters_warnings():
            return torch.export.export(graph, example, dynamic_shapes=dynamic_shapes)
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        raise cannot_export(name, "torch", error) from error


def translate(
    program: ExportedProgram, input_names: Sequence[str], output_names: Sequence[str], name: str
) -> Any:  # noqa: ANN401  # torch.onnx.ONNXProgram, which types as Any
    """Translate a program to ONNX.

    Raises:
        OptionError: An operation has no counterpart in ONNX.
    """
    try:
        with _no_exporters_warnings():
            return torch.onnx.export(
                program,
                dynamo=True,
                input_names=list(input_names),
                output_names=list(output_names),
                verbose=False,
            )
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        raise cannot_export(name, "onnx", error) from error


def cannot_export(name: str, form: str, error: Exception) -> OptionError:
    """Say in one line that a model cannot be exported."""
    reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return OptionError(
        f"Expected a model that can be exported as {form}, but {name} cannot: {reason[:200]}. "
        "Use another encoder, or hierars-geo predict with --runtime torch."
    )


def _export(loaded: Model, size: tuple[int, int], path: Path, applicability: bool) -> None:
    record = loaded.record
    paths = torch.from_numpy(record.taxonomy.paths.copy())
    graph = WindowGraph(loaded.network, paths, applicability).eval()
    example = torch.zeros(1, len(record.bands), *size), torch.ones(1, *size, dtype=torch.bool)
    name = f"{record.model.architecture} with {record.model.encoder}"
    translated = translate(trace(graph, example, None, name), INPUTS, [OUTPUT], name)
    with atomic_path(path) as unfinished:
        translated.save(unfinished)
        digest = sha256_of(unfinished)
    with atomic_path(_digest_path(path)) as unfinished:
        unfinished.write_text(digest, encoding="ascii")


def _is_whole(path: Path) -> bool:
    """Whether a file is what was written."""
    try:
        return sha256_of(path) == _digest_path(path).read_text(encoding="ascii")
    except (OSError, ValueError):
        return False


def _forget_old(folder: Path, newest: Path) -> None:
    """Delete the graphs that were not used for longest where all take too much room."""
    total = 0
    for path in sorted(folder.glob("*.onnx"), key=lambda file: file.stat().st_mtime, reverse=True):
        total += path.stat().st_size
        if total > _MOST_BYTES and path != newest:
            path.unlink(missing_ok=True)
            _digest_path(path).unlink(missing_ok=True)


def _digest_path(path: Path) -> Path:
    return path.with_suffix(".sha256")


@contextmanager
def _no_exporters_warnings() -> Iterator[None]:
    """PyTorch's exporters warn of their own internals, which whoever exports can do nothing about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
