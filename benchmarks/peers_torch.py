"""A worker in `.venv-peers`: one flow of a library on PyTorch, in one mode. The only argument is JSON; see `main`."""

import importlib.metadata
import json
import sys
import time

import torch

from benchmarks.torch_flows import FLOWS, Flow
from benchmarks.worker import serve

PACKAGES = ("torch", "zuko", "nflows", "normflows")


def main() -> None:
    """Serves `about`, `train`, `log_prob` and `sample` of the flow that the argument describes.

    Its keys: `flow`, one of `FLOWS`, or "product" for `products`; `sizes`, its arguments; `batch`; `bytes`, whether the
    data are images of bytes, to be dequantized; `mode`: "eager", "fused Adam", "channels_last" or "torch.compile";
    `threads`.
    """
    task = json.loads(sys.argv[1])
    torch.set_num_threads(task["threads"])
    torch.manual_seed(0)
    if task["flow"] == "product":
        serve({"product": timed(products(**task["sizes"]))})
        return
    flow = FLOWS[task["flow"]](**task["sizes"])
    x = _examples(task)
    if task["mode"] == "channels_last":
        flow.module.to(memory_format=torch.channels_last)
        x = x.to(memory_format=torch.channels_last)
    serve({"about": lambda: about(flow, x), **_actions(flow, x, task)})


def _examples(task) -> torch.Tensor:
    if not task["bytes"]:
        return torch.randn(task["batch"], task["sizes"]["dims"])
    height, width, channels = task["sizes"]["shape"]
    return torch.randint(0, 256, (task["batch"], channels, height, width), dtype=torch.uint8)


def _actions(flow: Flow, x: torch.Tensor, task) -> dict:
    optimizer = torch.optim.Adam(flow.module.parameters(), lr=1e-4, fused=task["mode"] == "fused Adam" or None)
    log_prob, draw, no_gradient = flow.log_prob, flow.sample, torch.inference_mode
    if task["mode"] == "torch.compile":
        log_prob, draw = torch.compile(log_prob), torch.compile(draw)
        no_gradient = torch.no_grad  # what was compiled for training fails under inference_mode in PyTorch 2.13

    def train():
        optimizer.zero_grad()
        loss = -log_prob(continuous(x)).mean()
        loss.backward()
        optimizer.step()
        loss.item()

    def score():
        with no_gradient():
            log_prob(continuous(x)).numpy()

    def sample():
        with no_gradient():
            draw(len(x)).numpy()

    return {"train": timed(train), "log_prob": timed(score), "sample": timed(sample)}


def products(rows: int, width: int, repeats: int):
    """Dense products, each waiting for the one before; see `products.py`."""
    x, w = torch.randn(rows, width), torch.randn(width, width)

    def run():
        y = x
        with torch.inference_mode():
            for _ in range(repeats):
                y = y @ w / width**0.5

    return run


def continuous(x: torch.Tensor) -> torch.Tensor:
    """Bytes as reals in [-1/2, 1/2], with uniform noise; reals as they are."""
    return (x + torch.rand(x.shape)) / 256 - 0.5 if x.dtype == torch.uint8 else x


def timed(function):
    def run() -> dict:
        start = time.perf_counter()
        function()
        return {"ms": 1000 * (time.perf_counter() - start)}

    return run


def about(flow: Flow, x: torch.Tensor, examples: int = 8) -> dict:
    """That this is the model it should be: its parameters; that log p is finite, and noise and data are one to one."""
    with torch.no_grad():
        x = continuous(x)[:examples]
        log_prob = flow.log_prob(x)
        drawn = flow.sample(examples)
        error = (flow.to_data(flow.to_noise(x)) - x).abs().max()
    if log_prob.shape != (examples,) or not log_prob.isfinite().all():
        raise ValueError(f"log_prob of {examples} examples gave {log_prob}")
    if drawn.shape != x.shape or not drawn.isfinite().all():
        raise ValueError(f"{examples} samples have the shape {tuple(drawn.shape)}, or numbers that are not finite")
    if not error < 1e-2:
        raise ValueError(f"data to noise and back moved an example by {error}")
    return {
        "parameters": sum(p.numel() for p in flow.module.parameters() if p.requires_grad),
        "inverse_error": float(error),
        "log_prob": float(log_prob.mean()),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


if __name__ == "__main__":
    main()
