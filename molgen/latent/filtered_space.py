"""A latent space that decodes to admitted molecules only.

Notation: N points, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike

from molgen.chem.admission import Admission
from molgen.latent.space import LatentSpace


class FilteredSpace(LatentSpace):
    """A latent space in which points of molecules that are not admitted decode to None.

    Attributes:
        admission: The rules and their counts.
    """

    def __init__(self, space: LatentSpace, admission: Admission) -> None:
        """Applies an admission to `space`."""
        super().__init__(space.model)
        self.admission = admission
        self._space = space

    def decode(
        self, z: ArrayLike, *, temperature: ArrayLike = 0.0, seed: int = 0, first_row: int = 0
    ) -> list[str | None]:
        """Canonical SMILES (N,) of points (N, D) in their admitted form; see `LatentSpace.decode`."""
        return self.admission(self._space.decode(z, temperature=temperature, seed=seed, first_row=first_row))

    def decode_region(self, z: ArrayLike, *, seed: int = 0) -> list[str | None]:
        """The same by the language model; see `LatentSpace.decode_region`."""
        return self.admission(self._space.decode_region(z, seed=seed))

    def vary(self, z: ArrayLike, *, seed: int = 0, drafts: Sequence[str] | None = None) -> list[str | None]:
        """The same for analogues of the molecules at points (N, D); see `LatentSpace.vary`."""
        return self.admission(self._space.vary(z, seed=seed, drafts=drafts))
