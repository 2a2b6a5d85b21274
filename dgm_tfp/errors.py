"""One kind of error for what a person gave us and can mend."""


class InputError(ValueError):
    """A mistake in the input. Its message is one line: the fact, what was expected, the remedy.

    The command line prints it and exits with 2; anything else that is raised is a defect of ours.
    """
