"""Builds networks of segmentation-models-pytorch (smp) from their hyper-parameters."""

import inspect
from collections.abc import Set
from typing import Any

from torch import nn

from benchmark.errors import InputError, first_line, nearest_of

# The victim sets these itself; with aux_params or activation the network would return something other than logits.
_RESERVED = {"self", "kwargs", "encoder_name", "encoder_weights", "in_channels", "classes", "activation", "aux_params"}
VALID_UNET = "unet_valid"
_PROBE_SECONDS = 5.0
_TIMM = "tu-"  # smp's prefix for encoders of timm


def build_network(
    architecture: str,
    *,
    encoder: str,
    encoder_weights: str | None,
    channels: int,
    outputs: int,
    options: dict[str, Any],
) -> nn.Module:
    """Build a network of smp, or `VALID_UNET`, which smp does not have.

    Args:
        architecture: its name in `smp.create_model`, such as "unet".
        encoder: name of an smp encoder, or "tu-" and the name of a timm model.
        encoder_weights: None for random weights, or the name of pretrained weights, such as "imagenet".
        channels, outputs: channels of the input; logits per pixel.
        options: further keyword arguments of the architecture, such as `decoder_channels`.

    Raises:
        InputError: an unknown name or option, or pretrained weights that cannot be had.
    """
    if architecture == VALID_UNET:
        from benchmark.victims.asma_release.network import ValidUNet

        _check_options(architecture, options, {"widths"})
        return ValidUNet(channels, outputs, **options)
    import segmentation_models_pytorch as smp

    known = smp.MODEL_ARCHITECTURES_MAPPING
    if architecture not in known:
        raise InputError(nearest_of("architecture", architecture, [*known, VALID_UNET], "victim.architecture"))
    _check_encoder(encoder)
    # smp passes other options on to timm, whose checkpoint_path unpickles a file, or ignores them.
    _check_options(architecture, options, inspect.signature(known[architecture].__init__).parameters.keys() - _RESERVED)
    if encoder_weights is not None:
        _fetch_encoder_weights(encoder, encoder_weights)
    try:
        return smp.create_model(
            architecture,
            encoder_name=encoder,
            # The name of a timm model includes its weights; smp takes True for them.
            encoder_weights=True if encoder_weights and encoder.startswith(_TIMM) else encoder_weights,
            in_channels=channels,
            classes=outputs,
            **options,
        )
    except (ValueError, TypeError, KeyError, AssertionError, OSError, RuntimeError) as error:
        raise InputError(
            f"cannot build {architecture} with encoder {encoder}, weights {encoder_weights}, {channels} input channels "
            f"and options {options}: {first_line(error)}; choose another victim.encoder or change victim.options"
        ) from error


def _check_options(architecture: str, options: dict[str, Any], allowed: Set[str]) -> None:
    for name in options:
        if name not in allowed:
            raise InputError(nearest_of(f"option of {architecture}", name, allowed, "victim.options"))


def network_stride(network: nn.Module) -> int:
    """The number of which height and width must be multiples; 1 for a network that declares none."""
    return int(getattr(getattr(network, "encoder", None), "output_stride", 1))


def _check_encoder(encoder: str) -> None:
    import timm
    from segmentation_models_pytorch.encoders import encoders

    # Only names that timm registers: it would load a model from "hf-hub:..." or "local-dir:...".
    if encoder in encoders or (encoder.startswith(_TIMM) and timm.is_model(encoder.removeprefix(_TIMM))):
        return
    names = [_TIMM + name for name in timm.list_models()] if encoder.startswith(_TIMM) else encoders
    raise InputError(nearest_of("encoder", encoder, names, "victim.encoder"))


def _fetch_encoder_weights(encoder: str, weights: str) -> None:
    """Download the weights into the hub's cache. A probe fails within seconds; the hub's client retries much longer."""
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.utils import get_session

    repository, revision, files = _hub_place(encoder, weights)
    cached = [try_to_load_from_cache(repository, name, revision=revision) for name in files]
    missing = [name for name, path in zip(files, cached, strict=True) if not isinstance(path, str)]
    if not missing:
        return
    try:
        get_session().head(constants.ENDPOINT, timeout=_PROBE_SECONDS)
        for name in missing:
            hf_hub_download(repository, name, revision=revision)
    except Exception as error:  # the client's network errors share no base class over its versions
        raise InputError(
            f"victim.encoder_weights={weights}: cannot download {repository} for encoder {encoder} "
            f"({first_line(error)}); use victim.encoder_weights=null, or place {', '.join(missing)} of revision "
            f"{revision} in the hub's cache (HF_HOME)"
        ) from error


def _hub_place(encoder: str, weights: str) -> tuple[str, str, list[str]]:
    """Repository, revision and files of an encoder's pretrained weights."""
    import timm
    from segmentation_models_pytorch.encoders import encoders

    if encoder.startswith(_TIMM):
        config = timm.get_pretrained_cfg(encoder.removeprefix(_TIMM))
        if config is None or not config.hf_hub_id:
            raise InputError(f"timm has no weights for encoder {encoder}; use victim.encoder_weights=null")
        return config.hf_hub_id, "main", ["model.safetensors"]
    known = encoders[encoder]["pretrained_settings"]
    if weights not in known:
        raise InputError(nearest_of(f"weights of {encoder}", weights, known, "victim.encoder_weights"))
    # smp reads the configuration too.
    return known[weights]["repo_id"], known[weights]["revision"], ["config.json", "model.safetensors"]
