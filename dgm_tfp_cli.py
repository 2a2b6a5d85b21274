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


class Help(argparse.ArgumentDefaultsHelpFormatter):
    """Tells the defaults that there are: a help that has its own words on a default has None for it."""

    def _get_help_string(self, action):
        return action.help if action.default is None else super()._get_help_string(action)


class StopOnSignal:
    """A context in which Ctrl-C and SIGTERM set an event instead of killing the program; a second one kills it."""

    def __init__(self, signals=(signal.SIGINT, signal.SIGTERM)):
        self.signals, self.event, self.received = signals, threading.Event(), None
        self.at_once = False  # there is nothing to save: the first signal ends the program

    def __enter__(self):
        self.old = {number: signal.signal(number, self._handle) for number in self.signals}
        return self

    def __exit__(self, *exc):
        for number, handler in self.old.items():
            signal.signal(number, handler)

    def _handle(self, number, frame):
        again = self.event.is_set()
        self.received = self.received or number
        self.event.set()
        if again or self.at_once:
            raise KeyboardInterrupt

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
        "set, and writes a report. NAME is a data set (see `dgm-tfp data`), a .npz or .npy file of byte images, or a "
        "folder of PNG or JPEG files. With --model nothing is trained: any model with a likelihood is measured. "
        "Ctrl-C stops the training early and keeps the report.",
        formatter_class=Help,
    )
    ood.add_argument(
        "--train",
        metavar="NAME",
        help="data to train on, or what --model was trained on (default: fashion_mnist, or what its folder says)",
    )
    ood.add_argument("--test", default="mnist", metavar="NAME", help="the other data")
    ood.add_argument("--out", default="ood-report", metavar="DIR", help="folder of the report")
    ood.add_argument(
        "--model",
        metavar="PATH",
        help="a trained model: a folder of `dgm-tfp train` or `ood`, a .keras file, or a SavedModel with log_prob",
    )
    ood.add_argument("--import", metavar="MODULE", help="a module that registers the classes of a .keras file")
    _add_resize(ood)
    _add_profile(ood)
    _add_minutes(ood)
    ood.add_argument("--levels", type=_count, help="scales of the Glow (default: up to 3, as the image allows)")
    ood.add_argument("--steps", type=_count, help="steps of flow at each scale (default: of the profile)")
    ood.add_argument("--filters", type=_count, help="hidden channels of the couplings (default: of the profile)")
    ood.add_argument("--coupling", choices=("affine", "additive"), help="additive: constant volume (default: affine)")
    ood.add_argument("--seed", type=_seed, default=0, help="of weights, data order and noise")
    _add_source(ood, default="auto")
    _add_quiet(ood)

    study = commands.add_parser(
        "ood-study",
        help="the whole paper in one run: every model, pair and score",
        description="Runs the experiments of Nalisnick et al. (2019), \"Do Deep Generative Models Know What They Don't "
        'Know?", and the detectors that came after it, on the data that are on this machine: it never downloads, and '
        "what needs other data is reported as not run. Writes DIR: report.html, report.json, figures, models. Ctrl-C "
        "keeps the finished experiments and reports them; the same command goes on from there. On two idle cores "
        "smoke takes at most 4 minutes, laptop 45.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    study.add_argument("--out", default="ood-study", metavar="DIR", help="folder of the study: new, or to go on with")
    study.add_argument(
        "--only",
        default=argparse.SUPPRESS,
        metavar="NAME[,NAME]",
        help="these experiments only (default: all that are not finished)",
    )
    study.add_argument("--list", action="store_true", help="name the experiments, and what they miss here, and end")
    _add_profile(study)
    study.add_argument("--seed", type=_seed, default=0, help="of weights, data order and noise")
    _add_source(study, default="auto")
    _add_quiet(study)

    train = commands.add_parser(
        "train",
        help="train a model and keep it in a folder",
        description="Trains a model and writes DIR: model.keras, config.json, history.csv, checkpoints, and logs for "
        "TensorBoard (pip install tensorboard, to look at them). NAME is a data set (see `dgm-tfp data`), a .npz or "
        ".npy file of byte images, a folder of PNG or JPEG files, or a .txt file. Ctrl-C stops the training and saves "
        "the model. A killed run loses at most 20 seconds of training: --resume goes on from its last checkpoint, with "
        "the settings that DIR holds.",
    )
    train.add_argument(
        "model",
        metavar="MODEL",
        help="glow, real_nvp, maf, iaf, vae, pixelcnn, gan, autoencoder, denoising_autoencoder or char_rnn",
    )
    train.add_argument("--data", metavar="NAME", help="data to train on")
    train.add_argument("--out", required=True, metavar="DIR", help="folder of the run: new, or empty")
    train.add_argument("--resume", action="store_true", help="go on with the run in DIR")
    _add_profile(train)
    length = train.add_mutually_exclusive_group()
    _add_minutes(length)
    length.add_argument(
        "--updates", type=_count, help="training steps, instead of minutes: the same weights every time"
    )
    train.add_argument(
        "--set", action="append", metavar="OPTION=VALUE", help="an option of the model, as steps=8; may be repeated"
    )
    _add_resize(train)
    train.add_argument("--seed", type=_seed, help="of weights, data order and noise (default: 0)")
    _add_source(train, default=None)
    _add_quiet(train)

    sample = commands.add_parser(
        "sample",
        help="draw from a trained model",
        description="Draws from the model in DIR, of `dgm-tfp train` or `dgm-tfp ood`: a sheet of images, a scatter of "
        "points, or text.",
        formatter_class=Help,
    )
    sample.add_argument("dir", metavar="DIR", help="folder of the model")
    sample.add_argument(
        "--out",
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="a picture, .png, or of text a .txt (default: samples.png or samples.txt)",
    )
    sample.add_argument("--n", type=_count, default=64, help="how many")
    sample.add_argument("--seed", type=_seed, default=0, help="the same seed draws the same")

    score = commands.add_parser(
        "score",
        help="the log-likelihood of each example of a data set",
        description="Writes log p(x) in nats and bits per dimension of each example as CSV, and prints their mean, "
        "standard error and quantiles. DIR holds a model of `dgm-tfp train` or `dgm-tfp ood`.",
        formatter_class=Help,
    )
    score.add_argument("dir", metavar="DIR", help="folder of the model")
    score.add_argument("--data", metavar="NAME", help="data to score (default: what the model was trained on)")
    score.add_argument(
        "--split",
        choices=("train", "test", "other"),
        help="which part of the data; other: all of a folder that was not trained on (default: test, or other of data "
        "that the model was not trained on)",
    )
    _add_resize(score)
    score.add_argument("--out", default="scores.csv", metavar="CSV", help="the table")
    score.add_argument("--seed", type=_seed, default=0, help="of the dequantization noise")
    _add_source(score, default="auto")

    commands.add_parser("data", help="what data there are, from where, how to get the rest")
    return main


def _add_profile(command) -> None:
    names = ("smoke", "laptop", "gpu")
    command.add_argument("--profile", choices=names, help="how much to compute (default: $DGM_TFP_PROFILE or laptop)")


def _add_resize(command) -> None:
    command.add_argument(
        "--resize",
        type=_size,
        metavar="HxW",
        help="shrink the middle of every image to this height and width (default: as they are, or as in the training)",
    )


def _add_minutes(command) -> None:
    command.add_argument("--minutes", type=_minutes, help="minutes of training (default: of the profile)")


def _add_source(command, default: str | None) -> None:
    names = ("auto", "tfds", "embedded")
    command.add_argument("--source", choices=names, default=default, help="where named data come from")


def _add_quiet(command) -> None:
    command.add_argument("--quiet", action="store_true", help="no progress bar")


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
        from dgm_tfp import commands, model_commands
        from dgm_tfp.errors import InputError
        from dgm_tfp.study import command

    try:
        if args.version:
            commands.version()
        elif args.command == "data":
            commands.data()
        elif args.command in ("ood", "ood-study", "train"):
            job = {"ood": commands.ood, "ood-study": command.study, "train": model_commands.train}[args.command]
            if job(args, stop.event):
                return stop.exit_code
        else:
            stop.at_once = True
            if stop.event.is_set():
                raise KeyboardInterrupt
            (model_commands.sample if args.command == "sample" else model_commands.score)(args)
    except InputError as error:
        print(f"dgm-tfp: error: {error}", file=sys.stderr)
        return 2
    return 0


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    try:
        return _count(height), _count(width)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a height and a width, as 32x32") from None


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
