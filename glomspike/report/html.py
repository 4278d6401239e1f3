"""Pages of one file: everything escaped, style and script inside, and nothing that a browser would fetch."""

import base64
import hashlib
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from glomspike.results.files import replace_file

_TEMPLATES = Environment(
    loader=PackageLoader("glomspike.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_STYLE = "page.css"
GENERATOR = b'<meta name="generator" content="glomspike">'  # of every page, by which it is known again


def percent(share: float) -> str:
    """A share in per cent, with a decimal where it would otherwise read as none."""
    return f"{100 * share:.1f} %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


_TEMPLATES.filters["percent"] = percent


def write_page(path: Path, template: str, script: str, content: object) -> None:
    """An HTML file from a template, which finds `content`; OSError where it cannot be written.

    The browser may run and apply nothing but the package's script and style, by their hashes.
    """
    style_text, script_text = _source(_STYLE), _source(script)
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(style_text)}'; "
        f"script-src '{_digest(script_text)}'; base-uri 'none'; form-action 'none'"
    )
    page = _TEMPLATES.get_template(template).render(
        content=content, style=style_text, script=script_text, policy=policy
    )
    # A slide's name may hold bytes that are no text.
    replace_file(path, page.encode(errors="replace"))


def data_uri(kind: str, picture: bytes) -> str:
    """A picture as an address that holds the picture itself; `kind` is "jpeg" or "png"."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def _source(name: str) -> str:
    return files("glomspike.report").joinpath("templates", name).read_text("utf-8")


def _digest(text: str) -> str:
    """The hash of a style or script as a content security policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
