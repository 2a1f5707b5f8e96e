"""What can keep the program from running.

ControlPlaneError
├── InvalidSettings   flags that do not go together
└── CannotStart       an address in use, a certificate or a directory that is missing
"""


class ControlPlaneError(Exception):
    """Its text is one line for whoever started the program."""


class InvalidSettings(ControlPlaneError):
    """What was asked for makes no sense."""


class CannotStart(ControlPlaneError):
    """What was asked for cannot be done here and now."""
