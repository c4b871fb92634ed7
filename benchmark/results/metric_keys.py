"""The keys under which an attack is logged."""


def key_of(attack: str, *path: str, prefix: str = "attack") -> str:
    """`<prefix>/<attack>/<path>`.

    A dot in the attack's name, as in pgd@0.5, becomes `_`: Weights & Biases reads a dot in a key as access to a nested
    value, and then finds neither the axis of a curve nor the value of a panel.
    """
    return "/".join((prefix, attack.replace(".", "_"), *path))
