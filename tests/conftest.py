"""For every test: it cannot hang the suite, and its numeric libraries use one thread."""

import os

# Before numpy, torch and onnxruntime are imported, and for child processes: parallel workers share
# the cores, and sums come out in one order everywhere.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ["hang_guard"]
