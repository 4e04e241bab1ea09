"""Reflectance of a layout on a fine grid: each object's spectrum, modulated by patches, crowns and rows."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .layout import KEEP, Layout, View
from .materials import CANOPIES, MATERIALS, SEASONS, SURFACES, Stage, blend_reflectance, season_shares
from .noise import Field, NoiseField

#: How moisture and leaf structure tilt a spectrum, per column of BANDS; drawn once per object.
_MOISTURE = np.array([0, 0, 0, 0.1, 0.1, 0.1, 0.1, 0.1, 1.0, 1.2], dtype=np.float32)
_LEAF = np.array([-0.3, 0.1, -0.4, 0.3, 0.8, 1.0, 1.0, 1.0, 0.2, 0.0], dtype=np.float32)


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

    What distinguishes one object from another of the same material, and the fields that modulate all of them,
    are the same for every sensor: a patch of thin grass lies in the same place for each.

    Attributes:
        layout: The shapes.
        share: (n,) share of the material's second blend in each object.
        gain: (n,) brightness of each object, 1 on average.
        tilt: (n, 10) factor per object and band.
        patch: Field of patches of tens of metres.
        mottle: Another one, independent of ``patch``.
        crown: Field of crowns of a few metres.
        relief: Lit and dark sides of ``crown``.
    """

    layout: Layout
    share: Field
    gain: Field
    tilt: Field
    patch: NoiseField
    mottle: NoiseField
    crown: NoiseField
    relief: NoiseField

    @classmethod
    def draw(cls, rng: np.random.Generator, layout: Layout) -> "Surface":
        """Draw every object's share, brightness and spectral tilt, and the fields of the scene."""
        z = rng.standard_normal((len(layout.materials), 4)).astype(np.float32)
        share = material_column("share")[layout.materials]
        share = np.clip(share + z[:, 0] * material_column("share_spread")[layout.materials], 0.02, 0.95)
        gain = np.clip(1 + z[:, 1] * material_column("gain_spread")[layout.materials], 0.55, 1.6)
        tilt = 1 + 0.06 * z[:, 2:3] * _MOISTURE + 0.06 * z[:, 3:4] * _LEAF
        crown = NoiseField.draw(rng, 1.6, smooth=1.7, nodes=512).sharpened(1.8)
        return cls(
            layout,
            share.astype(np.float32),
            gain.astype(np.float32),
            tilt.astype(np.float32),
            NoiseField.draw(rng, 11.0, smooth=1.5, octaves=2),
            NoiseField.draw(rng, 17.0, smooth=1.5, octaves=3),
            crown,
            crown.relief(),
        )

    def reflectance(
        self, view: View, season: Stage | Field, columns: tuple[int, ...], rng: np.random.Generator
    ) -> Iterator[Field]:
        """Yield the reflectance (H, W) of one band of a view after another: memory is that of a few planes.

        Args:
            view: Fine grid.
            season: Season of the plants, or shares of seasons; (n, 6) shares of ``SEASONS`` and of
                ``CANOPIES`` for every object by itself.
            columns: Wanted columns of ``materials.BANDS``.
            rng: Source of the grain from cell to cell.
        """
        shown = self.layout.object_map(view)
        share, brightness = self._modulation(view, shown, rng)
        material = np.where(self.layout.materials == KEEP, 0, self.layout.materials)
        if isinstance(season, np.ndarray):
            tables = [_blends(name) for name in SEASONS]
            summer = tables[SEASONS.index("summer")]
            tables += [(np.broadcast_to(SURFACES[name], summer[0].shape), summer[1]) for name in CANOPIES]
            first, second = (
                np.sum([season[:, s, None] * table[pick][material] for s, table in enumerate(tables)], axis=0)
                for pick in (0, 1)
            )
        else:
            first, second = (table[material] for table in _blends(season))
        own = self.gain[:, None] * self.tilt
        wanted = list(columns)
        base = np.ascontiguousarray((first * own)[:, wanted].T)
        change = np.ascontiguousarray(((second - first) * own)[:, wanted].T)
        for of_base, of_change in zip(base, change, strict=True):
            out = np.take(of_change, shown)
            out *= share
            out += np.take(of_base, shown)
            out *= brightness
            yield out

    def _modulation(
        self, view: View, shown: NDArray[np.int32], rng: np.random.Generator
    ) -> tuple[Field, Field]:
        material = self.layout.materials[shown]
        ys, xs = view.ys, view.xs

        def times(attribute: str, field: Field) -> Field:
            return material_column(attribute)[material] * field

        share = self.share[shown]
        share += times("patches", self.patch.on_grid(ys, xs))
        share += times("crowns", self.crown.on_grid(ys, xs))
        share += self._rows(view, shown, material)
        np.clip(share, 0.0, 1.0, out=share)
        brightness = times("grain", rng.standard_normal(shown.shape, dtype=np.float32))
        # Grain is that of half-metre cells; coarser cells have averaged some of it away.
        brightness *= np.float32(min(1.0, (0.5 / view.res_m) ** 0.5))
        brightness += times("mottle", self.mottle.on_grid(ys, xs))
        brightness += times("relief", self.relief.on_grid(ys, xs))
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
