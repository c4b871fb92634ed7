"""What is said of a network's errors: whose fault they are, and what to do about them."""

import pytest
import torch
from torch import Tensor, nn

from benchmark.errors import ForeignError, InputError, MachineError, machine_error
from benchmark.model_errors import as_call_error, as_model_error

IMAGES = torch.rand(4, 3, 8, 8)
BUFFERS = "register the network's own tensors as buffers"


def raised_by(error: BaseException, images: Tensor = IMAGES) -> InputError:
    with pytest.raises(InputError) as raised, as_model_error(nn.Identity(), images):
        raise error
    assert "victim Identity fails on images (" in str(raised.value)
    assert "\n" not in str(raised.value)
    return raised.value


@pytest.mark.parametrize(
    "call",
    [
        lambda: torch.ones(2) + torch.ones(2, device="meta"),
        lambda: torch.cat([torch.ones(2), torch.ones(2, device="meta")]),
        lambda: nn.Conv2d(3, 2, 1, device="meta").to("cpu"),
    ],
)
def test_errors_of_torch_about_devices_have_their_cure(call) -> None:
    with pytest.raises(InputError, match=BUFFERS), as_model_error(nn.Identity(), IMAGES):
        call()


@pytest.mark.parametrize(
    "said",
    [
        # Of torch on a machine with a GPU.
        "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!",
        "Expected all tensors to be on the same device, but got mat1 is on cpu, different from other tensors on cuda:0",
        "Input type (torch.cuda.FloatTensor) and weight type (torch.FloatTensor) should be the same",
        "Input type (torch.FloatTensor) and weight type (torch.cuda.HalfTensor) should be the same",
        "indices should be either on cpu or on the same device as the indexed tensor (cuda:0)",
        "Tensor for argument #1 'self' is on CPU, but expected them to be on GPU (while checking arguments for addmm)",
        "Expected a 'cuda' device type for generator but found 'cpu'",
    ],
)
def test_errors_about_devices_have_their_cure(said: str) -> None:
    assert BUFFERS in str(raised_by(RuntimeError(said)))


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        OSError(16, "Device or resource busy"),
        OSError(19, "No such device"),
        RuntimeError("device 7 is not licensed"),
        ValueError("unknown device name"),
        RuntimeError("No space left on device"),
    ],
)
def test_other_devices_are_no_matter_of_buffers(error: Exception) -> None:
    assert BUFFERS not in str(raised_by(error))


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        OSError(30, "Read-only file system", "/a/file"),
        OSError(24, "Too many open files"),
        PermissionError(13, "Permission denied"),
        RuntimeError("inner: No space left on device"),
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
    ],
)
def test_what_a_network_raises_is_no_failure_of_the_machine(error: Exception) -> None:
    raised = raised_by(error)
    assert isinstance(raised, ForeignError)
    assert machine_error(raised) is None
    again = InputError("said again")
    again.__cause__ = raised
    assert machine_error(again) is None


def test_one_image_that_is_refused_alone() -> None:
    several = "predict single images, so that a network has to take any number of them"
    assert several in str(raised_by(AssertionError("needs 4"), IMAGES[:1]))
    assert several in str(raised_by(RuntimeError("shape '[4, 3]' is invalid for input of size 3"), IMAGES[:1]))
    assert several not in str(raised_by(AssertionError("needs 1")))
    assert several not in str(raised_by(SystemExit(3), IMAGES[:1]))
    assert several not in str(raised_by(OSError(28, "No space left on device"), IMAGES[:1]))


def test_failures_of_the_machine_pass_through_and_others_remain_so() -> None:
    with pytest.raises(MachineError, match="a file: full"), as_call_error(nn.Identity(), "moved"):
        raise MachineError("a file: full")
    assert "free space there" in str(machine_error(OSError(28, "No space left on device")))


def test_whoever_can_tries_fewer_images_when_memory_runs_out() -> None:
    several, one = (raised_by(torch.OutOfMemoryError("CUDA out of memory"), IMAGES[:count]) for count in (4, 1))
    assert isinstance(several, torch.OutOfMemoryError)
    assert str(several).endswith("; set engine.slots lower, data.batch_size, or data.size")
    assert "; not even one image fits into the memory that is left: set data.size or engine.slots lower" in str(one)
    outside = machine_error(torch.OutOfMemoryError("CUDA out of memory. Tried\nmore"))
    assert "OutOfMemoryError: CUDA out of memory. Tried; set engine.slots, data.batch_size" in str(outside)
