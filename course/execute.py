"""Runs a notebook in a fresh kernel, and keeps of its outputs what is worth committing."""

import os
import tempfile
from typing import Any

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from course.errors import CourseError

PNG = "image/png"
WIDGET = "application/vnd.jupyter.widget-view+json"


def execute(
    notebook: NotebookNode, label: str, profile: str = "laptop", timeout: int = 300, allow_errors: bool = False
) -> NotebookNode:
    """Executes `notebook` in place, in an empty folder: a notebook must not need the repository.

    Args:
      label: what to call it in an error.
      profile: DGM_TFP_PROFILE for the kernel.
      timeout: seconds for a cell.
      allow_errors: go on after a cell that raises.
    """
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=timeout,
            allow_errors=allow_errors,
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": folder}},
            extra_arguments=["--log-level=ERROR"],
        )
        try:
            client.execute(env=kernel_environment(profile))
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            raise CourseError(f"{label} does not run: {error}") from error
    for cell in notebook.cells:
        if warning := next((line for line in _stderr(cell) if "Warning" in line), None):
            raise CourseError(f"{label}: cell {cell.id} warns: {warning}. A reader would see it; mend the cell.")
    clean(notebook)
    return notebook


def kernel_environment(profile: str) -> dict[str, str]:
    """The environment of a kernel: the profile, and TensorFlow's log lines off."""
    return {**os.environ, "DGM_TFP_PROFILE": profile, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONHASHSEED": "0"}


def clean(notebook: NotebookNode) -> None:
    """Drops what differs between two runs: progress bars, log lines, the kernel's exact version.

    A cell's alternative text moves to the figure that the cell drew, where nbconvert looks for it.
    """
    notebook.metadata.language_info = NotebookNode(name="python")
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.metadata.pop("execution", None)
        cell.outputs = [output for output in cell.outputs if not _passing(output)]
        if alt := cell.metadata.pop("alt", None):
            for figure in figures(cell):
                figure["metadata"] = NotebookNode({PNG: {"alt": alt}})


def figures(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """The outputs of a cell that are figures."""
    return [output for output in cell.get("outputs", []) if PNG in output.get("data", {})]


def figure_alt(cell: dict[str, Any]) -> str | None:
    """The alternative text of the figures that a cell drew."""
    alts = [figure["metadata"].get(PNG, {}).get("alt") for figure in figures(cell)]
    return alts[0] if alts and all(alts) else None


def _stderr(cell: dict[str, Any]) -> list[str]:
    texts = [output["text"] for output in cell.get("outputs", []) if output.get("name") == "stderr"]
    return "".join(texts).splitlines()


def _passing(output: dict[str, Any]) -> bool:
    return output.get("name") == "stderr" or WIDGET in output.get("data", {})
