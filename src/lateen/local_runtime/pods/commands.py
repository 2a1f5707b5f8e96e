"""Commands that the proxy's container has on its PATH, as Istio's image has them."""

import sys
from pathlib import Path
from typing import Final

_PILOT_AGENT: Final = """\
#!{python} -P
import os
import sys

from lateen.proxy_agent.app import run

sys.exit(run(sys.argv[1:], os.environ))
"""


def write_commands(directory: Path) -> None:
    """Write `pilot-agent`, which is `lateen agent` of this installation, to a directory that pods may see."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)
    program = directory / "pilot-agent"
    program.write_text(_PILOT_AGENT.format(python=sys.executable))
    program.chmod(0o755)
