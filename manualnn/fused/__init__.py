"""Runs of layers as one Function each, with a backward pass of its own."""

from manualnn.fused.fusion import fuse, unfuse

__all__ = ["fuse", "unfuse"]
