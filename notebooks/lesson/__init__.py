"""What the notebooks share: source beside a formula, pictures, controls, and graded exercises."""

import os

from notebooks.lesson.code import source
from notebooks.lesson.display import explore, picture
from notebooks.lesson.exercise import Exercise, Grade

QUICK = os.environ.get("MANUALNN_QUICK", "") not in ("", "0")  # everything once, and little of it

__all__ = ["QUICK", "Exercise", "Grade", "explore", "picture", "source"]
