"""Finds glomeruli in silver-stained kidney slides and scores them for membranous spikes.

Importing it readies the process for PyTorch and OpenCV, whichever command or worker it is.
"""

import gc
import os

__version__ = "0.1.0"

# PyTorch brings some million objects that stay; looking through them for garbage as they come takes a second.
gc.set_threshold(50_000)
# PyTorch asks the system for large arrays in large pages, where Linux has them; read before its first array.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
# On the CPU its threads wait for one another busily: less long, so that those that read and write get on.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")
# What OpenCV does here is done for several pictures at a time: threads of its own get in the others' way.
os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
