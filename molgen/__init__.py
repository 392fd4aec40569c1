"""A workbench for designing molecules in a learned latent space.

`LatentSpace` and `predict` are imported on first use, so that `import molgen` does not load torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molgen.latent.space import LatentSpace
    from molgen.project.forecast import predict

__all__ = ["LatentSpace", "__version__", "predict"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Imports a public name on first use (PEP 562)."""
    if name == "LatentSpace":
        from molgen.latent.space import LatentSpace

        return LatentSpace
    if name == "predict":
        from molgen.project.forecast import predict

        return predict
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, including those not imported yet."""
    return sorted({*globals(), *__all__})
