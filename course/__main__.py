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

    return parser


# A command imports what it needs when it runs: `--help` should not wait for nbgrader.


def _build(arguments) -> int:
    from course.build import build

    written = build(here(), arguments.unit, arguments.force)
    for path in written:
        print(path.relative_to(here().root))
    return 0


if __name__ == "__main__":
    sys.exit(main())
