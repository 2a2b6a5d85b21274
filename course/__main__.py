"""`python -m course`: the command line of the course's machinery."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from course.errors import CourseError
from course.project import here


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command. Returns the exit code: 0, 1 where a check found something, 2 for a mistake in the call."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except CourseError as error:
        print(f"course: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m course", description=__doc__.split(": ")[1])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    build = commands.add_parser("build", help="write lectures, labs and solutions from the units")
    build.add_argument("unit", nargs="?", metavar="UNIT", help="a unit's name or number; all by default")
    build.add_argument("--force", action="store_true", help="execute also what did not change")
    build.set_defaults(run=_build)

    check = commands.add_parser("check", help="find what is out of date, differs between the languages, or leaks")
    check.set_defaults(run=_check)

    release = commands.add_parser("release", help="the labs to hand out, and nbgrader's course directory")
    release.add_argument("folder", type=Path, metavar="DIR", help="a new or empty folder")
    release.add_argument("--language", default="en", help="en by default")
    release.set_defaults(run=_release)

    grade = commands.add_parser("grade", help="points and feedback for a folder of submissions")
    grade.add_argument("submissions", type=Path, metavar="SUBMISSIONS", help="STUDENT/LAB.ipynb or STUDENT.ipynb")
    grade.add_argument("--out", type=Path, default=Path("grades"), help="where results go (grades)")
    grade.add_argument("--seconds", type=int, default=300, help="time limit of a submission (300)")
    grade.add_argument("--jobs", type=int, default=2, help="submissions graded at a time (2)")
    grade.set_defaults(run=_grade)

    site = commands.add_parser("site", help="the web site, from the committed notebooks")
    site.add_argument("--out", type=Path, default=Path("_site"), help="where it goes (_site)")
    site.set_defaults(run=_site)

    slides = commands.add_parser("slides", help="a lecture as reveal.js slides")
    slides.add_argument("unit", metavar="UNIT", help="a unit's name or number")
    slides.add_argument("--language", default="en", help="en by default")
    slides.add_argument("--out", type=Path, default=Path("_slides"), help="where they go (_slides)")
    slides.set_defaults(run=_slides)

    return parser


# A command imports what it needs when it runs: `--help` should not wait for nbgrader.


def _build(arguments) -> int:
    from course.build import build

    written = build(here(), arguments.unit, arguments.force)
    for path in written:
        print(path.relative_to(here().root))
    return 0


def _check(arguments) -> int:
    from course.check import check

    problems = check(here())
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems" if problems else "no problems")
    return 1 if problems else 0


def _release(arguments) -> int:
    from course.release import release

    for path in release(here(), arguments.folder, arguments.language):
        print(path)
    return 0


def _grade(arguments) -> int:
    from course.grade import grade

    print(grade(here(), arguments.submissions, arguments.out, seconds=arguments.seconds, jobs=arguments.jobs))
    return 0


def _site(arguments) -> int:
    from course.site import site

    print(site(here(), arguments.out))
    return 0


def _slides(arguments) -> int:
    from course.slides import slides

    print(slides(here(), arguments.unit, arguments.language, arguments.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
