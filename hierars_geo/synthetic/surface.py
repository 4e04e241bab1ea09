"""Reflectance of a layout on a fine grid: each object's spectrum, modulated by patches, crowns and rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .layout import KEEP, Layout, View
from .materials import BANDS, MATERIALS, Material, Stage, blend_reflectance, season_shares
from .noise import Field, NoiseField

#: How moisture and leaf structure tilt a spectrum, per column of BANDS; drawn once per object.
_MOISTURE = np.array([0, 0, 0, 0.1, 0.1, 0.1, 0.1, 0.1, 1.0, 1.2], dtype=np.float32)
_LEAF = np.array([-0.3, 0.1, -0.4, 0.3, 0.8, 1.0, 1.0, 1.0, 0.2, 0.0], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Textures:
    """The fields that all sensors share, so that a patch of thin grass lies in the same place for each.

    Attributes:
        patch: Tens of metres.
        mottle: Tens of metres, independent of ``patch``.
        crown: A few metres.
        relief: Lit and dark sides of ``crown``.
    """

    patch: NoiseField
    mottle: NoiseField
    crown: NoiseField
    relief: NoiseField

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Textures":
        """Draw the fields of one scene."""
        crown = NoiseField.draw(rng, 1.6, smooth=1.7, nodes=512).sharpened(1.8)
        return cls(
            NoiseField.draw(rng, 11.0, smooth=1.5, octaves=2),
            NoiseField.draw(rng, 17.0, smooth=1.5, octaves=3),
            crown,
            crown.relief(),
        )


@dataclass(frozen=True, eq=False)
class Objects:
    """What distinguishes one object of a layout from another of the same material; the same for every sensor.

    Attributes:
        share: (n,) share of the material's second blend.
        gain: (n,) brightness, 1 on average.
        tilt: (n, 10) factor per band.
    """

    share: Field
    gain: Field
    tilt: Field

    @classmethod
    def draw(cls, rng: np.random.Generator, layout: Layout) -> "Objects":
        """Draw every object's own share, brightness and spectral tilt."""
        z = rng.standard_normal((len(layout.materials), 4)).astype(np.float32)
        share = material_column("share")[layout.materials]
        share = np.clip(share + z[:, 0] * material_column("share_spread")[layout.materials], 0.02, 0.95)
        gain = np.clip(1 + z[:, 1] * material_column("gain_spread")[layout.materials], 0.55, 1.6)
        tilt = 1 + 0.06 * z[:, 2:3] * _MOISTURE + 0.06 * z[:, 3:4] * _LEAF
        return cls(share.astype(np.float32), gain.astype(np.float32), tilt.astype(np.float32))


def material_column(attribute: str) -> Field:
    """One numeric attribute of every material, in the order of ``MATERIALS``: (m,) float32."""
    return np.array([getattr(material, attribute) for material in MATERIALS.values()], dtype=np.float32)


def _blends(stage: Stage) -> tuple[Field, Field]:
    shares = season_shares(stage)

    def table(pick: str) -> Field:
        rows = [
            sum(share * blend_reflectance(getattr(material, pick)[s]) for s, share in shares.items())
            for material in MATERIALS.values()
        ]
        return np.stack(rows).astype(np.float32)

    return table("first"), table("second")


@dataclass(frozen=True, eq=False)
class Surface:
    """A layout with spectra: reflectance of any band on any grid.

    Attributes:
        layout: The shapes.
        objects: Their individual variation.
        textures: Fields that modulate them.
    """

    layout: Layout
    objects: Objects
    textures: Textures

    @classmethod
    def draw(cls, rng: np.random.Generator, layout: Layout) -> "Surface":
        """Give a layout its objects' variation and its textures."""
        return cls(layout, Objects.draw(rng, layout), Textures.draw(rng))

    def reflectance(
        self, view: View, season: Stage, columns: tuple[int, ...], rng: np.random.Generator
    ) -> "SurfaceBands":
        """Prepare a view; its bands are then computed one by one, which keeps memory to a few planes.

        Args:
            view: Fine grid.
            season: Season of the plants, or shares of seasons.
            columns: Wanted columns of ``spectra.BANDS``.
            rng: Source of the grain from cell to cell.
        """
        shown = self.layout.object_map(view)
        share, brightness = self._modulation(view, shown, rng)
        first, second = _blends(season)
        material = np.where(self.layout.materials == KEEP, 0, self.layout.materials)
        own = self.objects.gain[:, None] * self.objects.tilt
        columns_list = list(columns)
        return SurfaceBands(
            shown,
            share,
            brightness,
            np.ascontiguousarray((first[material] * own)[:, columns_list].T),
            np.ascontiguousarray(((second[material] - first[material]) * own)[:, columns_list].T),
        )

    def _modulation(
        self, view: View, shown: NDArray[np.int32], rng: np.random.Generator
    ) -> tuple[Field, Field]:
        material = self.layout.materials[shown]
        ys, xs = view.ys, view.xs

        def times(attribute: str, field: Field) -> Field:
            return material_column(attribute)[material] * field

        share = self.objects.share[shown]
        share += times("patches", self.textures.patch.on_grid(ys, xs))
        share += times("crowns", self.textures.crown.on_grid(ys, xs))
        share += self._rows(view, shown, material)
        np.clip(share, 0.0, 1.0, out=share)
        brightness = times("grain", rng.standard_normal(shown.shape, dtype=np.float32))
        # Grain is that of half-metre cells; coarser cells have averaged some of it away.
        brightness *= np.float32(min(1.0, (0.5 / view.res_m) ** 0.5))
        brightness += times("mottle", self.textures.mottle.on_grid(ys, xs))
        brightness += times("relief", self.textures.relief.on_grid(ys, xs))
        np.clip(brightness + 1, 0.2, 2.0, out=brightness)
        return share, brightness

    def _rows(self, view: View, shown: NDArray[np.int32], material: NDArray[np.int16]) -> Field:
        """Crop rows as a wave across each object's direction, faded out on cells too coarse for them."""
        period = material_column("row_period_m")
        visible = np.clip(period / view.res_m / 2 - 1, 0, 1)
        amplitude = (material_column("rows") * visible)[material]
        if not amplitude.any():
            return np.asarray(amplitude, dtype=np.float32)
        sine = np.sin(self.layout.angles)[shown]
        cosine = np.cos(self.layout.angles)[shown]
        across = view.ys.astype(np.float32)[:, None] * cosine - view.xs.astype(np.float32) * sine
        wave = np.sin(across * (2 * np.pi / period).astype(np.float32)[material])
        return np.asarray(amplitude * wave, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class SurfaceBands:
    """Everything needed to compute one band of a view after another.

    Attributes:
        shown: (H, W) object in each cell.
        share: (H, W) share of its second blend.
        brightness: (H, W) factor.
        base: (bands, n) reflectance of each object's first blend.
        change: (bands, n) what is added where the second blend covers all.
    """

    shown: NDArray[np.int32]
    share: Field
    brightness: Field
    base: Field
    change: Field

    def band(self, index: int) -> Field:
        """Reflectance (H, W) of one band."""
        out = np.take(self.change[index], self.shown)
        out *= self.share
        out += np.take(self.base[index], self.shown)
        out *= self.brightness
        return out


__all__ = ("BANDS", "Material", "Objects", "Surface", "SurfaceBands", "Textures", "material_column")
