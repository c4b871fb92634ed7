"""A configuration's section as plain Python values."""

from typing import Any, cast

from omegaconf import DictConfig, OmegaConf


def plain(section: DictConfig, *, complete: bool = False) -> dict[str, Any]:
    """The section's keys and values, interpolations resolved.

    Args:
        section: any part of a configuration that has keys.
        complete: refuse values that are missing ("???").

    Raises:
        omegaconf.errors.OmegaConfBaseException: an interpolation leads nowhere, or a value is missing.
    """
    return cast(dict[str, Any], OmegaConf.to_container(section, resolve=True, throw_on_missing=complete))
