"""An object by which a test shows whether a file was unpickled."""


class PickledCall:
    """Calls a function with the given arguments when it is unpickled."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[object, ...]:
        return self.call
