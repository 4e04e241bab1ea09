"""TorchGeo's transformers and DINOv3 under our pyramid: from a file, what their own blocks give."""

from dataclasses import replace
from types import SimpleNamespace

import onnxruntime
import pytest
import segmentation_models_pytorch as smp
import timm
import torch
import torchgeo.models
from export_factory import make_image, make_model
from torch.nn import functional as F
from torchgeo.models import panopticon

from hierars_geo.errors import OptionError
from hierars_geo.export import export_model
from hierars_geo.models import RECORD_KEY, ModelConfig, build_model, build_segmenter, load_encoder_weights
from hierars_geo.models.backbones import find_backbone
from hierars_geo.models.transfer import split_encoder
from hierars_geo.models.tuning import add_low_rank
from hierars_geo.models.vit_pyramid import ViTPyramid
from hierars_geo.models.weight_statistics import weight_statistics
from hierars_geo.scenes.sensors import find_sensor, spectral_bands

OPTICAL = tuple(band for band in find_sensor("sentinel2").stack_of(13) if band != "B10")
#: Two sensors at once, one of them a radar.
MIXED = ("sentinel2:B04", "sentinel1:VH", "sentinel2:B8A")
SMALL = {"embed_dim": 48, "num_heads": 2, "img_size": 64}


def _croma(image, _):
    optical = image.shape[1] == len(OPTICAL)
    modality, part, depth = ("optical", "s2_encoder", 4) if optical else ("sar", "s1_encoder", 8)
    own = torchgeo.models.CROMA([modality], 48, depth, image_size=48)
    layers = getattr(own, part).transformer.layers
    return own, [layer[1] for layer in layers], lambda: own(**{f"x_{modality}": 0.5 + image / 4})


def _scale_mae(image, _):
    own = torchgeo.models.ScaleMAE(10.0, patch_size=16, depth=4, **SMALL)
    return own, own.blocks, lambda: own.forward_features(image)


def _dofa(image, _):
    own = torchgeo.models.DOFA(depth=4, **SMALL)
    return own, own.blocks, lambda: own.forward_features(image, [0.6646, 3.75, 0.8647])


def _copernicus(image, _):
    own = torchgeo.models.CopernicusFM(depth=4, **SMALL)
    unknown = torch.full((1, 4), float("nan"))
    return own, own.blocks, lambda: own(image, unknown, [664.6, 5e7, 864.7], [30.0, 1e9, 21.0])


def _panopticon(image, monkeypatch):
    tiny = {"embed_dim": 48, "num_heads": 2, "depth": 4}
    monkeypatch.setattr(
        panopticon, "timm", SimpleNamespace(create_model=lambda name: timm.create_model(name, **tiny))
    )
    own = torchgeo.models.Panopticon(embed_dim=48)
    scaled = F.interpolate(image, size=(224, 224), mode="bilinear")
    told = {"imgs": scaled, "chn_ids": torch.tensor([[664.0, -2.0, 864.0]])}
    return own, own.model.blocks, lambda: own.model.forward_features(told)


def _dinov3(image, _):
    own = timm.create_model("vit_small_patch16_dinov3", num_classes=0, depth=4, **SMALL)
    return own, own.blocks, lambda: own.forward_features(image)


#: Encoder -> the library's small model, bands, their sensor, an image of the size that it takes.
OWN = {
    "torchgeo:croma_base": (_croma, OPTICAL, "sentinel2", (48, 48)),
    "torchgeo:croma_base_sar": (_croma, ("VV", "VH"), "sentinel1", (48, 48)),
    "torchgeo:scalemae_large_patch16": (_scale_mae, ("red", "green", "blue"), None, (64, 64)),
    "torchgeo:dofa_base_patch16_224": (_dofa, MIXED, None, (64, 64)),
    "torchgeo:copernicusfm_base": (_copernicus, MIXED, None, (64, 64)),
    "torchgeo:panopticon_vitb14": (_panopticon, MIXED, None, (256, 256)),
    "dinov3_small": (_dinov3, ("red", "green", "blue"), None, (64, 96)),
}


