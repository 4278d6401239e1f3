"""What is in a case's `report.pdf`, as the template `case.typ` fills it in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glomspike import __version__
from glomspike.findings import Call
from glomspike.report.case_overview import case_overview
from glomspike.report.case_portrait import most_suspicious, portray_profile
from glomspike.report.case_words import (
    RESEARCH,
    case_summary,
    certainty_percent,
    date_words,
    focus_words,
    glomerulus_words,
    match_words,
    meaning_words,
    scale_words,
    slide_numbers,
    slides_words,
    stain_words,
    unseen_words,
    warning_words,
)
from glomspike.report.colours import palette
from glomspike.report.disease_content import disease_content
from glomspike.report.disease_words import disease_line
from glomspike.report.letters import families
from glomspike.report.portrait import encode_jpeg
from glomspike.results.case_record import CaseGlomerulus, CaseRecord, ImageRecord

PORTRAIT_PX = 420
LONGEST = 900  # letters of a sentence
_JPEG_QUALITY = 80
_LEGEND_STEPS = 16
_CIRCLES = (
    "Numbers are this report's glomeruli. Circles have the colour of the spike probability, grey where none "
    "was measured; calls come from slides in silver alone."
)
_GLOMERULUS_COLUMNS = (
    *("", "call", "probability", "extent", "sclerosed", "area, µm²", "profiles (slide/number)"),
    "match at least",
)
_COLUMNS = ("", "image", "block", "level", "stain", "µm/px", "profiles", "tissue, mm²", "focus")


@dataclass(frozen=True)
class Room:
    """How much is shown: overviews and their size, glomeruli of either strip, rows of tables, sentences."""

    columns: int
    overview_mm: int
    overview_px: int
    overviews: int
    portraits: int
    sentences: int
    slides: int
    glomeruli: int


@dataclass
class _Pictures:
    """Pictures written to a folder, from where the template takes them."""

    place: Path
    count: int = 0

    def add(self, jpeg: bytes) -> str:
        self.count += 1
        name = f"p{self.count}.jpg"
        (self.place / name).write_bytes(jpeg)
        return name


def case_content(record: CaseRecord, out: Path, case_folder: Path, room: Room, place: Path) -> dict[str, Any]:
    """All that the template fills in, as for JSON; its pictures are written to `place`.

    The slides' results lie in OUT, what belongs to the case alone in its folder.
    """
    pictures = _Pictures(place)
    spiked, uncertain = _called(record, "spiked"), _called(record, "uncertain")
    return {
        "title": f"Case {record.case}",
        "kind": "glomeruli and membranous spikes",
        "program": f"glomspike {__version__}",
        "fonts": families(),
        "research": RESEARCH,
        "footer": f"Case {record.case[:60]} · glomspike {record.versions.glomspike} · {date_words(record)}",
        "head": list(_head(record)),
        **_slides(record, room),
        "summary": [*case_summary(record), *_disease(record)],
        "warnings": _sentences(warning_words(record), room),
        "disease": disease_content(record.disease, case_folder, place, room.columns),
        "unseen": _sentences(unseen_words(record), room),
        "meaning": list(meaning_words(record)),
        **_overviews(record, out, room, pictures),
        **_glomeruli(record, room),
        "spiked_note": _strip_note(record, len(spiked), room) if spiked else _none_spiked(record),
        "spiked": [_portrait(one, record, out, pictures) for one in spiked[: room.portraits]],
        "uncertain_note": _strip_note(record, len(uncertain), room),
        "uncertain": [_portrait(one, record, out, pictures) for one in uncertain[: room.portraits]],
    }


def _called(record: CaseRecord, call: Call) -> list[CaseGlomerulus]:
    """The glomeruli of a call, from the highest spike probability to the lowest."""
    called = [one for one in record.glomeruli if one.call == call]
    return sorted(called, key=lambda one: -(one.spike_probability or 0.0))


def _head(record: CaseRecord) -> Iterator[tuple[str, str]]:
    yield "Date", date_words(record)
    yield "Images", slides_words(record)
    yield "Program", f"glomspike {record.versions.glomspike}, PyTorch {record.versions.torch}"
    for kind, one in record.weights.items():
        yield f"Weights: {kind}", f"{one.name} {one.version}, SHA-256 {one.sha256[:16]}…"


def _disease(record: CaseRecord) -> Iterator[tuple[str, str]]:
    """What a disease model says, where there was one."""
    if record.disease is not None:
        limits = f"; the weights: {record.disease.limits}" if record.disease.limits else ""
        yield "Disease", f"{disease_line(record.disease)}{limits}"


def _slides(record: CaseRecord, room: Room) -> dict[str, Any]:
    numbers = slide_numbers(record)
    rows = [_slide_cells(image, numbers[image.image]) for image in record.images[: room.slides]]
    more = _more(len(record.images) - room.slides, "image")
    return {"slide_columns": _COLUMNS, "slides": rows, "slides_note": more}


def _slide_cells(image: ImageRecord, number: int) -> list[str]:
    stain, scale = stain_words(image), scale_words(image)
    found = image.status if image.status != "done" else "" if image.profiles is None else str(image.profiles)
    tissue = "" if image.tissue_mm2 is None else f"{image.tissue_mm2:.2f}"
    return [
        str(number),
        image.image,
        image.block,
        str(image.level),
        stain,
        scale,
        found,
        tissue,
        focus_words(image),
    ]


def _glomeruli(record: CaseRecord, room: Room) -> dict[str, Any]:
    """The table of distinct glomeruli, as many as there is room for."""
    numbers = slide_numbers(record)
    rows = [_glomerulus_cells(one, numbers) for one in record.glomeruli[: room.glomeruli]]
    more = _more(len(record.glomeruli) - room.glomeruli, "glomerulus", "glomeruli")
    return {"glomerulus_columns": _GLOMERULUS_COLUMNS, "glomeruli": rows, "glomeruli_note": more}


def _glomerulus_cells(one: CaseGlomerulus, numbers: Mapping[str, int]) -> list[str]:
    probability = "" if one.spike_probability is None else f"{one.spike_probability:.2f}"
    scars = [profile.sclerosed for profile in one.profiles if profile.sclerosed is not None]
    sclerosed = "" if one.sclerosed is None else "yes" if one.sclerosed else "no"
    largest = max(one.profiles, key=lambda profile: profile.area_um2)
    cut = " (cut)" if largest.touches_edge else ""
    return [
        str(one.id),
        one.call or "not scored",
        probability,
        one.extent or "",
        f"{sclerosed} ({sum(scars)} of {len(scars)})" if one.disagreement else sclerosed,
        f"{largest.area_um2:,.0f}{cut}",
        ", ".join(f"{numbers[profile.image]}/{profile.id}" for profile in one.profiles),
        "" if len(one.profiles) == 1 else f"{certainty_percent(one)} %",
    ]


def _overviews(record: CaseRecord, out: Path, room: Room, pictures: _Pictures) -> dict[str, Any]:
    numbers = slide_numbers(record)
    done = [image for image in record.images if image.folder is not None]
    shown = []
    for image in done[: room.overviews]:
        overview = case_overview(image, record.glomeruli, out, room.overview_px)
        if overview is None:
            continue
        height_px, width_px = overview.picture.shape[:2]
        one = {
            "picture": pictures.add(encode_jpeg(overview.picture, _JPEG_QUALITY)),
            "aspect": width_px / height_px,
            "caption": f"{numbers[image.image]}: {image.image[-60:]}, {image.marker}",
            "places": [{"number": str(at.number), "x": at.x, "y": at.y} for at in overview.places],
        }
        shown.append(one)
    return {
        "overviews": shown,
        "overview_columns": max(min(room.columns, len(shown)), 1),
        "overview_mm": room.overview_mm if len(shown) > 1 else 1.3 * room.overview_mm,
        "overview_note": f"{_CIRCLES} {_more(len(done) - len(shown), 'slide')}",
        "legend": _legend(),
    }


def _legend() -> list[str]:
    """The colours from probability 0 to 1."""
    steps = [round(255 * n / _LEGEND_STEPS) for n in range(_LEGEND_STEPS + 1)]
    return ["#{:02x}{:02x}{:02x}".format(*palette("jet")[step].tolist()) for step in steps]


def _strip_note(record: CaseRecord, count: int, room: Room) -> str:
    """What a strip of so many glomeruli shows, and how many it omits."""
    said = ["From the highest spike probability down, each by its most suspicious profile."]
    if record.tile_um is not None:
        said.append(f"Boxes are its highest tiles, {record.tile_um:g} µm wide, enlarged beside it.")
    if omitted := _more(count - room.portraits, "glomerulus", "glomeruli"):
        said.append(omitted)
    return " ".join(said)


def _none_spiked(record: CaseRecord) -> str:
    """That no glomerulus is called spiked, empty where none was scored."""
    scored = sum(one.call is not None for one in record.glomeruli)
    return f"Of {scored} scored, no glomerulus is called spiked." if scored else ""


def _portrait(one: CaseGlomerulus, record: CaseRecord, out: Path, pictures: _Pictures) -> dict[str, Any]:
    """What the template shows of a glomerulus."""
    numbers = slide_numbers(record)
    shown = most_suspicious(one)
    profiles = ", ".join(f"{numbers[p.image]}/{p.id}" for p in one.profiles)
    said = [f"shown: {numbers[shown.image]}/{shown.id}"]
    portrait = portray_profile(shown, record, out, PORTRAIT_PX)
    if portrait is not None:
        said[0] += f", {portrait.width_um:.0f} µm wide"
    said.append(f"profiles (slide/number): {profiles}")
    said += [match_words(one)] if len(one.profiles) > 1 else []
    content = {"name": f"Glomerulus {one.id}", "said": glomerulus_words(one), "more": "; ".join(said)}
    if portrait is None:
        return content | {"picture": None, "tiles": []}
    tiles = [
        {
            "x": tile.left,
            "y": tile.top,
            "width": tile.width,
            "height": tile.height,
            "picture": pictures.add(tile.jpeg),
            "said": f"{tile.probability:.2f}",
        }
        for tile in portrait.tiles
    ]
    return content | {"picture": pictures.add(portrait.jpeg), "aspect": portrait.aspect, "tiles": tiles}


def _sentences(said: Sequence[str], room: Room) -> list[str]:
    """As many as there is room for, and how many are omitted."""
    shown = [one if len(one) <= LONGEST else f"{one[: LONGEST - 1]}…" for one in said[: room.sentences]]
    more = _more(len(said) - room.sentences, "sentence")
    return [*shown, more] if more else shown


def _more(count: int, what: str, many: str = "") -> str:
    """That so many are omitted, empty where none is."""
    if count <= 0:
        return ""
    return f"{count} more {what if count == 1 else many or what + 's'} in report.html."
