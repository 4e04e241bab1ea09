"""Checkpoints: of others, damaged, or made to harm."""
# ruff: noqa: E501 - one case per line is a table to read

import io
import os
import pickle
import tarfile
import zipfile

import torch
from fault_bench import TREE, checkpoint_content
from fault_case import Case
from safetensors.torch import save_file

from hierars_geo.models import RECORD_KEY

PREDICT = "predict @x.ckpt SCENE -o OUT --device cpu"


class Attack:
    """Would make a folder if it were unpickled."""

    def __reduce__(self):
        return (os.mkdir, ("owned",))


def written(content, **options):
    return lambda folder, bench: torch.save(content, folder / "x.ckpt", **options)


def data(content):
    return lambda folder, bench: (folder / "x.ckpt").write_bytes(content)


def reading(**changes):
    """A good checkpoint whose record says that scenes were read otherwise."""
    read = {
        "bands": ["red", "nir"],
        "sensor": None,
        "nodata": None,
        "nodata_rule": "all",
        "harmonize": False,
        "resampling": "bilinear",
    }
    return record(read=read | changes)


def record(**changes):
    """A good checkpoint whose record says something else."""

    def make(folder, bench):
        content = checkpoint_content()
        torch.save(content | {RECORD_KEY: content[RECORD_KEY] | changes}, folder / "x.ckpt")

    return make


def model(**changes):
    def make(folder, bench):
        content = checkpoint_content()
        said = content[RECORD_KEY]
        said["model"] = said["model"] | changes
        torch.save(content, folder / "x.ckpt")

    return make


def weights(change):
    def make(folder, bench):
        content = checkpoint_content()
        content["state_dict"] = {key: change(key, value) for key, value in content["state_dict"].items()}
        torch.save(content, folder / "x.ckpt")

    return make


def cut(share):
    def make(folder, bench):
        whole = bench["CKPT"].read_bytes()
        (folder / "x.ckpt").write_bytes(whole[: int(len(whole) * share)])

    return make


def flip(place):
    """Turn one byte of the pickle round."""

    def make(folder, bench):
        whole = bytearray(bench["CKPT"].read_bytes())
        whole[whole.index(b"data.pkl") + place] ^= 0xFF
        (folder / "x.ckpt").write_bytes(bytes(whole))

    return make


def bomb(folder, bench):
    """256 MiB of zeros in 256 kB: what a checkpoint's archive never needs."""
    with zipfile.ZipFile(folder / "x.ckpt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(2**28))
        archive.writestr("archive/version", "3\n")


def overlapping(folder, bench):
    """A good archive whose members say a hundred times the bytes that there are."""
    whole = bytearray(bench["CKPT"].read_bytes())
    start = whole.index(b"PK\x01\x02")
    while start >= 0:
        whole[start + 20 : start + 28] = (2**31 - 1).to_bytes(4, "little") * 2
        start = whole.find(b"PK\x01\x02", start + 4)
    (folder / "x.ckpt").write_bytes(bytes(whole))


def tar(folder, bench):
    with tarfile.open(folder / "x.ckpt", "w") as archive:
        member = tarfile.TarInfo("../../owned")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))


def legacy_attack(folder, bench):
    torch.save({"state_dict": Attack()}, folder / "x.ckpt", _use_new_zipfile_serialization=False)


def tensors_alone(folder, bench):
    save_file({"a": torch.zeros(2)}, folder / "x.ckpt")


def many_paths(folder, bench):
    """A tree of a hundred thousand classes."""
    classes = [{"name": str(k), "value": k % 65535 + 1, "color": [0, 0, 0]} for k in range(100_000)]
    record(taxonomy={"name": "x", "levels": [{"name": "L1", "classes": classes}]})(folder, bench)


OPTIONS = {"decoder_channels": [16, 8, 8, 8, 8]}


def with_file_of_code(folder, bench):
    """An option that timm would take for the path of weights."""
    torch.save({"state_dict": Attack()}, folder / "evil.pth")
    model(options=OPTIONS | {"checkpoint_path": str(folder / "evil.pth")})(folder, bench)


