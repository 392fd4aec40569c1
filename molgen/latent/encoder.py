"""The latent space as a transformer of scikit-learn, for pipelines and cross-validation.

Notation: N molecules, D dimensions.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from molgen.arrays import Floats
from molgen.latent.space import LatentSpace, default_checkpoint


@lru_cache(maxsize=2)
def _load(path: Path) -> LatentSpace:
    """A space, loaded once for the folds of a cross-validation."""
    return LatentSpace.load(path)


class LatentEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """SMILES to latent vectors.

    It learns nothing from data: `fit` loads the checkpoint. A column of SMILES is a list, an array (N,) or (N, 1), a
    series, or a data frame with one column.

    Args:
        checkpoint: A .safetensors file; None for the shipped one.
        is_refined: Whether points are refined until they decode to their molecules, which takes longer.
        invalid: Treatment of a text that cannot be encoded: `raise` an error, or `nan` for a row of NaN, to be imputed
            later.

    Attributes:
        space_: The latent space, after `fit`.
        n_features_in_: 1, after `fit`.
    """

    def __init__(
        self,
        checkpoint: str | Path | None = None,
        is_refined: bool = False,
        invalid: Literal["raise", "nan"] = "raise",
    ) -> None:
        self.checkpoint = checkpoint
        self.is_refined = is_refined
        self.invalid = invalid

    def fit(self, X: Any, y: Any = None) -> Self:
        """Loads the checkpoint.

        Raises:
            CheckpointError: It is missing or damaged.
            ValueError: `X` is no column of texts, or `invalid` is neither `raise` nor `nan`.
        """
        if self.invalid not in ("raise", "nan"):
            raise ValueError(f"invalid must be 'raise' or 'nan', but is {self.invalid!r}")
        _column(X)
        self.space_ = _load(Path(self.checkpoint) if self.checkpoint else default_checkpoint())
        self.n_features_in_ = 1
        return self

    def transform(self, X: Any) -> Floats:
        """Latent vectors (N, D).

        Raises:
            NotFittedError: `fit` was not called.
            ValueError: `X` is no column of texts, or a text cannot be encoded and `invalid` is `raise`.
        """
        check_is_fitted(self)
        smiles = _column(X)
        encoding = self.space_.explain(smiles, is_refined=self.is_refined)
        refused = [(row, reason) for row, reason in enumerate(encoding.reasons) if reason]
        if refused and self.invalid == "raise":
            row, reason = refused[0]
            message = f"{len(refused)} of {len(smiles)} texts cannot be encoded; row {row}, {smiles[row]!r}: {reason}"
            raise ValueError(f"{message}. Drop them, or use invalid='nan' before an imputer.")
        return encoding.z

    def inverse_transform(self, X: Any) -> NDArray[np.object_]:
        """Canonical SMILES (N,) of latent vectors (N, D); None where decoding gives no valid molecule.

        Raises:
            NotFittedError: `fit` was not called.
        """
        check_is_fitted(self)
        return np.array(self.space_.decode(np.asarray(X)), dtype=np.object_)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the D columns: z0, z1 and so on."""
        check_is_fitted(self)
        return np.array([f"z{unit}" for unit in range(self.space_.size)], dtype=np.object_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        return tags


def _column(X: Any) -> list[str]:
    """The texts of a column.

    Raises:
        ValueError: It has another shape, or holds something else.
    """
    values = np.asarray(X, dtype=np.object_)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise ValueError(f"a column of SMILES is (N,) or (N, 1), but this is {values.shape}")
    other = [row for row, value in enumerate(values) if not isinstance(value, str)]
    if other:
        raise ValueError(f"row {other[0]} is no text: {values[other[0]]!r}")
    texts: list[str] = values.tolist()
    return texts
