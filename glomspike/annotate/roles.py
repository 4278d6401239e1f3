"""What a layer is for, as its name says: people spell it their way, and QuPath derives classes from it."""

from collections.abc import Sequence
from typing import Literal

from glomspike.annotate.marks import (
    AREA,
    LESION_PREFIX,
    NOT_REVIEWED,
    OTHER,
    OUTLINES,
    SPIKE_TILES,
    SPIKED,
    UNCERTAIN,
    UNDETERMINED,
    Style,
)
from glomspike.findings import Label

# Labels are those of a layer's glomeruli.
Role = Literal[Label, "outline", "box", "area", "lesion", "not reviewed"]

_STYLES: dict[Style, Role] = {
    SPIKED: "spiked",
    OTHER: "normal",
    UNCERTAIN: "undetermined",
    UNDETERMINED: "undetermined",
    OUTLINES: "outline",
    SPIKE_TILES: "box",
    AREA: "area",
    NOT_REVIEWED: "not reviewed",
}
_ROLES = {style.name.casefold(): role for style, role in _STYLES.items()}
_LESION = LESION_PREFIX.strip().casefold()


def role_of(name: str) -> Role | None:
    """What the layer of a name is for, None where the name is not one of glomspike's.

    "Spiked glomeruli: sure", which QuPath shows as a class derived from "Spiked glomeruli", is for what
    that is for.
    """
    if name.strip().casefold().startswith(_LESION):
        return "lesion" if lesion_of(name) else None
    return _ROLES.get(name.strip().casefold()) or _ROLES.get(_base(name).casefold())


def lesion_of(name: str) -> str:
    """The lesion that a layer of lesions is named after."""
    return name.strip()[len(_LESION) :].strip()


def notes_on_names(names: Sequence[str]) -> list[str]:
    """What to say of the names of layers in which something is drawn, where they were taken for others.

    In a file without any of glomspike's layers, shapes are taken for what they look like.
    """
    derived = [name for name in names if role_of(name) and role_of(name) != "lesion" and not _is_plain(name)]
    notes = [f"layer {name!r} is read as {_base(name)!r}" for name in derived]
    if names and not any(map(role_of, names)):
        listed = ", ".join(map(repr, names))
        taken = "larger shapes are glomeruli without a label, small rectangles are boxes on spikes"
        notes.append(f"the file has none of glomspike's layers; in {listed}, {taken}")
    return notes


def _base(name: str) -> str:
    return name.partition(":")[0].strip()


def _is_plain(name: str) -> bool:
    return name.strip().casefold() in _ROLES
