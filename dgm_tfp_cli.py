"""The command `dgm-tfp`: its arguments, its signals, its exit codes.

A module beside the package, because `import dgm_tfp` imports TensorFlow (Keras can load a saved model only after the
model's class was imported), and neither `--help` nor a wrong option should wait for that, nor Ctrl-C meanwhile end in
a traceback.
"""

import argparse
import contextlib
import math
import os
import signal
import sys
import threading


class Parser(argparse.ArgumentParser):
    """Tells a mistake in one line, without the usage."""

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


class StopOnSignal:
    """A context in which Ctrl-C and SIGTERM set an event instead of killing the program; a second one kills it."""

    def __init__(self, signals=(signal.SIGINT, signal.SIGTERM)):
        self.signals, self.event, self.received = signals, threading.Event(), None

    def __enter__(self):
        self.old = {number: signal.signal(number, self._handle) for number in self.signals}
        return self

    def __exit__(self, *exc):
        for number, handler in self.old.items():
            signal.signal(number, handler)

    def _handle(self, number, frame):
        if self.event.is_set():
            raise KeyboardInterrupt
        self.received = number
        self.event.set()

    @property
    def exit_code(self) -> int:
        """128 + the signal's number, as shells count."""
        return 128 + (self.received or signal.SIGINT)


def parser() -> Parser:
    """The arguments of `dgm-tfp`."""
    main = Parser(prog="dgm-tfp", description="Deep generative models: do they know what they don't know?")
    main.add_argument(
        "--version", action="store_true", help="versions of the package, TensorFlow, Keras, TFP; the device"
    )
    commands = main.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)

    ood = commands.add_parser(
        "ood",
        help="train a Glow on one data set and see which of two it finds more likely",
        description="Trains a Glow on one data set, measures the likelihood of its test images and of another data "
        "set, and writes a report. NAME is a data set (see `dgm-tfp data`) or a .npz or .npy file of byte images. "
        "Ctrl-C stops the training early and keeps the report.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    ood.add_argument("--train", default="fashion_mnist", metavar="NAME", help="data to train on")
    ood.add_argument("--test", default="mnist", metavar="NAME", help="the other data")
    ood.add_argument("--out", default="ood-report", metavar="DIR", help="folder of the report")
    ood.add_argument(
        "--profile",
        choices=("smoke", "laptop", "gpu"),
        help="how much to compute (default: $DGM_TFP_PROFILE or laptop)",
    )
    ood.add_argument("--minutes", type=_minutes, help="minutes of training (default: of the profile)")
    ood.add_argument("--levels", type=_count, help="scales of the Glow (default: up to 3, as the image allows)")
    ood.add_argument("--steps", type=_count, help="steps of flow at each scale (default: of the profile)")
    ood.add_argument("--filters", type=_count, help="hidden channels of the couplings (default: of the profile)")
    ood.add_argument("--coupling", choices=("affine", "additive"), default="affine", help="additive: constant volume")
    ood.add_argument("--seed", type=_seed, default=0, help="of weights, data order and noise")
    ood.add_argument(
        "--source", choices=("auto", "tfds", "embedded"), default="auto", help="where named data come from"
    )
    ood.add_argument("--quiet", action="store_true", help="no progress bar")

    commands.add_parser("data", help="what data there are, from where, how to get the rest")
    return main


def main(argv: list[str] | None = None) -> int:
    """Runs the command. Returns 0; 2 on a mistake in the input, told in one line; 128 + n when stopped by signal n."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's start-up chatter; before it is imported
    arguments = parser()
    args = arguments.parse_args(argv)
    if not (args.command or args.version):
        arguments.print_help()
        return 0
    with StopOnSignal() as stop:
        try:
            return _run(args, stop)
        except KeyboardInterrupt:
            print("\ndgm-tfp: interrupted", file=sys.stderr)
            return stop.exit_code


@contextlib.contextmanager
def _silent_stderr():
    """Drops what C++ code writes to standard error: TensorFlow tells of its start, and no setting stops it."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _run(args: argparse.Namespace, stop: StopOnSignal) -> int:
    with _silent_stderr():
        from dgm_tfp import commands
        from dgm_tfp.errors import InputError

    try:
        if args.version:
            commands.version()
        elif args.command == "data":
            commands.data()
        elif commands.ood(args, stop.event):
            return stop.exit_code
    except InputError as error:
        print(f"dgm-tfp: error: {error}", file=sys.stderr)
        return 2
    return 0


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 2**31 - 1")
    return int(text)


def _minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes above 0")
    return value


if __name__ == "__main__":
    sys.exit(main())
