"""Where networks are trained and applied."""

import torch


def to_device(name: str) -> torch.device:
    """Return the torch device that a configuration names.

    Parameters
    ----------
    name
        ``auto`` (a CUDA device where there is one), ``cpu`` or ``cuda``.

    Raises
    ------
    ValueError
        If CUDA is asked for and there is none, or the name is another.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device: expected auto, cpu or cuda, found {name!r}.")
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise ValueError(
            "device: expected a CUDA device that this PyTorch can use, found none "
            f"(PyTorch {torch.__version__}). Set `device: auto` or `device: cpu`."
        )
    return torch.device("cuda" if has_cuda and name != "cpu" else "cpu")
