"""MAF and IAF: masked and inverse autoregressive flows."""

from collections.abc import Callable, Sequence

import keras

from dgm_tfp.bijectors import ActNorm, AffineLaw, Chain, Invert, MaskedAutoregressive, SplineLaw
from dgm_tfp.errors import InputError
from dgm_tfp.models.flow import Flow
from dgm_tfp.models.step import Step
from dgm_tfp.networks import MADE

OPTIONS = ("steps", "hidden", "order", "degrees", "transform", "spline_bins", "actnorm")


class AutoregressiveStep(Step):
    """One step of flow, data to noise: ActNorm, then a masked autoregressive bijector or its inverse."""

    def __init__(self, made: MADE, law: AffineLaw | SplineLaw, inverse: bool, actnorm: bool, **kwargs):
        super().__init__(**kwargs)
        self.made, self.law, self.inverse = made, law, inverse
        self.actnorm = ActNorm(made.inputs, event_ndims=1, dtype=self.dtype_policy) if actnorm else None
        self.built = True

    def transform(self, conditioning):
        masked = MaskedAutoregressive(self.made, conditioning, self.law)
        return Invert(masked) if self.inverse else masked


@keras.saving.register_keras_serializable(package="dgm_tfp")
class MAF(Flow):
    """Masked autoregressive flow for vectors (Papamakarios et al., 2017): one pass to score.

    Data to noise, `steps` times: ActNorm, then z_d = (x_d - t_d(x_<d, c)) exp(-s_d(x_<d, c)). A sample costs about one
    pass more, not D passes: see `networks.MADE.in_order`. ActNorm stands where the paper has batch normalisation: it
    does not depend on the other examples of the batch, so that a log-density is one number, in training too.

    Args:
      event_shape: (D,).
      steps: how many layers, each with a network of its own.
      hidden: widths of the hidden layers of each network.
      order: of the dimensions: "alternate", left to right and right to left in turn; "random", another one in each
        layer, fixed by `seed`.
      degrees: of the hidden units: "sequential" or "random"; see `networks.MADE`.
      activation: of the hidden units.
      transform: of each dimension: "affine", as above, or "spline", `bijectors.SplineLaw` in its place (Durkan et al.,
        2019), for densities with gaps and edges.
      spline_bins: how many bins a spline has.
      actnorm: normalise between layers. `adapt` gives it its first values.
      conditioning_shape: (k,) for a model of x given c: every hidden unit sees c.
      prior, bins, dtype, seed: see `Flow` and `Likelihood`.

    Raises:
      InputError: an event that is not a vector; sizes below 1; an unknown order, kind of degrees, transform or prior.
    """

    inverse = False

    def __init__(
        self,
        event_shape=(2,),
        steps: int = 5,
        hidden: Sequence[int] = (64, 64),
        order: str = "alternate",
        degrees: str = "sequential",
        activation: str | Callable = "relu",
        transform: str = "affine",
        spline_bins: int = 16,
        actnorm: bool = True,
        conditioning_shape: tuple[int] | None = None,
        prior: str = "standard",
        bins: int | None = None,
        dtype=None,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(
            event_shape,
            bins=bins,
            prior=prior,
            dtype=dtype,
            seed=seed,
            conditioning_shape=conditioning_shape,
            **kwargs,
        )
        _check(type(self).__name__, self.event_shape, steps, order, transform)
        self.steps, self.hidden, self.order, self.degrees = steps, tuple(hidden), order, degrees
        self.activation, self.actnorm = keras.activations.get(activation), actnorm
        self.transform, self.spline_bins = transform, spline_bins
        law = SplineLaw(spline_bins) if transform == "spline" else AffineLaw()
        for i in range(steps):
            made = MADE(
                self.event_size,
                self.hidden,
                law.outputs,
                context=self.conditioning_shape[0] if self.conditioning_shape else 0,
                degrees=degrees,
                order="random" if order == "random" else ("left-to-right", "right-to-left")[i % 2],
                activation=self.activation,
                seed=1000 * (seed + 1) + i,
                dtype=self.network_policy,
            )
            block = AutoregressiveStep(made, law, self.inverse, actnorm, dtype=self.dtype_policy)
            # An attribute each, not a list: tf.train.Checkpoint does not see layers in a list, and does not say so.
            setattr(self, f"step_{i}", block)
        self.build()

    @property
    def blocks(self) -> list[AutoregressiveStep]:
        """The steps of flow, the one next to the data first."""
        return [getattr(self, f"step_{i}") for i in range(self.steps)]

    def flow_bijector_given(self, conditioning):
        return Chain([block.bijector(conditioning) for block in self.blocks], name="steps")

    def adapt_layers(self, y, conditioning=None):
        for block in self.blocks:
            y = block.adapt(y, conditioning)

    def get_config(self):
        own = {name: getattr(self, name) for name in OPTIONS}
        return {**super().get_config(), **own, "activation": keras.activations.serialize(self.activation)}


@keras.saving.register_keras_serializable(package="dgm_tfp")
class IAF(MAF):
    """Inverse autoregressive flow for vectors (Kingma et al., 2016): one pass to sample.

    `MAF` the other way round: x_d = (z_d - t_d(z_<d, c)) exp(-s_d(z_<d, c)). Scoring data, and so training on them, is
    the side that goes dimension by dimension. The arguments are those of `MAF`.
    """

    inverse = True


def _check(model: str, event_shape, steps: int, order: str, transform: str) -> None:
    if len(event_shape) != 1:
        size = 1
        for axis in event_shape:
            size *= axis
        raise InputError(f"{model} models vectors, got event_shape={event_shape}. Flatten the data to ({size},).")
    if steps < 1:
        raise InputError(f"{model} got steps={steps}; expected 1 or more.")
    for name, value, values in (
        ("order", order, ("alternate", "random")),
        ("transform", transform, ("affine", "spline")),
    ):
        if value not in values:
            raise InputError(f"{name} is {value!r}; expected {values[0]!r} or {values[1]!r}.")
