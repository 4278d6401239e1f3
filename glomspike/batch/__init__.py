"""Many slides: which there are, who works on them, and what became of each.

Importing it sets up the process, because workers are started by libraries that import it first.
"""

from glomspike.batch.process import prepare_process

prepare_process()
