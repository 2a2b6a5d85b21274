"""What a minute of training gives CharRNN, beside counts of n characters: `python -m benchmarks.text`, of `make bench`.

On the documentation in this Python. Writes text.json and text.md.
"""

import json
import os
import platform
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from benchmarks import n_grams
from dgm_tfp import commands, data, models, training
from dgm_tfp.data import text as texts

FOLDER = Path(__file__).parent
SECONDS, MOMENTS, ORDERS = 60.0, 8, (0, 1, 2, 3, 4, 5)
BAR = 2  # the order to beat
HIDDEN, LENGTH, BATCH, PEAK = 192, 64, 32, 1e-2
PROMPT, DRAWN, TEMPERATURE = "The ", 600, 0.7


def main() -> None:
    result = learn()
    (FOLDER / "text.json").write_text(json.dumps(result, indent=2) + "\n")
    (FOLDER / "text.md").write_text(markdown(result))
    print(markdown(result))


class Curve(keras.callbacks.Callback):
    """Bits per character of held-out text at several moments; the budget's clock stands still meanwhile.

    Args:
      model: of the windows of `x`; takes the weights of the one in training, whose windows may be shorter.
      x: windows of held-out text.
      budget: the callback before this one.
    """

    def __init__(self, model: models.CharRNN, x, budget: training.Budget):
        super().__init__()
        self.measured, self.x, self.budget, self.rows = model, x, budget, []

    def on_train_batch_end(self, batch, logs=None):
        if self.budget.spent * MOMENTS < len(self.rows) + 1:
            return
        began = time.monotonic()
        self.measured.set_weights(self.model.get_weights())
        bits = float(self.measured.bits_per_dim(self.x).mean())
        self.rows.append(
            {"seconds": round(self.budget.elapsed, 1), "updates": self.budget.step, "bits": round(bits, 3)}
        )
        self.budget.started += time.monotonic() - began


def learn() -> dict:
    text = data.load_text()
    train, test = text.windows("train", LENGTH), text.windows("test")
    model, measured = (models.CharRNN((length,), text.vocabulary, hidden=HIDDEN) for length in (LENGTH, texts.LENGTH))
    schedule = training.WarmUpCosine(PEAK)
    model.compile(optimizer=training.adam(schedule))
    budget = training.Budget(SECONDS, schedule)
    curve = Curve(measured, test, budget)
    training.fit(model, training.batches(train, BATCH, seed=0), budget, curve)
    counted = {order: n_grams.bits_per_character(train, test, order, len(text.vocabulary)) for order in ORDERS}
    return {
        "source": texts.note("python_docs"),
        "characters": len(text.vocabulary),
        "train": train.size,
        "test": test.size,
        "weights": model.count_params(),
        "epochs": round(budget.step * BATCH / len(train), 1),
        "curve": curve.rows,
        "n_grams": {str(order): round(bits, 3) for order, bits in counted.items()},
        "met": curve.rows[-1]["bits"] < counted[BAR],
        "drawn": model.generate(PROMPT, DRAWN, TEMPERATURE, seed=0),
    }


def markdown(result: dict) -> str:
    last = result["curve"][-1]
    lines = [
        "# What CharRNN learns in a minute",
        "",
        f"`make bench` writes this page and `text.json`. A GRU of {HIDDEN} units, {result['weights']:,} weights, on",
        f"{result['source']}: {result['train']:,} characters of {result['characters']} kinds,",
        f"{result['epochs']} times over in windows of {LENGTH}, batches of {BATCH}, tracing included. Bits per",
        f"character of {result['test']:,} held-out ones in windows of {texts.LENGTH}, nothing known before a window.",
        "",
        "| seconds | updates | bits per character |",
        "|---|---|---|",
        *(f"| {r['seconds']} | {r['updates']} | {r['bits']} |" for r in result["curve"]),
        "",
        "Counts of n characters with the smoothing of Witten and Bell, on the same windows:",
        "",
        "| characters of context | bits per character |",
        "|---|---|",
        *(f"| {order} | {bits} |" for order, bits in result["n_grams"].items()),
        "",
        f"The bar: below the counts of {BAR} characters of context after {SECONDS:.0f} seconds. {last['bits']}: "
        + ("met." if result["met"] else "**not met.**"),
        "",
        f"Drawn after {PROMPT!r} at temperature {TEMPERATURE}:",
        "",
        "```text",
        PROMPT + result["drawn"],
        "```",
    ]
    versions = ", ".join(f"{name} {version}" for name, version in commands.versions().items())
    return "\n".join([*lines, "", f"{versions}; {platform.machine()}, {commands.device()}.", ""])


if __name__ == "__main__":
    main()
