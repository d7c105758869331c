"""The command line: the only entry points. Hydra and torch are imported late, when a run needs them."""

import os

# Before torch is imported, which reads it once: GNU OpenMP's threads wait for each other by spinning for
# billions of rounds by default. Where others use the cores, that makes 40 ms of a round of 1.3 ms; this
# many cost nothing on an idle machine (LOG.md).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
# cuBLAS reads it with a process's first product, and a sweep's first run need not be the deterministic one.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
