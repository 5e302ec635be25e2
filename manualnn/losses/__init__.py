"""Losses: a file is a loss, from its derivation to its module."""
