"""`python -m lateen.proxy_agent …`: the agent without the command line around it: the quickest start."""

import os
import sys

from lateen.proxy_agent.app import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], os.environ))
