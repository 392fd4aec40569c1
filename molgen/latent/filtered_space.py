"""A space that gives only molecules that are admitted.

Notation: N points, D latent dimensions.
"""

from __future__ import annotations

from numpy.typing import ArrayLike

from molgen.chem.admission import Admission
from molgen.latent.space import LatentSpace


class FilteredSpace(LatentSpace):
    """The space of the same checkpoint; a point whose molecule is not admitted gives None, as one without a molecule.

    Attributes:
        admission: What is admitted, and how many molecules were not.
    """

    def __init__(self, space: LatentSpace, admission: Admission) -> None:
        """The space of `space`, seen through an admission."""
        super().__init__(space.model)
        self.admission = admission
        self._space = space

    def decode(
        self, z: ArrayLike, *, temperature: ArrayLike = 0.0, seed: int = 0, first_row: int = 0
    ) -> list[str | None]:
        """Canonical SMILES (N) of points (N, D) in the form that is admitted; see `LatentSpace.decode`."""
        return self.admission(self._space.decode(z, temperature=temperature, seed=seed, first_row=first_row))

    def decode_region(self, z: ArrayLike, *, seed: int = 0) -> list[str | None]:
        """The same of points (N, D) near molecules or between them; see `LatentSpace.decode_region`."""
        return self.admission(self._space.decode_region(z, seed=seed))

    def vary(self, z: ArrayLike, *, seed: int = 0) -> list[str | None]:
        """The same of analogues of what lies at points (N, D); see `LatentSpace.vary`."""
        return self.admission(self._space.vary(z, seed=seed))
