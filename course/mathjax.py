"""MathJax, from the package that carries it."""

import shutil
from importlib.util import find_spec
from pathlib import Path

from course.errors import CourseError


def copy_mathjax(folder: Path) -> None:
    """MathJax, as far as a page can ask for it: formulas as HTML with fonts, and the parts that it loads by need."""
    package = find_spec("sphinx-mathjax-offline")  # not a name that `import` takes
    if package is None or package.origin is None:
        raise CourseError("sphinx-mathjax-offline is not installed; pip install -c constraints.txt '.[course]'.")
    source = Path(package.origin).parent / "static" / "mathjax"
    for part in ("a11y", "input/tex/extensions", "output/chtml/fonts", "sre"):
        shutil.copytree(source / part, folder / part)
    shutil.copyfile(source / "tex-chtml.js", folder / "tex-chtml.js")
