from .catalogue import Lesson, LessonTable, lessons
from .guesses import Guesses, Question
from .panel import Panel
from .picture import Picture
from .texts import Lang

__all__ = ["Guesses", "Lang", "Lesson", "LessonTable", "Panel", "Picture", "Question", "lessons"]
