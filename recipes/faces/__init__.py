"""Recognising faces: ``python -m recipes.faces --help``."""
