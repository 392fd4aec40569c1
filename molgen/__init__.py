"""A workbench for designing molecules in a learned latent space.

`LatentSpace` is what a notebook needs first, and `predict` what it asks of a fitted checkpoint; they are imported when
they are asked for, so that `import molgen` costs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molgen.latent.space import LatentSpace
    from molgen.project.forecast import predict

__all__ = ["LatentSpace", "__version__", "predict"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The public names that cost an import, made on first use (PEP 562)."""
    if name == "LatentSpace":
        from molgen.latent.space import LatentSpace

        return LatentSpace
    if name == "predict":
        from molgen.project.forecast import predict

        return predict
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, including those that are not imported yet."""
    return sorted({*globals(), *__all__})
