"""Reading handwritten digits: ``python -m recipes.digits fit --config recipes/digits/configs/digits.yaml``."""
