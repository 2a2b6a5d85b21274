"""How the time of sampling from MAF grows with the dimensions: in degree order, by D whole passes, and of peers."""

import statistics

import tensorflow as tf

from benchmarks.interleave import rounds, timed
from benchmarks.peers import Peers
from benchmarks.table import rounded
from benchmarks.vectors import examples
from dgm_tfp import models
from dgm_tfp.bijectors.affine import affine_forward, bounded

DIMS = (63, 784)
STEPS, HIDDEN, BATCH = 5, (512, 512), 128
ROUNDS = 10  # of ours; the others take up to 15 seconds each
OURS, PASSES = "ours, in degree order", "ours, by D passes"
LIBRARIES = {"zuko": ("eager",), "TFP": ("graph",)}


def table() -> dict[str, dict[str, float]]:
    """Milliseconds of each program at each size, and how many times more the larger takes."""
    small, large = ({name: rounded(statistics.median(ms)) for name, ms in _times(dims).items()} for dims in DIMS)
    return {
        name: {f"D={DIMS[0]}": small[name], f"D={DIMS[1]}": large[name], "growth": round(large[name] / small[name], 1)}
        for name in small
    }


def _times(dims: int) -> dict[str, list[float]]:
    model = models.MAF((dims,), STEPS, HIDDEN)
    x = examples(dims, BATCH)
    model.adapt(x)
    loop = tf.function(lambda: by_passes(model, model.base.sample(BATCH)), autograph=False)
    sizes = {"dims": dims, "steps": STEPS, "hidden": HIDDEN}
    with Peers("maf", sizes, x, model.count_params(), LIBRARIES) as peers:
        loop()  # traces
        title = f"sampling MAF of {dims} dimensions"
        ours = rounds({OURS: timed(lambda: model.sample(BATCH))}, ROUNDS, title=title)
        others = {PASSES: timed(loop), **peers.best("sample", trials=1)}
        return ours | rounds(others, count=1, warmup=0, title=f"{title}, others")


def by_passes(model: models.MAF, z: tf.Tensor) -> tf.Tensor:
    """A sample from noise z (batch, D) by a whole pass of the network for each dimension: what `in_order` replaces."""
    for block in reversed(model.blocks):

        def one_pass(y, block=block, z=z):
            shift, log_scale = tf.unstack(block.made(y), axis=1)
            return (affine_forward(z, shift, bounded(log_scale)),)

        dims = z.shape[-1]
        (z,) = tf.while_loop(lambda *_: True, one_pass, (tf.zeros_like(z),), maximum_iterations=dims)
        z = block.actnorm.bijector.forward(z) if block.actnorm else z
    return model.scaling.forward(z)
