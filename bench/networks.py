"""The published networks at full size: parameters, seconds per update, memory.

One update of each with the published batch (regression 32 x 128 x 128, generator and
discriminator 4 x 256 x 256, T one cube of 128), unless ``--share`` makes the batch
smaller: seconds are then multiplied up, memory is not. Each in a process of its own.

    python bench/networks.py [--share 4] [--threads 2]
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from stemedx.learn.adversarial import Pair, make_networks, train_adversarial
from stemedx.networks.aggregation import Aggregation
from stemedx.networks.tight_frame import TightFrameUNet
from stemedx.networks.volume_unet import VolumeUNet
from stemedx.params import TrainDenoiserParams

ROW = "{:<28} {:>12,} {:>8} {:>10.1f} {:>8.2f}"
NETWORKS = ("regression", "aggregation", "generator", "volumes")


def step(network, inputs, optimiser):
    """Take one update towards zero."""
    loss = network(inputs).square().mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def timed(network, inputs):
    """Return the seconds of one update, the first."""
    optimiser = torch.optim.Adam(network.parameters())
    started = time.perf_counter()
    step(network, inputs, optimiser)
    return time.perf_counter() - started


def adversarial(batch):
    """Return parameters and seconds of an update of both networks, without its start."""
    numbers = {"base_channels": 64, "n_levels": 7, "crop_px": 256, "batch": batch}
    networks = make_networks(3, TrainDenoiserParams(method="paper", **numbers), torch.device("cpu"))
    pair = Pair(*torch.rand(2, 3, 256, 256).numpy())
    seconds = []
    for n_epochs in (1, 2):
        params = TrainDenoiserParams(method="paper", n_epochs=n_epochs, **numbers)
        started = time.perf_counter()
        rng = np.random.default_rng(0)
        train_adversarial(networks, [pair] * batch, params, rng=rng)
        seconds.append(time.perf_counter() - started)
    return networks, seconds[1] - seconds[0]


def measure(name, share):
    """Measure one network and print its row."""
    if name == "generator":
        batch = 4 // share or 1
        network, seconds = adversarial(batch)
        published = 4
    else:
        published, network, inputs = {
            "regression": lambda: (32, TightFrameUNet(3, 64), torch.rand(32 // share, 3, 128, 128)),
            "aggregation": lambda: (1, Aggregation(30), torch.rand(1, 30, 128, 128)),
            "volumes": lambda: (1, VolumeUNet(3, 32), torch.rand(1, 3, 128, 128, 128)),
        }[name]()
        batch = len(inputs)
        seconds = timed(network, inputs)
    n_parameters = sum(weights.numel() for weights in network.parameters())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    shown = f"{batch}/{published}"
    print(ROW.format(name, n_parameters, shown, seconds * published / batch, memory), flush=True)


def main():
    """Print one row per network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=int, default=4, help="measure a batch this much smaller")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=NETWORKS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.only:
        measure(args.only, args.share)
        return
    print(f"{'network':<28} {'parameters':>12} {'batch':>8} {'s/update':>10} {'GB':>8}", flush=True)
    for name in NETWORKS:
        command = [sys.executable, __file__, "--only", name]
        more = ["--share", str(args.share), "--threads", str(args.threads)]
        subprocess.run([*command, *more], check=True)


if __name__ == "__main__":
    main()
