"""`glomspike review OUT`: the local page on which results are reviewed and corrected."""

import getpass
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from glomspike.errors import GlomspikeError
from glomspike.review.orders import ORDERS, USUAL

if TYPE_CHECKING:
    from glomspike.review.slides import ReviewedSlide

EXAMPLES = """\b
Examples:
  glomspike review results                        slides beside the results
  glomspike review results --slide /data/slides   slides in another folder
  glomspike review results --order informative    what teaches most, of all slides
  glomspike review results --port 9000 --no-browser

\b
Over SSH, on your desk:  ssh -L 8765:127.0.0.1:8765 server
and on the server:       glomspike review results --no-browser
Then open the address that it prints. Ctrl-C ends it; nothing is lost.

For research use only."""


@click.command(name="review", epilog=EXAMPLES, short_help="Review results in the browser, and correct them.")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--slide",
    "slides",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    metavar="PATH",
    help="The slide, or a folder of slides, where it does not lie beside the results. Repeat for several.",
)
@click.option(
    "--port", type=click.IntRange(1, 65535), metavar="N", help="Port of the server; 8765 where it is free."
)
@click.option(
    "--host",
    metavar="ADDRESS",
    help="Let other machines connect: 0.0.0.0, or one of this machine's addresses.",
)
@click.option(
    "--order",
    type=click.Choice(list(ORDERS)),
    default=USUAL,
    show_default=True,
    help="The queue's at first; informative: of all slides, by what a correction teaches.",
)
@click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
def command(
    out: Path, slides: tuple[Path, ...], port: int | None, host: str | None, order: str, no_browser: bool
) -> int:
    """Look at the results in OUT in the browser, and correct them.

    OUT is the folder that results were written to, or that of one slide. Changes are saved at once, beside
    the results and never over them. `glomspike samples OUT` makes training samples of reviewed slides.
    """
    from glomspike.review.app import make_app
    from glomspike.review.find import find_results
    from glomspike.review.serve import is_local, limit_memory, listen, open_browser, serve
    from glomspike.review.slides import open_reviewed

    limit_memory()
    found, failures = open_reviewed(out, find_results(out), slides)
    for line in _remarks(found, failures):
        click.echo(f"glomspike: {line}", err=True)
    if not found:
        return 1
    listening = host or _usual_host()
    bound = listen(listening, port)
    anywhere = host is not None and not is_local(host)
    if anywhere:
        note = "other machines can reach this server; whoever has the address can see and change everything"
        click.echo(f"glomspike: {note}, and what is sent is not encrypted", err=True)

    def announce(address: str) -> None:
        count = f"{len(found)} slide{'s' * (len(found) > 1)}"
        click.echo(f"{count} to review at {address}")
        click.echo("Ctrl-C ends it; every change is saved at once.")
        if not no_browser:
            open_browser(address)

    try:
        serve(make_app(found, _login_name(), order), bound, anywhere, announce)
    except KeyboardInterrupt:
        pass  # the way in which it is ended
    finally:
        for slide in found:
            slide.close()
    return 0


def _remarks(found: Sequence["ReviewedSlide"], failures: Sequence[GlomspikeError]) -> Iterator[str]:
    """What is better known before the page is opened than after."""
    for failure in failures:
        yield str(failure)
    for slide in found:
        if slide.read_only is not None:
            yield f"nothing can be saved: {slide.read_only}"
    without = [slide.found.slide.name for slide in found if slide.slide is None]
    if without:
        cure = "shown from the results' pictures; give --slide to see the whole slide"
        yield f"slide file not found: {', '.join(without)}: {cure}"


def _usual_host() -> str:
    """This machine only. In a container its address: the published port decides who gets in."""
    return "0.0.0.0" if "GLOMSPIKE_CONTAINER" in os.environ else "127.0.0.1"  # noqa: S104


def _login_name() -> str:
    """A name to propose to the reviewer; none where the login has no person, as in a container."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        return ""
    return "" if name in {"root", "glomspike"} else name
