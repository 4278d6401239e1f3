# %% [markdown]
# # glomspike from Python
#
# Run it whole, `python examples/analyse.py SLIDE`, or cell by cell in an editor that knows `# %%` cells
# (VS Code, PyCharm, Spyder, or Jupyter with jupytext).

# %%
import sys
from pathlib import Path

import glomspike

ROOT = Path(__file__).parent
SLIDE = sys.argv[1] if len(sys.argv) > 1 else ROOT / "phantom.svs"

# %% [markdown]
# Models are loaded once, and then used for any number of slides. `device="auto"` takes a GPU that works.

# %%
models = glomspike.load_models(device="auto")

# %% [markdown]
# A slide knows its size and µm per pixel. Give `open_slide` an `mpp` for a file that does not.

# %%
slide = glomspike.open_slide(SLIDE)
print(
    f"{slide.facts.name}: {slide.facts.width0} x {slide.facts.height0} px, {slide.facts.mpp.mean:.3f} µm/px"
)

# %% [markdown]
# The main job, without a folder of results. The numbers are those of `glomeruli.csv`: it is the same code.

# %%
found = glomspike.analyse(slide, models)
for warning in found.warnings:
    print("warning:", warning)

# %% [markdown]
# `found.glomeruli` are in reading order. Places are level-0 pixels, lengths are µm.

# %%
print("id        x        y  radius_um  area_um2  probability  spiked")
for glomerulus in found.glomeruli:
    circle, score = glomerulus.circle, glomerulus.judgement
    print(
        f"{glomerulus.id:2} {circle.x0:8.1f} {circle.y0:8.1f} {circle.radius_um:10.2f}"
        f" {glomerulus.outline.area_um2:9.0f}"
        + (f" {score.probability:12.4f}  {'yes' if score.spiked else 'no'}" if score else "   not scored")
    )

# %% [markdown]
# Pixels are read at any µm per pixel: here the first glomerulus, as an array (512, 512, 3) of RGB.

# %%
if found.glomeruli:
    first = found.glomeruli[0].circle
    side0 = 2.4 * first.radius_um / slide.facts.mpp.mean
    picture = slide.read(
        first.x0 - side0 / 2, first.y0 - side0 / 2, side0, side0, 2.4 * first.radius_um / 512
    )
    print("picture of the first:", picture.shape)

# %%
slide.close()
