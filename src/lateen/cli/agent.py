"""`lateen agent …`: the entry point of the proxy's container. Arguments go to the agent as they are."""

import os

from lateen.proxy_agent.app import run


def main(argv: list[str]) -> int:
    """Runs the agent with the arguments after `agent`; its exit code."""
    return run(argv, os.environ)