NOT_LOADED = "not loaded for safety"
REFUSED = {
    "an attack beside the weights": (lambda f, b: torch.save(checkpoint_content() | {"callbacks": Attack()}, f / "x.ckpt"), NOT_LOADED),
    "an attack in the old form": (legacy_attack, NOT_LOADED),
    "an attack of bare pickle": (data(pickle.dumps(Attack())), NOT_LOADED),
    "an attack by a name of builtins": (data(b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R."), NOT_LOADED),
    "a call that asks for a terabyte": (data(b"\x80\x02cbuiltins\nbytearray\n\x8a\x06\x00\x00\x00\x00\x00\x01\x85R."), r"x\.ckpt"),
    "an archive of tar": (tar, r"x\.ckpt"),
    "an archive that grows": (bomb, "grow|unpack"),
    "an archive that says more than it holds": (overlapping, r"x\.ckpt"),
    "an archive of something else": (data(b"PK\x05\x06" + bytes(18)), r"x\.ckpt"),
    "an empty file": (data(b""), r"x\.ckpt"),
    "zeros": (data(bytes(5000)), r"x\.ckpt"),
    "noise": (data(bytes(range(256)) * 40), r"x\.ckpt"),
    "a page of HTML": (data(b"<!DOCTYPE html><html>404 not found</html>"), r"x\.ckpt"),
    "a tenth of the file": (cut(0.1), "x.ckpt to be a PyTorch checkpoint"),
    "all but the last bytes": (cut(0.999), r"x\.ckpt"),
    "a byte of the pickle": (flip(80), r"x\.ckpt"),
    "another byte of the pickle": (flip(300), r"x\.ckpt"),
    "tensors of another format": (tensors_alone, r"x\.ckpt"),
    "a tensor": (written(torch.zeros(3)), "no model record"),
    "a list": (written([1, 2]), "no model record"),
    "weights of another program": (written({"state_dict": {"a": torch.zeros(2)}}), "no model record. Train with"),
    "weights that are no mapping": (lambda f, b: torch.save(checkpoint_content() | {"state_dict": [1]}, f / "x.ckpt"), "no model record"),
    "weights that are no tensors": (weights(lambda key, value: "x"), r"x\.ckpt"),
    "weights of another shape": (weights(lambda key, value: value[..., None]), "weights in .*x.ckpt"),
    "weights of one less": (lambda f, b: torch.save((c := checkpoint_content()) | {"state_dict": dict(list(c["state_dict"].items())[1:])}, f / "x.ckpt"), "weights in .*x.ckpt"),
    "weights that are not finite": (weights(lambda key, value: value * float("nan") if value.is_floating_point() else value), "finite"),
    "a pipe": (lambda f, b: os.mkfifo(f / "x.ckpt"), r"x\.ckpt"),
    "a folder": (lambda f, b: (f / "x.ckpt").mkdir(), r"x\.ckpt"),
    "a record of the future": (record(version=99), "version 1 to 3, but got 99"),
    "a record of words": (record(version="one"), "but got one"),
    "a record without bands": (reading(bands=None), r"x\.ckpt"),
    "a record of bands that are a number": (reading(bands=5), r"x\.ckpt"),
    "a record of one band twice": (reading(bands=["red", "red"]), r"bands to be distinct, .*x\.ckpt"),
    "a record of a million bands": (reading(bands=[str(k) for k in range(10**6)]), "mean and std"),
    "a mean that is text": (record(mean=["a", "b"]), r"x\.ckpt"),
    "a mean that is NaN": (record(mean=[float("nan")] * 2), "mean"),
    "a deviation of 0": (record(std=[0.0, 1.0]), "std"),
    "a deviation below 0": (record(std=[-1.0, 1.0]), "std"),
    "an infinite deviation": (record(std=[float("inf"), 1.0]), "std"),
    "a chip of no pixel": (record(chip_size=0), "chip_size"),
    "a chip of minus one": (record(chip_size=-1), "chip_size"),
    "a chip of a light year": (record(chip_size=10**15), "chip_size"),
    "a chip that is infinite": (record(chip_size=float("inf")), r"x\.ckpt"),
    "pixels of NaN metres": (record(gsd_m=float("nan")), "gsd_m"),
    "pixels of minus a metre": (record(gsd_m=-1.0), "gsd_m"),
    "a tree that is none": (record(taxonomy={"name": "x"}), "levels"),
    "a tree that is text": (record(taxonomy="mm5b"), r"x\.ckpt"),
    "a tree of other sizes": (record(taxonomy=TREE | {"levels": TREE["levels"][:1]}), r"weights in .*x\.ckpt"),
    "a tree of a hundred thousand classes": (many_paths, r"x\.ckpt"),
    "a model that is none": (model(architecture="nope"), "nope"),
    "an encoder that is none": (model(encoder="nope"), "nope"),
    "an encoder on the web": (model(encoder="tu-hf-hub:somebody/something"), "hf-hub"),
    "a mode that is none": (model(mode="nope"), "nope"),
    "an option that is none": (model(options=OPTIONS | {"nope": 1}), "nope"),
    "an option that fetches": (model(options=OPTIONS | {"encoder_weights": "imagenet"}), "encoder_weights"),
    "an option that opens a file of code": (with_file_of_code, "fetch nothing, but got 'checkpoint_path'"),
    "channels of a planet": (model(options={"decoder_channels": [200_000] * 5}), "x.ckpt"),
    "channels below 0": (model(options={"decoder_channels": [-1] * 5}), "model"),
    "a dropout of 5": (model(dropout=5.0), "dropout"),
    "more to the model": (model(more=1), "more"),
    "a source that is none": (record(version=2, transfer={"source": {}}), r"x\.ckpt"),
}  # fmt: skip


def grown(folder, bench):
    """A model, and its tree with one class more."""
    torch.save(checkpoint_content(), folder / "x.ckpt")
    text = bench["TREE"].read_text(encoding="utf-8")
    more = text.replace("name: tiny", "name: more").replace("pond", "lake")
    (folder / "x.yaml").write_text(more, encoding="utf-8")


def harmless(folder, bench):
    assert not (folder / "owned").exists()


EXPORT = "export @x.ckpt -o OUT/x.onnx"
EXPAND = "expand @x.ckpt --taxonomy mm5b -o OUT/x.ckpt"
SHARED = (
    "an attack beside the weights",
    "an attack in the old form",
    "an attack of bare pickle",
    "an archive that grows",
)

CASES = [
    *(Case(name, PREDICT, make, 1, says) for name, (make, says) in REFUSED.items()),
    *(Case(f"{name}, exported", EXPORT, *REFUSED[name][:1], 1, REFUSED[name][1]) for name in SHARED),
    *(Case(f"{name}, expanded", EXPAND, *REFUSED[name][:1], 1, REFUSED[name][1]) for name in SHARED),
    Case("a model over itself", "expand @x.ckpt --taxonomy @x.yaml -o @x.ckpt --overwrite", grown, 2, "other files than the inputs"),
    Case("an export over the model", "export @x.onnx -o @x.onnx --overwrite", lambda f, b: torch.save(checkpoint_content(), f / "x.onnx"), 2, "other files than the inputs"),
]  # fmt: skip
