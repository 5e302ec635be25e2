"""Proofs that a hand-derived gradient is the derivative."""

from manualnn.checks.graph import backward_operations, foreign_nodes, graph_nodes
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
