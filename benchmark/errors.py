"""The one exception that means "what you gave me cannot be used"."""


class InputError(ValueError):
    """Bad input, said in one line: what was found, where, and what to do about it.

    Commands print the message alone, without a traceback, and exit with status 2.
    """
