"""Benchmarks: hand-derived layers beside torch.nn, in one process, in turns."""

import recipes  # noqa: F401  (huge pages, which torch reads when it is imported)
