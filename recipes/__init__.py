"""Recipes: networks of manualnn layers that are trained and used, each a folder of its own."""

import os

# Huge pages for large tensors (Linux): page faults would cost as much as the arithmetic. torch
# reads this when it is imported.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
