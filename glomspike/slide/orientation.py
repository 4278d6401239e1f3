"""Pictures that are tagged to be shown turned or mirrored: they are read as stored, and a note says so."""

UPRIGHT = 1  # of the TIFF and EXIF tag; 0 is none


def turned_notes(kind: str, orientation: int) -> tuple[str, ...]:
    """A note where a file's tag, which is TIFF's or EXIF's, asks for another orientation than the stored."""
    if orientation in (0, UPRIGHT):
        return ()
    tag = f"{kind} orientation {orientation}"
    return (f"the file is tagged to be shown turned ({tag}); it was read as stored, as most viewers do",)
