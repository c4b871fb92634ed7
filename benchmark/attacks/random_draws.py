"""Random numbers that depend on an image's seed and on nothing else.

A counter-based generator (splitmix64: Steele, Lea, Flood, OOPSLA 2014): number i of a stream is a hash of (seed,
stream, i). So an image draws the same numbers alone or in a batch, on any device, in any dtype, without a generator
that would have to be kept, and without the host ever looking at a seed.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

# int64 wraps like the unsigned arithmetic of the definition; constants from 2^63 on are written as what they wrap to.
_GAMMA = 0x9E3779B97F4A7C15 - 2**64
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64
_BITS = 53  # of a float64's significand


def uniform(
    seeds: Tensor, shape: Sequence[int], stream: int | Tensor = 0, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Uniform draws in [0, 1).

    Args:
        seeds: (B,) int64, one per image.
        shape: of one image's draws.
        stream: which of an image's independent sequences; an int, or (B,) int64 one per image.
        dtype: drawn as float64 and rounded to this, so that attacks in float32 and float64 start at the same points.

    Returns:
        (B, *shape) on the device of the seeds.
    """
    # What rounds up to 1 becomes the largest number below it.
    below_one = 1 - torch.finfo(dtype).eps / 2
    return _unit(_bits(seeds, stream, math.prod(shape))).to(dtype).clamp(max=below_one).view(-1, *shape)


def normal(seeds: Tensor, shape: Sequence[int], stream: int | Tensor = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Standard normal draws (Box and Muller), with the arguments of `uniform`; (B, *shape)."""
    radius, angle = _unit(_bits(seeds, stream, 2 * math.prod(shape))).chunk(2, dim=1)
    # 1 - radius lies in (0, 1], where the logarithm is finite.
    values = (-2 * (1 - radius).log()).sqrt() * (2 * math.pi * angle).cos()
    return values.to(dtype).view(-1, *shape)


def _bits(seeds: Tensor, stream: int | Tensor, count: int) -> Tensor:
    """Random int64, (B, count): the outputs of a splitmix64 whose start is itself an output, number `stream`."""
    streams = stream if isinstance(stream, Tensor) else torch.full_like(seeds, stream)
    starts = _mix(seeds + (streams + 1) * _GAMMA)
    counter = torch.arange(1, count + 1, device=seeds.device)
    return _mix(starts.unsqueeze(1) + counter * _GAMMA)


def _mix(state: Tensor) -> Tensor:
    state = (state ^ _shift(state, 30)) * _FIRST
    state = (state ^ _shift(state, 27)) * _SECOND
    return state ^ _shift(state, 31)


def _shift(bits: Tensor, places: int) -> Tensor:
    """To the right, filling with zeros; of an int64 the operator would repeat the sign."""
    return (bits >> places) & (2 ** (64 - places) - 1)


def _unit(bits: Tensor) -> Tensor:
    return _shift(bits, 64 - _BITS).double() * 2.0**-_BITS
