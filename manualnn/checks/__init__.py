"""Proofs that a hand-derived gradient is the derivative."""

from manualnn.checks.conduct import backward_operations, foreign_nodes, graph_nodes
from manualnn.checks.layouts import layouts
from manualnn.checks.numbers import difference_quotient
from manualnn.checks.proof import prove

__all__ = [
    "backward_operations",
    "difference_quotient",
    "foreign_nodes",
    "graph_nodes",
    "layouts",
    "prove",
]
