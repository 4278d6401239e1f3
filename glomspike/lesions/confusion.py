"""The confusion of a lesion classifier as a picture."""

import io

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from glomspike.findings import RGB


def confusion_picture(confusion: NDArray[np.intp], classes: tuple[str, ...]) -> RGB:
    """Counts of true classes (rows) and predicted ones (columns), shaded by their share of the row."""
    figure = Figure(figsize=(2.5 + len(classes), 2 + 0.8 * len(classes)), dpi=120, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(confusion):
        colour = "white" if share[row, column] > 0.5 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=colour)
    axes.set_xticks(range(len(classes)), classes, rotation=30, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    axes.set(xlabel="predicted", ylabel="true")
    drawn = io.BytesIO()
    figure.savefig(drawn, format="rgba")
    width_px, height_px = canvas.get_width_height()
    return np.frombuffer(drawn.getvalue(), np.uint8).reshape(height_px, width_px, 4)[..., :3]
