"""``hierars-geo models``: pretrained weights that can be had, with their licences."""

import sys
from pathlib import Path

DESCRIPTION = "Pretrained weights of encoders: what there is, and how to get it."
EXAMPLES = {
    "models": """examples:
  hierars-geo models list
  pip install ukis-csmask
  hierars-geo models get ukis_csmask_6b_l2a -o weights/clouds.safetensors
""",
    "get": """example:
  hierars-geo models get ukis_csmask_6b_l2a -o weights/clouds.safetensors
  hierars-geo fit --config my.yaml --head ridge --model.init_args.encoder efficientnet-b4 \\
      --model.init_args.start.encoder_weights weights/clouds.safetensors
""",
}


def list_weights() -> int:
    """List weights with their encoders, bands, licences and sources."""
    from rich.console import Console
    from rich.table import Table

    from ..models.weight_catalog import published_weights

    table = Table(title="weights", title_justify="left")
    for heading in ("name", "encoder", "bands", "MB", "licence", "from"):
        table.add_column(heading, justify="right" if heading == "MB" else "left", overflow="fold")
    for entry in published_weights():
        bands = " ".join(entry.bands) or "as TorchGeo states them"
        size = "" if entry.size_mb is None else f"{entry.size_mb:g}"
        way = entry.enumeration if entry.package is None else f"package {entry.package.install}"
        licence = f"{entry.licence}; {entry.restriction}" if entry.restriction else entry.licence
        table.add_row(entry.name, entry.encoder, bands, size, licence, way)
    Console().print(table)
    return 0


def get(name: str, *, out: Path, accept_licence: bool = False, overwrite: bool = False) -> int:
    """Write weights as a file that ``start.encoder_weights`` takes, and say their licence.

    Those of installed packages need no network.

    Args:
        name: Name of the weights, see ``models list``.
        out: FILE.safetensors.
        accept_licence: Take weights although their licence forbids some uses.
        overwrite: Replace a file that exists.
    """
    from ..errors import OptionError
    from ..models.weight_catalog import find_weights, write_weights
    from ..output.output import refuse_existing

    entry = find_weights(name)
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


SUBCOMMANDS = {"list": list_weights, "get": get}
