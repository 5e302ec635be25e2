"""Reading handwritten digits: ``python -m recipes.digits --help``."""
