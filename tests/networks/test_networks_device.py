import pytest
import torch

from stemedx.networks.device import to_device


def test_cpu_is_the_cpu():
    assert to_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(("has_cuda", "chosen"), [(True, "cuda"), (False, "cpu")])
def test_auto_takes_a_gpu_where_there_is_one(monkeypatch, has_cuda, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_cuda)
    assert to_device("auto").type == chosen


def test_a_missing_gpu_is_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"found none .*Set `device: auto`"):
        to_device("cuda")


def test_another_device_is_refused():
    with pytest.raises(ValueError, match="expected auto, cpu or cuda, found 'tpu'"):
        to_device("tpu")