def shrunk(name):
    """What the encoder is registered with, but narrow and with four blocks."""
    small = SMALL | {"blocks": (0, 1, 2, 3)}
    small |= {"num_heads": 16} if "croma" in name else {}
    small |= {"img_size": 224} if "panopticon" in name else {}
    return smp.encoders.encoders[name]["params"] | small


def small_encoder(name, bands):
    encoder = ViTPyramid(**shrunk(name))
    encoder.set_in_channels(bands)
    return encoder.eval()


@pytest.mark.parametrize("name", OWN)
def test_the_blocks_give_what_the_librarys_own_give(name, tmp_path, monkeypatch):
    make, bands, sensor, size = OWN[name]
    torch.manual_seed(0)
    image = torch.randn(1, len(bands), *size)
    own, blocks, run = make(image, monkeypatch)
    with torch.no_grad():
        for parameter in own.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    expected = []

    def keep(block, entered, given):  # CROMA's feed-forward layers leave the sum to their caller
        expected.append(given + entered[0] if "croma" in name else given)

    for block in blocks:
        block.register_forward_hook(keep)
    state = own.state_dict()
    if name.endswith("_sar"):  # as published: a state in parts
        state = {"s1_encoder": own.s1_encoder.state_dict(), "s1_GAP_FFN": own.s1_GAP_FFN.state_dict()}
    torch.save(state, tmp_path / "w.pth")
    encoder, backbone = small_encoder(name, len(bands)), find_backbone(name)
    encoder.gsd_m = 10.0
    source = str(tmp_path / "w.pth")
    load_encoder_weights(encoder, backbone, source, bands, sensor=sensor, spectra=spectral_bands)
    with torch.inference_mode():
        run()
        maps = encoder._maps(image)
    for found, wanted in zip(maps, expected, strict=True):
        tokens = wanted[:, -maps[0][0, 0].numel() :].transpose(1, 2)  # the prefix is in no map
        torch.testing.assert_close(found.flatten(2), tokens, rtol=1e-3, atol=1e-4)
    assert maps[0].std() > 0.1
    image = torch.randn(1, len(bands), 64, 96)
    with torch.inference_mode():
        pyramid, groups = encoder(image), split_encoder(encoder)
        levels, stream = groups.enter(image)
        for index in range(4):
            stream = groups.run(index, stream)
            levels.append(groups.level(index, stream.map))
        assert [level.shape[-2:] for level in pyramid[2:]] == [
            (64 // stride, 96 // stride) for stride in (4, 8, 16, 32)
        ]
        for found, wanted in zip(levels, pyramid, strict=True):
            assert torch.equal(found, wanted)
        add_low_rank(encoder, name, 2)
        torch.testing.assert_close(encoder.eval()(image)[2], pyramid[2])
    learning = {part for part, weight in encoder.named_parameters() if weight.requires_grad}
    others = {part for part in learning if ".attn." not in part and "patch_embed" not in part}
    assert len(learning - others) >= 16  # two additions of two layers of four blocks
    assert all(part.startswith("pyramid.") for part in others)


def test_bands_and_files_that_do_not_fit_are_one_line(tmp_path):
    optical, copernicus = (find_backbone(f"torchgeo:{name}") for name in ("croma_base", "copernicusfm_base"))
    own = torchgeo.models.CROMA(["optical"], 48, 4, image_size=48)
    source = str(tmp_path / "w.pth")
    torch.save(own.state_dict(), source)
    encoder = small_encoder(optical.name, 2)
    for bands, sensor in ((("VV", "VH"), "sentinel1"), (("band_1", "band_2"), None)):
        with pytest.raises(OptionError, match=rf"know some of the bands {bands[0]}, .* trained on B01, B02"):
            load_encoder_weights(encoder, optical, source, bands, sensor=sensor, spectra=spectral_bands)
    load_encoder_weights(encoder, optical, source, ("B08", "B02"), sensor="sentinel2", spectra=spectral_bands)
    first = encoder.vit.patch_embed.proj.weight
    known = own.s2_encoder.linear_input.weight.view(48, 12, 8, 8)[:, [7, 1]]
    torch.testing.assert_close(first / first.norm(), known / known.norm())
    radar = find_backbone("torchgeo:croma_base_sar")
    with pytest.raises(OptionError, match=r"those of encoder 'torchgeo:croma_base_sar', but they lack"):
        load_encoder_weights(encoder, radar, source, ("VV", "VH"), spectra=spectral_bands)
    dofa = find_backbone("torchgeo:dofa_base_patch16_224")
    with pytest.raises(
        OptionError, match=r"those of encoder 'torchgeo:dofa_base_patch16_224', but they lack"
    ):
        load_encoder_weights(encoder, dofa, source, ("red",), spectra=spectral_bands)
    assert weight_statistics(dofa, "DOFA_MAE") is None
    with pytest.raises(OptionError, match=r"the bandwidth of every band.* says that of red.* width_nm"):
        load_encoder_weights(encoder, copernicus, source, ("red",), spectra=spectral_bands)
    for bands, unknown in ((("thermal", "B04"), "thermal"), ((), "any band")):
        with pytest.raises(OptionError, match=rf"the wavelength of every band.* says that of {unknown}"):
            load_encoder_weights(encoder, dofa, source, bands, spectra=spectral_bands)


@pytest.fixture
def make_small(monkeypatch):
    """Build the whole model of a record over the small encoder."""

    def make(name):
        entry = smp.encoders.encoders[name]
        monkeypatch.setitem(smp.encoders.encoders, name, entry | {"params": shrunk(name)})
        return make_model(ModelConfig("hypercolumn", name, options={"decoder_channels": 8}))

    return make


@pytest.mark.parametrize("name", OWN)
def test_a_model_maps_images_of_any_size(name, make_small):
    _, model = make_small(name)
    image = make_image(2, 3, 70, 45)
    with torch.inference_mode():
        logits = model(image, torch.ones(2, 70, 45, dtype=torch.bool))
    assert logits[-1].shape[-2:] == (70, 45)
    assert logits[-1].isfinite().all()
    assert logits[-1].std() > 0.01
    assert model.segmenter.features.sees_all  # attention over all patches of a window


def test_positions_in_metres_are_those_of_the_scenes(make_small):
    record, model = make_small("torchgeo:scalemae_large_patch16")
    assert model.segmenter.features.body.encoder.gsd_m == record.gsd_m == 10
    with pytest.raises(OptionError, match=r"size of a pixel in metres .*scalemae.* but got none"):
        build_model(replace(record, gsd_m=None))
    with pytest.raises(OptionError, match="size of a pixel in metres"):
        build_segmenter(record.model, 3, (2,))
    assert build_segmenter(record.model, 3, (2,), gsd_m=2.5).features.body.encoder.gsd_m == 2.5
    with pytest.raises(AttributeError, match="gsd_m"):  # nor does the encoder alone assume one
        small_encoder(record.model.encoder, 3)(torch.zeros(1, 3, 64, 64))


@pytest.mark.parametrize(
    "name",
    [name if name == "torchgeo:croma_base" else pytest.param(name, marks=pytest.mark.slow) for name in OWN],
)
def test_its_graph_serves_every_size(name, make_small, tmp_path):
    record, model = make_small(name)
    state = {f"model.{key}": value for key, value in model.state_dict().items()}
    torch.save({"state_dict": state, RECORD_KEY: record.to_dict()}, tmp_path / "m.ckpt")
    session = onnxruntime.InferenceSession(export_model(tmp_path / "m.ckpt").model)
    paths = torch.tensor(record.taxonomy.paths)
    for size in ((64, 64), (33, 130)):
        image = make_image(1, 3, *size)
        found = session.run(["path_logits"], {"image": image.numpy()})[0]
        with torch.inference_mode():
            wanted = model.path_logits(image, torch.ones(1, *size, dtype=torch.bool), paths)
        torch.testing.assert_close(torch.from_numpy(found), wanted, rtol=1e-3, atol=5e-3)
