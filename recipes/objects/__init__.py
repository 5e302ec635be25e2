"""Finding objects in pictures: ``python -m recipes.objects --help``."""
