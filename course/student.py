"""The student's version of a lab, by nbgrader's own preprocessors."""

import copy

from nbformat import NotebookNode
from nbgrader.preprocessors import ClearHiddenTests, ClearOutput, ClearSolutions, ComputeChecksums, LockCells
from traitlets.config import Config

from course.project import Course


def stubs(course: Course, language: str) -> Config:
    """nbgrader's configuration that leaves stubs in the notebook's language."""
    words = course.config["languages"][language]
    config = Config()
    config.ClearSolutions.code_stub = {"python": f'# {words["stub"]}\nraise NotImplementedError("{words["not_done"]}")'}
    config.ClearSolutions.text_stub = words["written"]
    return config


def student_version(course: Course, solution: NotebookNode, language: str) -> NotebookNode:
    """The lab without answers, hidden tests and outputs; what is graded is locked."""
    lab = copy.deepcopy(solution)
    config = stubs(course, language)
    for preprocessor in (LockCells, ClearSolutions, ClearOutput, ComputeChecksums, ClearHiddenTests, ComputeChecksums):
        lab, _ = preprocessor(config=config).preprocess(lab, {})
    for cell in lab.cells:
        cell.metadata.pop("alt", None)  # no figure yet
    return lab
