"""Published models: folders with a model file, its STAC item and its card, found by their names."""

import json
import os
import re
import shutil
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.error import URLError
from urllib.request import urlopen

from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field

from ..errors import CheckpointError, MissingFileError, OptionError, OutputError, unknown_name
from ..output import as_output_error, check_writable_folder, sha256_of, staging_folder
from ..taxonomy.yaml_reader import validated

#: Says where published models lie; without it the user's data folder does.
FOLDER_VARIABLE: Final = "HIERARS_GEO_MODELS"
#: What a folder of a model holds beside the model file.
ITEM, CARD = "model.json", "README.md"
#: What multihash writes before the 32 bytes of a SHA-256.
_SHA256: Final = "1220"

#: No dot and no slash: whatever has one is a path.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
#: Of an item or a card that is fetched.
_MOST_TEXT_BYTES: Final = 16 * 2**20
_TIMEOUT_S: Final = 30.0
_ADDRESS: Final = re.compile("https?://")


class _Part(BaseModel):
    """A part of a STAC item; what is not needed here is passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Named(_Part):
    name: str


class _Properties(_Part):
    license: str
    tree: _Named = Field(alias="hierars:taxonomy")
    bands: tuple[_Named, ...]


class _File(_Part):
    href: Literal["./model.ckpt", "./model.onnx"]
    size: Annotated[int, Field(gt=0, alias="file:size")]
    checksum: Annotated[str, Field(pattern=f"^{_SHA256}[0-9a-f]{{64}}$", alias="file:checksum")]


class _Assets(_Part):
    model: _File


class _Item(_Part):
    properties: _Properties
    assets: _Assets


@dataclass(frozen=True)
class PublishedModel:
    """A model that others can use.

    Attributes:
        folder: Of the model; its name is the model's.
        licence: As its makers state it.
        tree: Name of its class tree.
        bands: That it takes.
        file_name: Of the model file in the folder.
        size_bytes: Of that file.
        checksum: Of that file, a multihash.
    """

    folder: Path
    licence: str
    tree: str
    bands: tuple[str, ...]
    file_name: str
    size_bytes: int
    checksum: str

    @classmethod
    def read(cls, folder: Path) -> "PublishedModel":
        """Read a folder that was published.

        Raises:
            MissingFileError: There is no item in it.
            CheckpointError: The item is none of a published model.
        """
        path, what = folder / ITEM, f"{ITEM} of model {folder.name}"
        if not path.is_file():
            raise MissingFileError(f"Expected {folder} to be a published model, but it holds no {ITEM}.")
        try:
            content = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise CheckpointError(
                f"Expected {what} to be a STAC item, but it is no JSON ({error}). Get the model again."
            ) from error
        item = validated(_Item, content, f"{what} to be the item of a published model", CheckpointError)
        told, file = item.properties, item.assets.model
        bands = tuple(band.name for band in told.bands)
        name = file.href.removeprefix("./")
        return cls(folder, told.license, told.tree.name, bands, name, file.size, file.checksum)

    def checked_file(self) -> Path:
        """Return the model file, of which every byte is as it was published.

        Raises:
            CheckpointError: It is missing, or another.
        """
        path = self.folder / self.file_name
        found = checksum_of(path) if path.is_file() else "no such file"
        if found != self.checksum:
            raise CheckpointError(
                f"Expected {self.file_name} of model {self.folder.name} to be the file that was published, "
                f"with the checksum {self.checksum}, but got {found}. Get the model again."
            )
        return path


def checksum_of(path: Path) -> str:
    """Return the multihash of a file, as the STAC extension ``file`` writes it."""
    return _SHA256 + sha256_of(path)


def models_folder() -> Path:
    """Say where published models lie: in ``HIERARS_GEO_MODELS``, else in the user's data folder."""
    told = os.environ.get(FOLDER_VARIABLE)
    return Path(told) if told else user_data_path("hierars-geo", appauthor=False) / "models"


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a model.

    Raises:
        OptionError: It cannot.
    """
    if not _NAME.fullmatch(name):
        raise OptionError(
            "Expected a name of letters, digits, hyphen and underscore, at most 64 of them, but got "
            f"'{name}'."
        )


def published_names() -> tuple[str, ...]:
    """List the models in the folder of models, by name."""
    found = models_folder().glob(f"*/{ITEM}")
    return tuple(sorted(path.parent.name for path in found if _NAME.fullmatch(path.parent.name)))


def find_model(name: str) -> PublishedModel:
    """Look a published model up.

    Raises:
        MissingFileError: There is none of that name; near ones are listed.
        CheckpointError: Its folder is damaged.
    """
    names = published_names()
    if name in names:
        return PublishedModel.read(models_folder() / name)
    if names:
        raise MissingFileError(unknown_name("file or published model", name, names))
    raise MissingFileError(
        f"Expected {name} to be a checkpoint or a published model, but there is no such file, and no model "
        f"in {models_folder()}. Check the path, or get a model: hierars-geo models get."
    )


def model_file(name_or_path: str | Path) -> Path:
    """Turn the name of a published model into its file; a path stays what it is.

    Raises:
        MissingFileError: It is neither the name of a model nor the path of a file.
        CheckpointError: The model was changed since it was published.
    """
    path = Path(name_or_path)
    if path.exists() or not _NAME.fullmatch(str(name_or_path)):
        return path
    return find_model(str(name_or_path)).checked_file()


def get_model(source: str, overwrite: bool = False) -> PublishedModel:
    """Take a published model into the folder of models, where it is found by its name.

    Args:
        source: Its folder, or the address of that (``https://...``).
        overwrite: Replace a model of that name.

    Raises:
        OptionError: There is no way to it.
        OutputError: A model of that name is there.
        HieraRSError: What is there is no published model, or not as it was published.
    """
    fetched = _ADDRESS.match(source) is not None
    name = source.rstrip("/").rpartition("/")[2] if fetched else Path(source).resolve().name
    check_name(name)
    parent = check_writable_folder(models_folder())
    check_place(parent / name, overwrite)
    with staging_folder(parent / name) as staging:
        unfinished = staging / name
        unfinished.mkdir()
        for text in (ITEM, CARD):
            _take(source, text, unfinished, _MOST_TEXT_BYTES)
        model = PublishedModel.read(unfinished)
        _take(source, model.file_name, unfinished, model.size_bytes)
        model.checked_file()
        return place_model(unfinished, parent / name)


def check_place(final: Path, overwrite: bool) -> None:
    """Stop before work starts where a model would replace what it may not.

    Raises:
        OutputError: A model of that name is there, and shall stay; or something else is.
    """
    if not final.exists():
        return
    if not overwrite:
        raise OutputError(f"Expected no model {final.name} yet, but got {final}. Give --overwrite.")
    if not (final / ITEM).is_file():
        raise OutputError(f"Expected {final} to be a published model, but it is not. Remove it yourself.")


def place_model(unfinished: Path, final: Path) -> PublishedModel:
    """Give a finished folder of a model its name.

    Raises:
        OutputError: It cannot be written.
    """
    with as_output_error(final):
        if final.exists():
            (final / ITEM).unlink()  # a folder without it is no model: gone first, back last
            shutil.rmtree(final)
        os.replace(unfinished, final)
    return PublishedModel.read(final)


def _take(source: str, name: str, folder: Path, most_bytes: int) -> Path:
    """Copy or fetch one file of a model into a folder."""
    target = folder / name
    if not _ADDRESS.match(source):
        path = Path(source) / name
        if not path.is_file():
            raise MissingFileError(f"Expected {source} to be a published model, but it holds no {name}.")
        with as_output_error(target):
            shutil.copyfile(path, target)
        return target
    address = f"{source.rstrip('/')}/{name}"
    try:
        with urlopen(address, timeout=_TIMEOUT_S) as answer, target.open("wb") as file:
            while piece := answer.read(2**20):
                file.write(piece)
                if file.tell() > most_bytes:
                    raise CheckpointError(
                        f"Expected {address} to have at most {most_bytes} bytes, but it has more. The model "
                        "there was changed: ask who published it."
                    )
    except (URLError, HTTPException, ConnectionError, TimeoutError) as error:
        reason = " ".join(str(error).split())[:120]
        raise OptionError(
            f"Expected to fetch {address}, but there is no way to it ({reason}). Go online once, or give the "
            "path of the model's folder."
        ) from error
    return target
