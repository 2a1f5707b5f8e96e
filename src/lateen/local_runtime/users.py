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
            return [f"runs without root, with users up to {self.count - 1} in pods; {outside}"]
        return [
            f"runs without root, with one user for all processes of a pod; {outside}",
            "with one user, runAsUser, runAsGroup, fsGroup and interception by uid, gid or owner group have no effect, "
            "and an application can signal its proxy",
            f"for users as with root: {self.hint}",
        ]


ROOT: Final = Users(2**32 - 1, rootless=False)
