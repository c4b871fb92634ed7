"""What `${...}` in the configuration can compute."""

import secrets


def register_resolvers() -> None:
    """`${of255:8}` is 8/255, a budget in steps of an 8-bit image; `${nonce:}` is a token that is the run's own."""
    from omegaconf import OmegaConf

    OmegaConf.register_new_resolver("of255", lambda value: float(value) / 255, replace=True)
    OmegaConf.register_new_resolver("nonce", lambda: secrets.token_hex(2), use_cache=True, replace=True)
