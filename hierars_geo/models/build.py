"""Build a model from what its checkpoint says of it; its weights come later."""

import warnings
from difflib import get_close_matches

import torch

from ..errors import CheckpointError, HieraRSError, HieraRSWarning, OptionError, unknown_name
from ..types import Spectra
from .band_adaptation import BandAdaptation, by_names
from .factory import build_segmenter
from .map_model import MapModel
from .record import ModelRecord
from .scene_model import SceneModel
from .temporal.presto import PrestoEncoder, presto_statistics
from .transfer.translu import TransLU


def build_model(record: ModelRecord) -> MapModel:
    """Build the whole model, with the source branch where there is one; its weights are random.

    Raises:
        CheckpointError: The record's parts do not fit each other.
        OptionError: The scene's bands lack one that the source branch needs.
    """
    model: MapModel = _with_source(record, build_scene_model(record))
    model.believe(record.calibration)
    if record.applicability is not None:
        model.know(record.applicability)
    return model


def _with_source(record: ModelRecord, model: SceneModel) -> MapModel:
    if record.transfer is None:
        return model
    source = record.transfer.source
    return TransLU(
        build_scene_model(source),
        record.taxonomy,
        source_taxonomy=source.taxonomy,
        target=model,
        source_bands=_source_bands(record, source),
        cdks=record.transfer.cdks,
        cdsa=record.transfer.cdsa,
        options=record.transfer.options,
    )


def _tell_presto(encoder: PrestoEncoder, record: ModelRecord) -> None:
    """Say when the season begins, and refuse numbers by which Presto would see other values than it knows."""
    normal = presto_statistics(record.bands, record.read.sensor)
    if (record.mean, record.std) != (normal.mean, normal.std):
        raise OptionError(
            f"Expected mean {normal.mean[0]:g} and std {normal.std[0]:g} of every band for encoder "
            f"'{record.model.encoder}', but got {list(record.mean)} and {list(record.std)}. Set them."
        )
    start = None if record.read.series is None else record.read.series.start
    encoder.first_month = 0 if start is None else int(start[-5:-3]) - 1


def _source_bands(record: ModelRecord, source: ModelRecord) -> list[int]:
    """Where the bands of the source branch are among the record's."""
    missing = [band for band in source.bands if band not in record.bands]
    if missing:
        raise OptionError(
            f"{unknown_name('band', missing[0], record.bands)} The source model was trained on the bands "
            f"{', '.join(source.bands)}: give scenes that have them all, under these names."
        )
    return [record.bands.index(band) for band in source.bands]


def build_scene_model(
    record: ModelRecord,
    encoder_weights: str | None = None,
    band_adaptation: BandAdaptation = "auto",
    spectra: Spectra = by_names,
) -> SceneModel:
    """Build the model itself; its weights are random, or the encoder's pretrained ones where named.

    These are found by :func:`~hierars_geo.models.load_encoder_weights`; their first layer meets the record's
    bands by :func:`~hierars_geo.models.adapt_bands`.

    Raises:
        CheckpointError: The record's parts do not fit each other.
    """
    if not len(record.bands) == len(record.mean) == len(record.std):
        raise CheckpointError(
            f"Expected a mean and a std for each of the bands {', '.join(record.bands)}, but got "
            f"{len(record.mean)} and {len(record.std)} of them."
        )
    try:
        segmenter = build_segmenter(
            record.model,
            len(record.bands),
            record.taxonomy.num_classes,
            encoder_weights,
            record.bands,
            band_adaptation,
            record.read.sensor,
            spectra,
            record.gsd_m,
        )
        for encoder in segmenter.modules():
            if isinstance(encoder, PrestoEncoder):
                _tell_presto(encoder, record)
        return SceneModel(segmenter, record.mean, record.std)
    except HieraRSError:
        raise
    except (RuntimeError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"Expected a model that can be built from {record.model}, but: {error}"
        ) from error


def check_backend(backend: str) -> None:
    """Refuse a backend that does not exist.

    Raises:
        OptionError: It does not; near ones are listed.
    """
    known = torch.compiler.list_backends(exclude_tags=())
    if backend not in known:
        near = get_close_matches(backend, known, n=3, cutoff=0.4) or known
        raise OptionError(
            f"Expected compile to be true, false or a backend of torch.compile, but got '{backend}'. "
            f"Near ones: {', '.join(near)}."
        )


def compiles(device: torch.device, instead: str, backend: str = "inductor") -> bool:
    """Try torch.compile on the smallest thing that needs a compiler, and say what happens where it fails."""
    try:
        torch.compile(lambda values: values * 2 + 1, backend=backend)(torch.ones(2, device=device))
    except (RuntimeError, ImportError, OSError) as error:
        reason = " ".join(str(error).split())[:120]
        warnings.warn(
            f"torch.compile does not work here ({reason}): {instead}.", HieraRSWarning, stacklevel=3
        )
        return False
    return True
