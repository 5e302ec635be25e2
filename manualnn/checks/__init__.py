"""Proofs that a hand-derived gradient is the derivative."""

from manualnn.checks.numbers import difference_quotient

__all__ = ["difference_quotient"]
