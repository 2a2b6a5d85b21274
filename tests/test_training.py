"""The schedule, the budget and the clean stop."""

import threading
import time

import keras
import numpy as np
import pytest

from dgm_tfp import models, training
from tests.test_models import examples, glow


def test_the_schedule_rises_and_falls():
    schedule = training.WarmUpCosine(peak=1.0, warmup=4, floor=0.1)
    assert [float(schedule(step)) for step in (0, 1, 3, 10)] == pytest.approx([0.25, 0.5, 1.0, 1.0])
    schedule.spent.assign(0.5)
    assert float(schedule(10)) == pytest.approx(0.55)
    schedule.spent.assign(1.0)
    assert float(schedule(10)) == pytest.approx(0.1)


def test_the_optimizer_is_saved_with_its_schedule(tmp_path):
    model = glow()
    model.compile(optimizer=training.adam(training.WarmUpCosine(peak=3e-3)))
    model.fit(examples(model, 8), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.get_config()["learning_rate"]["config"]["peak"] == 3e-3
    assert loaded.optimizer.global_clipnorm == 100


def test_the_budget_ends_fit_in_time_and_drives_the_schedule():
    model, schedule = glow(), training.WarmUpCosine()
    model.compile(optimizer=training.adam(schedule))
    model.fit(examples(model, 16), batch_size=16, verbose=0)  # traced: on a busy machine that alone takes seconds
    budget = training.Budget(3.0, schedule, progress=False)
    model.fit(examples(model, 64), batch_size=16, epochs=10**6, verbose=0, callbacks=[budget])
    assert 3.0 <= budget.elapsed < 10
    assert budget.step > 20
    assert float(schedule.spent) == 1.0


def test_a_set_event_stops_after_the_step():
    model, stop = glow(), threading.Event()
    model.compile(optimizer=training.adam())
    budget = training.Budget(1000, progress=False, stop=stop)
    threading.Timer(2.0, stop.set).start()
    start = time.monotonic()
    model.fit(examples(model, 64), batch_size=16, epochs=10**6, verbose=0, callbacks=[budget])
    assert time.monotonic() - start < 30


def test_the_bar_shows_recent_bits_per_dim(capsys):
    model = glow()
    model.compile(optimizer=training.adam())
    model.fit(examples(model, 16), batch_size=16, verbose=0, callbacks=[training.Budget(100)])
    printed = capsys.readouterr().err
    assert "training" in printed
    assert "0/100 s" in printed


@pytest.mark.slow
def test_a_deep_flow_does_not_explode_in_the_warm_up(clothes):
    """48 steps of flow. Without the factor on the couplings the loss jumped to 3e6 bits per dimension at batch 30."""
    model = models.Glow((28, 28, 1), levels=2, steps=24, filters=64)
    model.adapt(clothes)
    model.compile(optimizer=training.adam())
    losses = []

    def record(batch, logs):
        losses.append(logs["bits_per_dim"])
        model.reset_metrics()

    model.fit(clothes, batch_size=16, verbose=0, callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=record)])
    assert len(losses) == 32
    assert max(losses) < 1.5 * losses[0]
    assert np.mean(losses[-8:]) < losses[0]
