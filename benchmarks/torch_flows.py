"""The peers on PyTorch, each built as its documentation does, with the sizes of ours.

Every library is given the same network: hidden layers of the widths told, ReLU, no residual blocks, no batch
normalisation. Each entry of `FLOWS` makes a `Flow` from the sizes.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch


class Flow(NamedTuple):
    """What the libraries have under different names."""

    module: torch.nn.Module
    log_prob: Callable
    sample: Callable  # n -> examples
    to_noise: Callable
    to_data: Callable


def _zuko(flow):
    return Flow(
        flow,
        lambda x: flow().log_prob(x),
        lambda n: flow().sample((n,)),
        lambda x: flow().transform(x),
        lambda z: flow().transform.inv(z),
    )


def zuko_maf(dims, steps, hidden):
    import zuko

    return _zuko(zuko.flows.MAF(dims, transforms=steps, hidden_features=hidden))


def zuko_real_nvp(dims, steps, hidden):
    import zuko

    return _zuko(zuko.flows.RealNVP(dims, transforms=steps, hidden_features=hidden))


def _nflows(flow):
    return Flow(flow, flow.log_prob, flow.sample, flow.transform_to_noise, lambda z: flow._transform.inverse(z)[0])


def nflows_maf(dims, steps, hidden):
    """Its MADE takes one width, and a block adds a hidden layer to the first."""
    from nflows.flows import MaskedAutoregressiveFlow

    flow = MaskedAutoregressiveFlow(dims, hidden[0], steps, len(hidden) - 1, use_residual_blocks=False)
    return _nflows(flow)


def nflows_real_nvp(dims, steps, hidden):
    from nflows import distributions, flows, transforms
    from nflows.nn import nets

    class Network(nets.MLP):
        def forward(self, inputs, context=None):  # a coupling passes a context, which MLP does not take
            return super().forward(inputs)

    mask = torch.ones(dims)
    mask[::2] = -1
    couplings = [
        transforms.AffineCouplingTransform(mask * (-1) ** i, lambda a, b: Network([a], [b], list(hidden)))
        for i in range(steps)
    ]
    return _nflows(flows.Flow(transforms.CompositeTransform(couplings), distributions.StandardNormal([dims])))


def _normflows(flow):
    return Flow(flow, flow.log_prob, lambda n: flow.sample(n)[0], flow.inverse, flow.forward)


def normflows_maf(dims, steps, hidden):
    """Its masked layer is fast from noise to data; reversed, as its MAF needs it, from data to noise."""
    import normflows as nf

    layers = []
    for _ in range(steps):
        masked = nf.flows.MaskedAffineAutoregressive(
            dims, hidden[0], num_blocks=len(hidden) - 1, use_residual_blocks=False
        )
        layers += [nf.flows.Reverse(masked), nf.flows.Permute(dims, "swap")]
    return _normflows(nf.NormalizingFlow(nf.distributions.DiagGaussian(dims, trainable=False), layers))


def normflows_real_nvp(dims, steps, hidden):
    import normflows as nf

    layers = []
    for _ in range(steps):
        network = nf.nets.MLP([dims - dims // 2, *hidden, 2 * (dims // 2)])
        layers += [nf.flows.AffineCouplingBlock(network), nf.flows.Permute(dims, "swap")]
    return _normflows(nf.NormalizingFlow(nf.distributions.DiagGaussian(dims, trainable=False), layers))


def normflows_glow(shape, levels, steps, filters):
    """Its example of Glow, without classes: the last item of each list is the finest scale. `shape` is (h, w, c)."""
    import normflows as nf

    height, width, channels = shape
    priors, merges, flows = [], [], []
    for i in range(levels):
        factor = levels - i
        inside = channels * 2 ** (factor + 1)
        blocks = [nf.flows.GlowBlock(inside, filters, split_mode="channel", scale=True) for _ in range(steps)]
        flows.append([*blocks, nf.flows.Squeeze()])
        merges += [nf.flows.Merge()] if i else []
        noise = (inside // 2 if i else inside, height // 2**factor, width // 2**factor)
        priors.append(nf.distributions.DiagGaussian(noise))
    flow = nf.MultiscaleFlow(priors, flows, merges, class_cond=False)
    return Flow(
        flow,
        lambda x: flow.log_prob(x, None),
        lambda n: flow.sample(n)[0],
        lambda x: flow.inverse_and_log_det(x)[0],
        lambda z: flow.forward_and_log_det(z)[0],
    )


FLOWS = {
    "zuko maf": zuko_maf,
    "nflows maf": nflows_maf,
    "normflows maf": normflows_maf,
    "zuko real_nvp": zuko_real_nvp,
    "nflows real_nvp": nflows_real_nvp,
    "normflows real_nvp": normflows_real_nvp,
    "normflows glow": normflows_glow,
}
