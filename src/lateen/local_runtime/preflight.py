"""Can this machine and this user run a local mesh? Asked before anything is started."""


def check() -> None:
    """Raise PreflightError, with every obstacle and what to do about it, or return."""
    raise NotImplementedError
