"""How a proxy is told apart in a pod whose processes all have one user: by a mark on the packets that it sends.

The proxy's container and the one that programs interception get the variable, and go by users without it.
"""

from typing import Final

VARIABLE: Final = "LATEEN_PROXY_MARK"
MARK: Final = 1339
"""The local mesh's choice: 1337 and 1338 are TPROXY's, which routes by them."""
