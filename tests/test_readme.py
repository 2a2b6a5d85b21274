"""The two READMEs: the same content, code that runs, commands and links that exist."""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import dgm_tfp_cli

ROOT = Path(__file__).resolve().parents[1]
READMES = ("README.md", "README.ru.md")


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def code(name: str) -> str:
    (block,) = re.findall(r"```python\n(.*?)```", text(name), re.DOTALL)
    return block


def commands(name: str) -> list[str]:
    return [line.split("#")[0].strip() for line in re.findall(r"^    ((?:make|dgm-tfp) .*)", text(name), re.MULTILINE)]


def test_both_languages_say_the_same():
    english, russian = READMES
    assert ast.dump(ast.parse(code(english))) == ast.dump(ast.parse(code(russian)))
    assert commands(english) == commands(russian)
    for pattern in (r"^#+ ", r"^\|", r"^    \S", r"!\["):
        counts = [len(re.findall(pattern, text(name), re.MULTILINE)) for name in READMES]
        assert counts[0] == counts[1] > 0, pattern
    found = (re.findall(r"\d+[.,]\d+", text(name).replace(",000", "000")) for name in READMES)
    numbers = [sorted(number.replace(",", ".") for number in each) for each in found]
    assert numbers[0] == numbers[1]


@pytest.mark.slow
def test_the_code_runs(tmp_path):
    subprocess.run([sys.executable, "-c", code("README.md")], check=True, cwd=tmp_path)
    assert (tmp_path / "glow.keras").is_file()


def test_the_commands_exist():
    makefile = text("Makefile")
    seen = commands("README.md")
    assert len(seen) >= 8
    for command in seen:
        program, *arguments = shlex.split(command)
        if program == "make":
            assert re.search(rf"^{arguments[0]}:.*## ", makefile, re.MULTILINE), command
        elif "--help" not in arguments:
            dgm_tfp_cli.parser().parse_args(arguments)


@pytest.mark.parametrize("name", [*READMES, "CONTRIBUTING.md"])
def test_links_and_pictures_exist(name):
    links = re.findall(r"\]\(([^)]+)\)", text(name))
    for link in links:
        if not link.startswith("https://"):
            assert (ROOT / link).exists(), link
