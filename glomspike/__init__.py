"""Finds glomeruli in silver-stained kidney slides and scores them for membranous spikes.

    import glomspike

    with glomspike.open_slide("biopsy.svs") as slide:
        found = glomspike.analyse(slide, glomspike.load_models(device="auto"))

Importing it takes no time and changes nothing: what it offers is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glomspike.api import analyse, load_models
    from glomspike.errors import GlomspikeError
    from glomspike.findings import Glomerulus, SlideResult
    from glomspike.slide.reader import Slide, open_slide

__version__ = "0.1.0"

__all__ = [
    "Glomerulus",
    "GlomspikeError",
    "Slide",
    "SlideResult",
    "__version__",
    "analyse",
    "load_models",
    "open_slide",
]

_MODULES = {
    "Glomerulus": "findings",
    "GlomspikeError": "errors",
    "Slide": "slide.reader",
    "SlideResult": "findings",
    "analyse": "api",
    "load_models": "api",
    "open_slide": "slide.reader",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
