"""Proofs that a gradient is the derivative, and a doctor that says why where it is not."""

from manualnn.checks.doctor import check_function, check_model, check_module
from manualnn.checks.graph import backward_operations, foreign_nodes, graph_nodes
from manualnn.checks.layouts import layouts
from manualnn.checks.numbers import difference_quotient
from manualnn.checks.proof import prove
from manualnn.checks.report import Diagnosis, Finding, GradientError, Report

__all__ = [
    "Diagnosis",
    "Finding",
    "GradientError",
    "Report",
    "backward_operations",
    "check_function",
    "check_model",
    "check_module",
    "difference_quotient",
    "foreign_nodes",
    "graph_nodes",
    "layouts",
    "prove",
]
