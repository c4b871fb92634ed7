"""The network of a bundle's folder with its preprocessing and its inferer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.victims.adapters import import_extra, read_json
from benchmark.victims.monai_bundle import networks
from benchmark.victims.monai_bundle.checkpoints import own_weights
from benchmark.victims.monai_bundle.configuration import BundleConfiguration
from benchmark.victims.monai_bundle.inferer import read_windows
from benchmark.victims.monai_bundle.postprocessing import read_postprocessing
from benchmark.victims.monai_bundle.preprocessing import Preprocessing, read_preprocessing
from benchmark.victims.monai_bundle.sections import Section, read_sections
from benchmark.victims.network_outputs import Choice, ChosenOutput


class BundleNetwork(nn.Module):
    """Images in [0, 1] -> logits, by a bundle's preprocessing and windows.

    Args:
        network: what it calls its network.
        preprocessing: the steps in front.
        windows: keywords of MONAI's sliding_window_inference; None: whole images.
        intensity: the value in a file that is 1 in an image here.
    """

    def __init__(
        self, network: nn.Module, preprocessing: Preprocessing, windows: Mapping[str, Any] | None, intensity: float
    ) -> None:
        super().__init__()
        self.network = ChosenOutput(network, networks.best_output(network))
        self._preprocessing, self._windows = preprocessing, windows
        self._intensity = intensity if preprocessing.levels else 1.0

    def choose_output(self, choice: Choice) -> None:
        """Replace the choice among the network's outputs."""
        self.network.choose_output(choice)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K, H, W) of images (B, C, H, W)."""
        swapped = self._preprocessing.swapped
        inputs = (images.mT if swapped else images) * self._intensity
        sizes = []
        for step in self._preprocessing.steps:
            sizes.append((inputs.shape[2], inputs.shape[3]))
            inputs = step(inputs)
        logits = self._inferred(inputs)
        for step, size in zip(reversed(self._preprocessing.steps), reversed(sizes), strict=True):
            logits = step.undone(logits, size)
        return logits.mT if swapped else logits

    def _inferred(self, inputs: Tensor) -> Tensor:
        if self._windows is None:
            return self.network(inputs)
        slide = import_extra("monai.inferers", "monai").sliding_window_inference
        # It multiplies what it gets in place.
        logits: Tensor = slide(inputs, sw_batch_size=4, predictor=lambda x: self.network(x).clone(), **self._windows)
        return logits


def read_bundle(
    folder: Path, *, channels: int, outputs: int, head: str, intensity: float = 255.0, with_weights: bool = True
) -> tuple[BundleNetwork, Path | None]:
    """The network of a bundle, without its weights, and the file that has these; None: there is no such file.

    Args:
        folder: with configs/inference.json, or .yaml, and models/. Nothing of it is imported or executed.
        channels, outputs, head: of the data and of the victim; the bundle's have to fit.
        intensity: the value in the files of its training that is 1 in an image here.
        with_weights: whether its own weights are looked for.

    Raises:
        InputError: the configuration asks for what cannot be done, or does not fit.
    """
    configuration = BundleConfiguration(folder)
    sections = read_sections(configuration)
    model = _network(configuration, sections.network, channels, outputs)
    _check_metadata(folder, channels, outputs)
    inverse = read_postprocessing(configuration, sections.postprocessing, outputs, head)
    preprocessing = read_preprocessing(configuration, sections.preprocessing, channels, inverse)
    made = BundleNetwork(model, preprocessing, read_windows(configuration, sections.inferer), intensity)
    return made, own_weights(configuration, folder) if with_weights else None


def _network(configuration: BundleConfiguration, section: Section, channels: int, outputs: int) -> nn.Module:
    value, place = networks.definition(configuration, section.value, section.place)
    made = configuration.component(value, place)
    if made is None:
        raise InputError(f"{configuration.file}: {place} is switched off; restore it")
    target, arguments = made
    given = configuration.plain(arguments, place)
    file = str(configuration.file)
    for name, value in networks.sizes(target, channels, outputs).items():
        if given.setdefault(name, value) != value:
            raise InputError(f"{file}: {place}.{name}={given[name]}: the data need {value}; choose other data")
    return networks.build(target, given, f"{file}: {place}._target_", "restore it")


def check_background(folder: Path, background: int | None) -> None:
    """Raise InputError if metadata.json calls another output background than the data do."""
    definition = _first_format(folder, "outputs").get("channel_def")
    named = definition.items() if isinstance(definition, dict) else ()
    found = [str(index) for index, name in named if str(name).lower() == "background"]
    if background is not None and found and str(background) not in found:
        file = folder / "configs" / "metadata.json"
        raise InputError(
            f"{file}: class {found[0]} is background, that of the data is {background}; give them its order"
        )


def _check_metadata(folder: Path, channels: int, outputs: int) -> None:
    for kind, number in (("inputs", channels), ("outputs", outputs)):
        found = _first_format(folder, kind).get("num_channels", number)
        if found != number:
            what = f"{kind} of {found} channels, the data need {number}"
            raise InputError(f"{folder / 'configs' / 'metadata.json'}: {what}; choose other data, or set victim.head")


def _first_format(folder: Path, kind: str) -> dict[str, Any]:
    """What metadata.json says of the first of the "inputs" or "outputs"; empty if it says nothing."""
    file = folder / "configs" / "metadata.json"
    described = read_json(file, "restore it").get("network_data_format") if file.is_file() else None
    parts = described.get(kind) if isinstance(described, dict) else None
    first = next(iter(parts.values()), None) if isinstance(parts, dict) else None
    return first if isinstance(first, dict) else {}
