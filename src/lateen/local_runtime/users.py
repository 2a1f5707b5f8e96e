"""Which users the processes of pods can be, and what follows for pods that ask for others."""

from typing import Final

import msgspec


class Users(msgspec.Struct, frozen=True):
    """Users and groups from 0 up to, but not including, `count`."""

    count: int
    rootless: bool = True
    hint: str = ""
    """How there could be more."""

    @property
    def one(self) -> bool:
        """Every process is the same user, who started the mesh, whatever its pod asks for."""
        return self.count == 1

    @property
    def mode(self) -> str:
        """A name for it."""
        return "root" if not self.rootless else "rootless, one user" if self.one else "rootless"

    def remarks(self) -> list[str]:
        """What whoever starts a mesh should know."""
        if not self.rootless:
            return []
        outside = "pods reach nothing outside of the mesh"
        if not self.one:
            return [f"runs without root, in a user namespace with ids up to {self.count - 1}; {outside}"]
        return [
            f"runs without root and with one user, which all processes of a pod are; {outside}, an application can "
            "signal its proxy, and runAsUser, runAsGroup, fsGroup and interception by uid, gid or owner group have no "
            f"effect. For users as with root: {self.hint}"
        ]


ROOT: Final = Users(2**32 - 1, rootless=False)
