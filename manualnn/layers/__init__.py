"""Layers: a file is a family of layers, from its derivation to its modules."""
