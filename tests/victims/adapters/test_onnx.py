"""ONNX files: what is converted computes the same, and what would not, or is no such network, is refused by name."""

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.evaluation.victim_check import check_victim
from benchmark.victims.adapters.onnx import network as onnx_network
from benchmark.victims.program import Program
from benchmark.victims.task import Victim
from tests.victims.adapters.own_networks import Small, to_onnx

IMAGES = torch.rand(3, 3, 24, 40, generator=torch.Generator().manual_seed(0))


class Everything(nn.Module):
    """Layers of segmentation networks: strides, transposed and grouped convolutions, norms, resizing, clipping."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8)
        self.group = nn.GroupNorm(2, 8)
        self.instance = nn.InstanceNorm2d(8, affine=True)
        self.layer = nn.LayerNorm(8)
        self.up = nn.ConvTranspose2d(8, 8, 3, stride=2, padding=1, output_padding=1)
        self.last = nn.Conv2d(17, 3, 1)

    def forward(self, images: Tensor) -> Tensor:
        small = F.hardswish(self.group(self.depthwise(F.relu6(self.norm(self.down(images))))))
        pooled = F.interpolate(F.avg_pool2d(small, 2), size=small.shape[-2:], mode="bilinear", align_corners=False)
        attended = self.layer(self.instance(small + pooled).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        large = F.interpolate(attended, scale_factor=2, mode="nearest")
        corners = F.interpolate(F.max_pool2d(images[:, :1], 2), size=images.shape[-2:], mode="bicubic")
        joined = torch.cat([self.up(attended).clamp(-2, 2), F.gelu(large), corners.sigmoid()], 1)
        return self.last(F.pad(joined, (1, 1, 1, 1), mode="reflect"))[..., 1:-1, 1:-1]


def original(kind: type[nn.Module] = Everything) -> nn.Module:
    torch.manual_seed(0)
    network = kind().eval()
    for name, buffer in network.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2)
    return network


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("written", [torch.float32, torch.float64])
def test_layers_of_all_kinds_with_their_gradients(tmp_path: Path, dtype: torch.dtype, written: torch.dtype) -> None:
    network = original()
    made = onnx_network(str(to_onnx(network.to(written), tmp_path / "all.onnx", written))).to(dtype)
    network, gradients = network.to(dtype), []
    for module in (network, made):
        images = IMAGES.to(dtype).requires_grad_()
        output = module(images)
        gradients.append((output, *torch.autograd.grad(output.square().sum(), images)))
    # A float32 file holds batch norms that were folded into convolutions in float32.
    tolerance = 1e-10 if dtype == written == torch.float64 else 1e-4
    torch.testing.assert_close(gradients[1], gradients[0], rtol=tolerance, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize(("architecture", "dynamic"), [("Unet", True), ("DeepLabV3Plus", False), ("Segformer", True)])
def test_the_exporter_of_torch_export(tmp_path: Path, architecture: str, dynamic: bool) -> None:
    import segmentation_models_pytorch as smp

    torch.manual_seed(0)
    network = getattr(smp, architecture)("resnet18", encoder_weights=None, classes=3).eval()
    images, shapes = torch.rand(2, 3, 64, 96), None
    if dynamic:
        shapes = ({0: torch.export.Dim("batch", min=1, max=64)},)
    # Beside the file it writes one of external data.
    torch.onnx.export(network, (images,), tmp_path / "net.onnx", dynamo=True, dynamic_shapes=shapes, verbose=False)
    assert (tmp_path / "net.onnx.data").exists()
    made = onnx_network(str(tmp_path / "net.onnx"))
    images = torch.rand(3, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(made(images), network(images), rtol=1e-3, atol=1e-4)


def test_a_fixed_batch_and_size(tmp_path: Path) -> None:
    network = original(Small)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (IMAGES[:2],), tmp_path / "fixed.onnx", dynamo=False, verbose=False)
    made = onnx_network(str(tmp_path / "fixed.onnx"))
    torch.testing.assert_close(made(IMAGES), network(IMAGES))
    assert made.train() is made
    with pytest.raises(
        InputError,
        match=r"for images of 24 x 40 .*found 40 x 24; give 'data\.size=\[24,40\]'.* or 'victim\.resize=\[24,40\]'",
    ):
        made(IMAGES.mT)
    with pytest.raises(InputError, match=r"for images of 3 channels, found 1; give data\.channels=3"):
        made(IMAGES[:, :1])


def model(nodes: list[Any], *, kind: int = TensorProto.FLOAT, sides: Any = ("b", 3, "h", "w"), **more: Any) -> Any:
    """A model whose first node takes "images" and whose last one returns "logits"."""
    images = [helper.make_tensor_value_info("images", kind, sides)]
    logits = [helper.make_tensor_value_info(name, kind, None) for name in more.pop("outputs", ["logits"])]
    graph = helper.make_graph(nodes, "net", images, logits, **more)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("own", 1)])


def saved(folder: Path, made: Any) -> str:
    (folder / "net.onnx").write_bytes(made.SerializeToString())
    return str(folder / "net.onnx")


def test_several_outputs_are_returned_by_name(tmp_path: Path) -> None:
    nodes = [helper.make_node("Neg", ["images"], ["aux"]), helper.make_node("Abs", ["aux"], ["logits"])]
    made = onnx_network(saved(tmp_path, model(nodes, outputs=["aux", "logits"])))
    assert torch.equal(made(IMAGES)["aux"], -IMAGES)
    assert torch.equal(made(IMAGES)["logits"], IMAGES)


def test_a_quantised_file_is_to_be_replaced_by_one_in_float(tmp_path: Path) -> None:
    weights = [
        numpy_helper.from_array(np.array(value, dtype), name)
        for name, value, dtype in (("scale", 0.01, np.float32), ("zero", 0, np.uint8))
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["images", "scale", "zero"], ["levels"]),
        helper.make_node("DequantizeLinear", ["levels", "scale", "zero"], ["logits"]),
    ]
    made = onnx_network(saved(tmp_path, model(nodes, initializer=weights)))
    check = check_victim(Victim("onnx", network=made, classes=3), IMAGES, classes=3)
    finding = next(finding for finding in check.findings if finding.name == "no_gradient")
    assert "a file has to be of the network in float" in str(finding)
    assert "give the one in float" in str(finding)
    assert "in forward" not in str(finding)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (model([helper.make_node("Fast", ["images"], ["logits"], domain="own")]), r"operator 'own\.Fast' is none of"),
        (model([helper.make_node("Load", ["images"], ["logits"])]), r"operator 'Load' is none of ONNX's own"),
        (model([helper.make_node("Neg", ["images"], ["logits"])], sides=(1, 3)), r"something else than one batch"),
        (model([helper.make_node("Neg", ["images"], ["logits"])], kind=TensorProto.UINT8), r"images of type uint8"),
        (model([helper.make_node("Neg", ["images"], ["logits"])], kind=TensorProto.FLOAT16), r"type float16; export"),
        (model([], outputs=[]), r"no ONNX file that can be read \(.*it has no operators\)"),
        (model([helper.make_node("Neg", ["other"], ["logits"])]), r"not trusted"),
    ],
)
def test_what_is_no_such_network(tmp_path: Path, made: Any, message: str) -> None:
    with pytest.raises(InputError, match=rf"^victim\.program=.*net\.onnx: .*{message}") as caught:
        onnx_network(saved(tmp_path, made))(IMAGES)
    assert len(str(caught.value).splitlines()) == 1


def test_a_conversion_that_differs_names_the_operator(tmp_path: Path) -> None:
    sizes = numpy_helper.from_array(np.array([3, 3, 48, 80]), "sizes")
    resized = helper.make_node(
        "Resize", ["negative", "", "", "sizes"], ["logits"], "zoom", mode="linear", antialias=1,
        coordinate_transformation_mode="asymmetric",
    )  # fmt: skip
    nodes = [helper.make_node("Neg", ["images"], ["negative"], "first"), resized]
    made = onnx_network(saved(tmp_path, model(nodes, sides=(3, 3, 24, 40), initializer=[sizes])))
    with pytest.raises(InputError, match=r"differs from onnxruntime by .* first at its operator Resize 'zoom'; give"):
        made(IMAGES)


def external(folder: Path, **entries: Any) -> str:
    """A network whose only weight is external data, as the entries say."""
    weight = TensorProto(name="weight", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    for key, value in entries.items():
        weight.external_data.add(key=key, value=str(value))
    return saved(folder, model([helper.make_node("Mul", ["images", "weight"], ["logits"])], initializer=[weight]))


def test_external_data_are_part_of_the_program(tmp_path: Path) -> None:
    hashes = []
    for factor in (2, 3):
        (tmp_path / "data").write_bytes(np.array([9, factor], dtype=np.float32).tobytes())
        made = onnx_network(external(tmp_path, location="data", offset=4, length=4))
        assert isinstance(made, Program)
        torch.testing.assert_close(made(IMAGES), IMAGES * factor)
        hashes.append(made.program_sha256)
    assert hashes[0] != hashes[1]


@pytest.mark.parametrize("case", ["above", "absolute", "link", "pipe", "short", "offset", "negative", "none"])
def test_external_data_elsewhere_are_refused(tmp_path: Path, case: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for place in (tmp_path / "secret", folder / "data"):
        place.write_bytes(np.array([2], dtype=np.float32).tobytes())
    (folder / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(folder / "pipe")
    entries: dict[str, dict[str, Any]] = {
        "above": {"location": "../secret"},
        "absolute": {"location": tmp_path / "secret"},
        "short": {"location": "data", "length": 400},
        "offset": {"location": "data", "offset": -4},
        "negative": {"location": "data", "length": -1},
        "none": {},
    }
    with pytest.raises(InputError, match=r"is no ONNX file that can be read \(.*with the files of its external data"):
        onnx_network(external(folder, **entries.get(case, {"location": case})))


def test_every_file_that_is_cut_or_changed_is_one_line(tmp_path: Path) -> None:
    whole, refused = to_onnx(original(Small), tmp_path / "whole.onnx").read_bytes(), []
    generator = np.random.default_rng(0)
    for number in range(40):
        content = bytearray(whole[: int(generator.integers(len(whole)))] if number % 2 else whole)
        for place in generator.integers(len(content), size=3) if content else ():
            content[place] = generator.integers(256)
        (tmp_path / "spoilt.onnx").write_bytes(content)
        try:
            onnx_network(str(tmp_path / "spoilt.onnx"))(IMAGES)
        except InputError as error:
            refused.append(str(error))
    assert len(refused) >= 20
    assert all(line.startswith("victim.program=") and len(line.splitlines()) == 1 for line in refused)
