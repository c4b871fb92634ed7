"""Under which keys loggers get an attack's numbers."""


def key_of(attack: str, *path: str, prefix: str = "attack") -> str:
    """`<prefix>/<attack>/<path>`.

    A dot in the attack's name, such as that of pgd@0.5, becomes `_`: Weights & Biases takes a dot in a key for a step
    into nested values, and then finds neither the axis of a curve nor the value in a panel.
    """
    return "/".join((prefix, attack.replace(".", "_"), *path))
