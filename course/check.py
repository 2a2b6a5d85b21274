"""Everything that must hold before a commit, without running a notebook (nbval does that)."""

from course.checks.generated import exact_in_both_languages, executed, fit_to_commit, up_to_date
from course.checks.labs import nothing_leaks, points_add_up
from course.checks.languages import same_in_every_language
from course.checks.links import links_resolve
from course.checks.words import one_word_for_a_thing
from course.project import Course

CHECKS = (
    up_to_date,
    executed,
    exact_in_both_languages,
    fit_to_commit,
    same_in_every_language,
    nothing_leaks,
    points_add_up,
    one_word_for_a_thing,
    links_resolve,
)


def check(course: Course) -> list[str]:
    """The problems found, a line each; empty where all is well."""
    return [problem for look in CHECKS for problem in look(course)]
