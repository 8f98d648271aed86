"""Frames as cosine transforms of blocks of 8 x 8, as in JPEG: for the pack, and for what files do
to frames. Frames are (n, 3, h, w) in levels of 0 to 255, h and w multiples of 8; coefficients
(n, 3, 64, blocks), those of one frequency beside one another.
"""
import torch

TO_YCC = ((.299, .587, .114), (-.168736, -.331264, .5), (.5, -.418688, -.081312))


def basis(device):
    """(64, 64): a row is what a coefficient is multiplied by, orthonormal."""
    k = torch.arange(8., device=device)
    rows = torch.cos((2 * k + 1) * k[:, None] * (torch.pi / 16)) / 2
    rows[0] *= .5 ** .5
    return torch.kron(rows, rows)


def steps(first, more, device):
    """Quantisation (3, 64, 1): coarser for fine patterns, twice as coarse for colour."""
    k = torch.arange(8., device=device)
    colour = torch.tensor([1., 2, 2], device=device)
    return colour[:, None, None] * (first + more * (k + k[:, None])).flatten()[:, None]


def coefficients(frames):
    colours = torch.tensor(TO_YCC, device=frames.device)
    x = (frames - 127.5).unflatten(3, (-1, 8)).unflatten(2, (-1, 8)).permute(0, 1, 3, 5, 2, 4)
    x = basis(frames.device) @ x.flatten(4, 5).flatten(2, 3)
    return (colours @ x.flatten(2)).view_as(x)


def frames(coefficients, h, w):
    """The inverse, with what leaves 0 to 255 clipped."""
    colours = torch.linalg.inv(torch.tensor(TO_YCC, device=coefficients.device))
    x = basis(coefficients.device).t() @ coefficients
    x = (colours @ x.flatten(2) + 127.5).clamp(0, 255).view(-1, 3, 8, 8, h // 8, w // 8)
    return x.permute(0, 1, 4, 2, 5, 3).reshape(-1, 3, h, w)
