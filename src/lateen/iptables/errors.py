"""What can go wrong while programming interception, and the exit code each kind has.

InterceptionError
  UsageError            255  the command line cannot be read
  ConfigurationError      1  a value is wrong, or the host lacks what the options ask for
  ApplyError              1  a program refused, or is missing
  NotReadyError         126  the rules are in force but the self-test did not pass
"""


class InterceptionError(Exception):
    """Base of the package's errors; the text is complete and meant for the person who runs the program."""

    exit_code = 1


class UsageError(InterceptionError):
    """The command line cannot be read."""

    exit_code = 255


class ConfigurationError(InterceptionError):
    """A value is wrong, or the host lacks what the options ask for."""


class ApplyError(InterceptionError):
    """A program that changes the network refused, or is missing."""


class NotReadyError(InterceptionError):
    """The self-test did not see its connection arrive."""

    exit_code = 126
