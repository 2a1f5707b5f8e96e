"""`lateen iptables`: programs traffic interception; `lateen agent istio-iptables` is the same program."""

import os
from collections.abc import Sequence


def run(argv: Sequence[str]) -> int:
    """Runs it with the arguments after the command's name, in this network namespace; the exit code."""
    from lateen.iptables.__main__ import main

    return main(argv, os.environ)
