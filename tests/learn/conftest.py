import pytest
import torch


@pytest.fixture(autouse=True)
def same_weights_each_time():
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(20240229)
        yield
