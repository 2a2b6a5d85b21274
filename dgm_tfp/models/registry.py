"""The models that the command line knows: an entry for each, with what it takes and its sizes by profile."""

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dgm_tfp.errors import InputError
from dgm_tfp.models.autoencoder import Autoencoder
from dgm_tfp.models.autoregressive_flow import IAF, MAF
from dgm_tfp.models.char_rnn import CharRNN
from dgm_tfp.models.denoising_autoencoder import DenoisingAutoencoder
from dgm_tfp.models.gan import GAN
from dgm_tfp.models.generative import Generative
from dgm_tfp.models.glow import Glow, most_levels
from dgm_tfp.models.real_nvp import RealNVP
from dgm_tfp.models.vae import VAE
from dgm_tfp.profiles import Profile

Kind = Literal["images", "points", "text"]


@dataclass(frozen=True)
class Entry:
    """A model of the registry.

    Attributes:
      model: the class: a constructor that takes event_shape, bins and seed, and a `keras.Model` as `Generative` says.
      takes: what it can be trained on: "images", bytes (h, w, c) as they are; "flat images", bytes as a vector;
        "points", real vectors; "text", windows of characters.
      defaults: the constructor's arguments that depend on the event's shape or on the profile.
      peak: the highest learning rate.
    """

    model: type[Generative]
    takes: tuple[Literal["images", "flat images", "points", "text"], ...]
    defaults: Callable[[tuple[int, ...], Profile], dict[str, Any]]
    peak: float = 5e-3


def _glow(shape: tuple[int, ...], profile: Profile) -> dict[str, Any]:
    return {
        "levels": max(1, min(3, most_levels(shape))),
        "steps": profile.steps,
        "filters": profile.filters,
    }


def _real_nvp(shape: tuple[int, ...], profile: Profile) -> dict[str, Any]:
    if len(shape) == 1:
        return {}
    return {"levels": max(1, min(2, most_levels(shape))), "steps": profile.steps, "filters": profile.filters}


def _autoregressive(shape: tuple[int, ...], profile: Profile) -> dict[str, Any]:
    return {"hidden": (512, 512)} if shape[0] > 16 else {}


def _autoencoder(shape: tuple[int, ...], profile: Profile) -> dict[str, Any]:
    return {} if len(shape) == 3 else {"code": 1, "hidden": (64, 64)}


def _denoising(shape: tuple[int, ...], profile: Profile) -> dict[str, Any]:
    return {"hidden": (512,), "code": 256} if len(shape) == 3 else {}


def _char_rnn(shape: tuple[int, ...], profile: Profile) -> dict[str, Any]:
    return {"layers": 2, "hidden": 512} if profile.name == "gpu" else {}


def _vae(shape: tuple[int, ...], profile: Profile) -> dict[str, Any]:
    levels = min(3, most_levels(shape))
    return {"levels": levels, "filters": profile.filters // 2, "components": 5} if levels else {"network": "dense"}


def _gan(shape: tuple[int, ...], profile: Profile) -> dict[str, Any]:
    # A discriminator kept flat: without it the points collapse to a few modes. See benchmarks/modes.md.
    return {"gradient_penalty": 0.1} if len(shape) == 1 else {"gradient_penalty": 0.05, "filters": profile.filters // 2}


MODELS: dict[str, Entry] = {
    "glow": Entry(Glow, ("images",), _glow),
    "real_nvp": Entry(RealNVP, ("images", "points"), _real_nvp),
    "maf": Entry(MAF, ("points", "flat images"), _autoregressive, peak=1e-3),
    "iaf": Entry(IAF, ("points",), _autoregressive, peak=1e-3),  # it scores images one pixel after another: too slow
    "autoencoder": Entry(Autoencoder, ("images", "points"), _autoencoder, peak=1e-3),
    "denoising_autoencoder": Entry(DenoisingAutoencoder, ("images", "points"), _denoising, peak=1e-3),
    "char_rnn": Entry(CharRNN, ("text",), _char_rnn),
    "vae": Entry(VAE, ("images",), _vae, peak=1e-3),
    "gan": Entry(GAN, ("images", "points"), _gan, peak=1e-3),
}


def entry(name: str) -> Entry:
    """The entry `name`, or an `InputError` that tells the names."""
    if name not in MODELS:
        close = difflib.get_close_matches(name, MODELS, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise InputError(f"there is no model {name!r}.{hint} Known: {', '.join(MODELS)}.")
    return MODELS[name]


def build(
    name: str, kind: Kind, shape: tuple[int, ...], profile: Profile, options: dict[str, Any], seed: int
) -> Generative:
    """The model `name` for examples of a kind and a shape.

    Args:
      name: one of `MODELS`.
      kind: "images" of bytes, or "points".
      shape: of one example.
      profile: gives the sizes that `options` leave open.
      options: arguments of the constructor.
      seed: of the weights and of the training's noise.
    """
    takes = entry(name).takes
    if kind not in takes and not (kind == "images" and "flat images" in takes):
        others = [other for other, each in MODELS.items() if any(kind in taken for taken in each.takes)]
        remedy = f"Use {' or '.join(others)}, or other data." if others else "Choose other data."
        raise InputError(f"{name} models {' and '.join(takes)}, got {kind} of shape {shape}. {remedy}")
    event_shape = shape if kind in takes else (int(np.prod(shape)),)
    arguments = entry(name).defaults(event_shape, profile)
    if event_shape != shape:
        arguments["logit_alpha"] = 1e-6  # Papamakarios et al. (2017), section 4.2, for MNIST
    arguments |= options
    return entry(name).model(event_shape, bins=256 if kind == "images" else None, seed=seed, **arguments)


def known_options(name: str) -> dict[str, Any]:
    """The options of a model and their defaults: what its constructors take, less what `build` gives them."""
    built = {"event_shape", "bins", "dtype", "seed", "conditioning_shape"}
    parameters: dict[str, inspect.Parameter] = {}
    for each in entry(name).model.__mro__:
        if issubclass(each, Generative):
            inherited = inspect.signature(each.__init__).parameters
            parameters |= {key: value for key, value in inherited.items() if key not in parameters}
    return {
        key: parameter.default
        for key, parameter in parameters.items()
        if parameter.default is not parameter.empty and key not in built
    }


def options(name: str, pairs: list[str]) -> dict[str, Any]:
    """Reads options as a person writes them, "steps=8" or "hidden=64,64", by the types of their defaults.

    Raises:
      InputError: an option that the model does not have, or a value of another type.
    """
    known, result = known_options(name), {}
    for pair in pairs:
        option, _, text = pair.partition("=")
        if option not in known:
            raise InputError(f"{name} has no option {option!r}. Known: {', '.join(known)}; for instance --set steps=8.")
        default = known[option]
        try:
            result[option] = _value(text, default)
        except ValueError as error:
            example = ",".join(map(str, default)) if isinstance(default, tuple) else str(default).lower()
            raise InputError(f"{name} cannot take {pair!r}; expected something like {option}={example}.") from error
    return result


def _value(text: str, default: Any) -> Any:
    if default is None:
        return None if text == "none" else float(text)
    if isinstance(default, tuple):
        return tuple(int(part) for part in text.split(","))
    if isinstance(default, int | float) and not isinstance(default, bool):
        return type(default)(text)
    allowed = {"true": True, "false": False} if isinstance(default, bool) else {text: text} if text else {}
    if text not in allowed:
        raise ValueError(text)
    return allowed[text]
