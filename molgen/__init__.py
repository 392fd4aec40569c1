"""Designs molecules in a learned latent space.

The public names are imported on first use, so that `import molgen` does not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molgen.campaign import Campaign
    from molgen.latent.encoder import LatentEncoder
    from molgen.latent.space import LatentSpace
    from molgen.output.finished import candidates
    from molgen.output.listing import Listing
    from molgen.project.forecast import predict

__all__ = ["Campaign", "LatentEncoder", "LatentSpace", "Listing", "__version__", "candidates", "predict"]

__version__ = "0.1.0"

_MODULES = {
    "Campaign": "molgen.campaign",
    "LatentEncoder": "molgen.latent.encoder",
    "LatentSpace": "molgen.latent.space",
    "Listing": "molgen.output.listing",
    "candidates": "molgen.output.finished",
    "predict": "molgen.project.forecast",
}


def __getattr__(name: str) -> Any:
    """Imports a public name on first use (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    """The public names, including those not imported yet."""
    return sorted({*globals(), *__all__})
