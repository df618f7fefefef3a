"""The networks of Han et al. (2021) have as many parameters as published."""

import pytest

from stemedx.networks.adversarial import Discriminator, Generator
from stemedx.networks.aggregation import Aggregation
from stemedx.networks.tight_frame import TightFrameUNet
from stemedx.networks.volume_unet import VolumeUNet


@pytest.mark.parametrize(
    ("make", "n_parameters"),
    [
        (lambda: TightFrameUNet(1, 64), 31_386_689),
        (lambda: TightFrameUNet(3, 64), 31_387_841),
        (lambda: Aggregation(30), 24_350),
        (lambda: Generator(3, 64, 7), 41_834_499),
        (lambda: Discriminator(3, 64), 2_769_601),
        (lambda: VolumeUNet(3, 32), 984_089),
    ],
    ids=["regression 1", "regression 3", "aggregation", "generator", "discriminator", "volumes"],
)
def test_number_of_parameters(make, n_parameters):
    assert sum(weights.numel() for weights in make().parameters()) == n_parameters
