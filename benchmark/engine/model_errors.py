"""Whatever a model raises becomes one line."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from benchmark.errors import InputError, Stopped, first_line

_OWN = Path(__file__).resolve().parents[1]  # the package; what is raised there is not the user's


@contextmanager
def as_model_error(images: Tensor, what: str = "the model fails") -> Iterator[None]:
    """Turn what a model raises on `images` into an InputError of one line, which names the place in the user's code.

    Running out of memory is left as it is, because fewer images at once may fit; so are InputErrors and stops.
    """
    try:
        yield
    except (InputError, Stopped, torch.OutOfMemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise InputError(
            f"{what} on images {tuple(images.shape)}: {first_line(error)}{_place(error)}; "
            "give data of the size, channels and batch size that it takes, or wrap it as docs/own_models.md shows"
        ) from error


def _place(error: BaseException) -> str:
    """ " (FILE, line N)" of the innermost frame in code of the user's own; empty if there is none."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "site-packages" not in frame.filename and not Path(frame.filename).is_relative_to(_OWN)
    ]
    own = [frame for frame in frames if Path(frame.filename).is_file()]
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
