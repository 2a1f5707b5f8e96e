"""The words of `pods/NAME/exec` that both ends share: sub-protocols and channel numbers.

Every binary message starts with the number of its channel. Source: Kubernetes, `v4.channel.k8s.io` and
`v5.channel.k8s.io` (which adds the end of input).
"""

from typing import Final

PROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")
"""Those spoken here, the better first."""

STDIN: Final = 0
STDOUT: Final = 1
STDERR: Final = 2
ERROR: Final = 3
"""Last of all: a Status that says how the command ended."""

RESIZE: Final = 4
"""`{"Width": columns, "Height": rows}` of the client's terminal."""

CLOSE: Final = 255
"""One more byte names the channel that ends; only standard input does before the command."""
