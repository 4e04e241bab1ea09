"""``hierars-geo models``: pretrained weights that can be had, and published models, found by their names."""

import sys
from pathlib import Path
from typing import Literal

from .verbosity import complain

DESCRIPTION = "Pretrained weights of encoders and whole models: what there is, how to get it, how to publish."
EXAMPLES = {
    "models": """examples:
  hierars-geo models list
  pip install ukis-csmask
  hierars-geo models get ukis_csmask_6b_l2a -o weights/clouds.safetensors
  hierars-geo models publish model.ckpt --name meadows --licence CC-BY-4.0
  hierars-geo predict meadows scene.tif -o maps
""",
    "get": """examples:
  hierars-geo models get ukis_csmask_6b_l2a -o weights/clouds.safetensors
  hierars-geo fit --config my.yaml --head pooled --model.init_args.encoder efficientnet-b4 \\
      --model.init_args.start.encoder_weights weights/clouds.safetensors
  hierars-geo models get https://example.org/models/meadows     # then: predict meadows scene.tif ...
""",
    "publish": """examples:
  hierars-geo models publish model.ckpt --name meadows --licence CC-BY-4.0 \\
      --ground "Sentinel-2 of two valleys, May to July 2023; mapped by hand" --scores maps/metrics.json
  hierars-geo models publish model.ckpt --name meadows --licence CC-BY-4.0 --format onnx --out-dir models
""",
}


def list_weights() -> int:
    """List weights and published models with bands, licences and sources; 1 where a model is damaged."""
    from ..errors import HieraRSError
    from ..models.backbones import find_backbone
    from ..models.published import find_model, models_folder, published_names
    from ..models.weight_catalog import published_weights
    from .tables import print_table

    weights, models, status = [], [], 0
    for entry in published_weights():
        backbone = find_backbone(entry.encoder)
        bands = " ".join(entry.bands or backbone.bands or ()) or "as TorchGeo states"
        bands = "any of known wavelength" if backbone.for_any_bands else bands
        size = "" if entry.size_mb is None else f"{entry.size_mb:g}"
        way = "network" if entry.package is None else entry.package.install
        licence = f"{entry.licence}; {entry.restriction}" if entry.restriction else entry.licence
        weights.append((entry.name, entry.encoder, bands, size, licence, way))
    for name in published_names():
        try:
            model = find_model(name)
        except HieraRSError as error:
            complain(str(error))
            status = 1
            continue
        size = f"{model.size_bytes / 1e6:.1f}"
        models.append((name, model.tree, " ".join(model.bands), size, model.licence))
    print_table(("weights", "encoder", "bands", "MB", "licence", "from"), weights, whole=2)
    if models:
        print_table(("models", "tree", "bands", "MB", "licence"), models, whole=2)
    else:
        sys.stdout.write(f"no published models in {models_folder()}\n")
    return status


def get(name: str, *, out: Path | None = None, accept_licence: bool = False, overwrite: bool = False) -> int:
    """Get weights as a file that ``start.encoder_weights`` takes, or a published model; say the licence.

    Weights of installed packages need no network, nor do models that are there.

    Args:
        name: Name of weights or of a model, see ``models list``; or the folder of a published model, a path
            or an address, which is then found by its name.
        out: FILE.safetensors of weights; of a model its copy (default: its place is said).
        accept_licence: Take weights although their licence forbids some uses.
        overwrite: Replace what exists.
    """
    from ..errors import OptionError
    from ..models.published import find_model, get_model, published_names
    from ..output import atomic_path, check_writable_folder, refuse_existing

    published = name in published_names()
    if published or "/" in name or Path(name).is_dir():
        model = find_model(name) if published else get_model(name, overwrite)
        file = model.checked_file()
        if out is not None:
            import shutil

            refuse_existing([out], overwrite, [file])
            check_writable_folder(out.parent)
            with atomic_path(out) as unfinished:
                shutil.copyfile(file, unfinished)
        sys.stdout.write(f"{out or file}\nlicence: {model.licence}\n")
        return 0
    from ..models.weight_catalog import find_weights, write_weights

    entry = find_weights(name, published_names())
    if out is None:
        raise OptionError(f"Expected -o FILE.safetensors for the weights {name}, but got none.")
    refuse_existing([out], overwrite, [])
    if entry.restriction and not accept_licence:
        raise OptionError(
            f"Expected --accept-licence, as the licence of {name}, {entry.licence}, forbids some uses: "
            f"{entry.restriction} ({entry.url})."
        )
    write_weights(entry, out)
    restricted = f"; {entry.restriction}" if entry.restriction else ""
    sys.stdout.write(f"{out}: {entry.title}, encoder {entry.encoder}\n")
    sys.stdout.write(f"licence: {entry.licence}{restricted} ({entry.url})\n")
    return 0


def publish(
    checkpoint: str,
    *,
    name: str,
    licence: str,
    title: str = "",
    ground: str = "",
    limits: str = "",
    scores: Path | None = None,
    format: Literal["checkpoint", "onnx"] = "checkpoint",
    out_dir: Path | None = None,
    overwrite: bool = False,
) -> int:
    """Write a model as others can use it: a folder with the file, a card and a STAC item (MLM 1.4).

    Put the folder anywhere; ``models get`` takes it from there, and ``predict NAME`` finds it.

    Args:
        checkpoint: Checkpoint of a trained model.
        name: Letters, digits, hyphen and underscore.
        licence: What others may do: an SPDX identifier such as CC-BY-4.0.
        title: For people.
        ground: Where, when and on which labels it was trained.
        limits: Where it should not be used.
        scores: metrics.json of ``evaluate``, on ground that the training never saw.
        format: The checkpoint, or its graph, which needs no PyTorch.
        out_dir: Folder of models (default: HIERARS_GEO_MODELS, else a folder of the user's data).
        overwrite: Replace a model of that name.
    """
    from ..export import ModelCard, publish_model
    from ..models.checkpoint import Checkpoint
    from ..report.scores import read_evaluation

    rows = []
    if scores is not None:
        tree = Checkpoint.read(checkpoint).record.taxonomy
        found = read_evaluation(scores, tree)
        for level, label in enumerate(tree.level_labels, start=1):
            if (one := found.level(level)) is not None:
                rows.append((label, one.oa, one.miou))
    card = ModelCard(licence, title, ground, limits, rows)
    model = publish_model(checkpoint, name, card, format, out_dir, overwrite)
    listed = "".join(f"{path}\n" for path in sorted(model.folder.iterdir()))
    sys.stdout.write(f"{listed}predict with it: hierars-geo predict {name} scene.tif -o maps\n")
    return 0


SUBCOMMANDS = {"list": list_weights, "get": get, "publish": publish}
