"""The addresses that the page requests, and what each answers."""

import importlib.util
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

from anyio import CapacityLimiter, to_thread
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from glomspike import __version__
from glomspike.errors import GlomspikeError, RefusedChange
from glomspike.review.changes import NewChange, Reviewer
from glomspike.review.orders import ORDERS, USUAL
from glomspike.review.slides import ReviewedSlide
from glomspike.review.tiles import PictureCache
from glomspike.review.views import glomeruli_view, informative_view, slide_line, slide_view, state_view
from glomspike.review.written import write_files

READERS = 4  # pictures decoded at once
KEPT = "private, max-age=86400"
UNKNOWN_REVIEWER = ""
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_VIEWER = ("mapproxy", "service/templates/demo/static")  # where MapProxy keeps its copy of OpenLayers
_VIEWER_FILES = frozenset({"ol.js", "ol.css"})
_PAGES = Environment(
    loader=PackageLoader("glomspike.review", "page"), autoescape=True, undefined=StrictUndefined
)


def make_app(slides: Sequence[ReviewedSlide], proposed_reviewer: str, order: str = USUAL) -> Starlette:
    """The application for some slides.

    `proposed_reviewer` is shown in the field for the reviewer's name; `order`, of ORDERS, is the queue's at
    first.
    """
    return Starlette(routes=_Review(slides, proposed_reviewer, order).routes)


class _WriteRequest(BaseModel):
    reviewer: Reviewer


class _Review:
    def __init__(self, slides: Sequence[ReviewedSlide], proposed_reviewer: str, order: str) -> None:
        self._slides = slides
        self._first = {"reviewer": proposed_reviewer, "order": order, "orders": ORDERS}
        self._cache = PictureCache()
        self._readers: CapacityLimiter | None = None
        self._page_files = {
            entry.name: entry.read_bytes()
            for entry in files("glomspike.review").joinpath("page").iterdir()
            if Path(entry.name).suffix in _TYPES
        }

    @property
    def routes(self) -> list[Route]:
        slide = "/slides/{number:int}"
        return [
            Route("/", self.page),
            Route("/static/{name}", self.static),
            Route("/slides", self.list),
            Route("/informative", self.informative),
            Route(slide, self.slide),
            Route(f"{slide}/tiles/{{zoom:int}}/{{column:int}}/{{row:int}}", self.tile),
            Route(f"{slide}/pictures/{{kind}}/{{glomerulus:int}}", self.picture),
            Route(f"{slide}/places/{{glomerulus:int}}", self.place),
            Route(f"{slide}/changes", self.change, methods=["POST"]),
            Route(f"{slide}/files", self.write, methods=["POST"]),
        ]

    def page(self, request: Request) -> Response:
        """The page itself."""
        template = _PAGES.get_template("review.html.j2")
        return HTMLResponse(template.render(version=__version__, **self._first))

    def static(self, request: Request) -> Response:
        """A script or style: the page's, or the viewer's."""
        name = request.path_params["name"]
        content = _viewer_file(name) if name in _VIEWER_FILES else self._page_files.get(name)
        if content is None:
            raise HTTPException(404)
        kept = KEPT if name in _VIEWER_FILES else "no-cache"
        return Response(content, media_type=_TYPES[Path(name).suffix], headers={"Cache-Control": kept})

    def list(self, request: Request) -> Response:
        """All slides, and how far a reviewer has come with each."""
        reviewer = _reviewer(request)
        return JSONResponse([slide_line(one, i, reviewer) for i, one in enumerate(self._slides)])

    def informative(self, request: Request) -> Response:
        """The glomeruli of all slides, those first whose correction teaches most."""
        return JSONResponse(informative_view(self._slides, _reviewer(request)))

    def slide(self, request: Request) -> Response:
        """A slide and a reviewer's state of it."""
        return JSONResponse(slide_view(self._slide(request), _reviewer(request)))

    async def tile(self, request: Request) -> Response:
        """A tile of a slide."""
        slide, of = self._slide(request), request.path_params
        return await self._picture(slide.tile, of["zoom"], of["column"], of["row"], self._cache)

    async def picture(self, request: Request) -> Response:
        """A run's picture of a glomerulus."""
        slide, of = self._slide(request), request.path_params
        small = "small" in request.query_params
        return await self._picture(slide.picture, of["kind"], of["glomerulus"], small, self._cache)

    def place(self, request: Request) -> Response:
        """Where a run's pictures of a glomerulus lie."""
        placed = self._slide(request).placed(request.path_params["glomerulus"])
        if placed is None:
            raise HTTPException(404)
        return JSONResponse([placed.left0, placed.top0, placed.right0, placed.bottom0])

    async def change(self, request: Request) -> Response:
        """Saves a change; the answer says what it changed."""
        slide = self._slide(request)
        try:
            new = NewChange.model_validate_json(await request.body())
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
            return JSONResponse({"problem": f"this change is not valid ({'; '.join(problems)})"}, 422)
        return await to_thread.run_sync(_saved, slide, new)

    async def write(self, request: Request) -> Response:
        """Writes a reviewer's annotations and summary; the answer says where."""
        slide = self._slide(request)
        try:
            wanted = _WriteRequest.model_validate_json(await request.body())
        except ValidationError:
            return JSONResponse({"problem": "nothing was written: the reviewer has no name"}, 422)
        if wanted.reviewer not in slide.reviewers:
            return JSONResponse({"problem": "nothing was written: you have not reviewed this slide"}, 409)
        return await to_thread.run_sync(_written, slide, wanted.reviewer)

    def _slide(self, request: Request) -> ReviewedSlide:
        number: int = request.path_params["number"]
        if number >= len(self._slides):
            raise HTTPException(404)
        return self._slides[number]

    async def _picture(self, make: Callable[..., bytes | None], *arguments: object) -> Response:
        """A picture that is made in one of a few threads, since more would only wait for one another."""
        if self._readers is None:
            self._readers = CapacityLimiter(READERS)
        content = await to_thread.run_sync(make, *arguments, limiter=self._readers)
        if content is None:
            raise HTTPException(404)
        return Response(content, media_type="image/jpeg", headers={"Cache-Control": KEPT})


def _saved(slide: ReviewedSlide, new: NewChange) -> Response:
    before = glomeruli_view(slide, new.reviewer)
    try:
        slide.save(new)
    except RefusedChange as refused:
        return JSONResponse({"problem": str(refused)}, 422)
    except GlomspikeError as failure:
        return JSONResponse({"problem": str(failure)}, 507)
    return JSONResponse(state_view(slide, new.reviewer, before))


def _written(slide: ReviewedSlide, reviewer: str) -> Response:
    try:
        paths = write_files(slide, reviewer)
    except GlomspikeError as failure:
        return JSONResponse({"problem": str(failure)}, 507)
    names = ", ".join(path.name for path in paths)
    return JSONResponse({"written": f"Written: {names} in {slide.folder.absolute()}; counts in report.html"})


def _reviewer(request: Request) -> str:
    return request.query_params.get("reviewer", UNKNOWN_REVIEWER).strip()


def _viewer_file(name: str) -> bytes:
    """A file of OpenLayers, from the package that carries it; none of that package's code is run."""
    package, inside = _VIEWER
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise HTTPException(500, "the viewer is not installed: run glomspike's set-up again")
    return Path(spec.submodule_search_locations[0], inside, name).read_bytes()
