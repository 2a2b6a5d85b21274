"""The one error that a person sees."""


class CourseError(Exception):
    """A mistake that the caller can mend: one line with the fact, what was expected, the remedy."""
