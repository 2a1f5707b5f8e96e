"""Small meshes for unit tests, written as the YAML that users write."""

from collections.abc import Callable

import pytest
import yaml

from lateen.config.decode import decode
from lateen.config.objects import ConfigObject, ObjectRef
from lateen.incremental.tables import Change
from lateen.model.mesh import Mesh


def objects(text: str) -> list[ConfigObject]:
    """The objects of a YAML text; one that is not valid is an error of the test."""
    found = []
    for document in yaml.safe_load_all(text):
        decoded = decode(document)
        assert isinstance(decoded, ConfigObject), decoded
        found.append(decoded)
    return found


class MeshOfText(Mesh):
    """A mesh that takes YAML."""

    def add(self, text: str) -> None:
        """Apply the objects of a YAML text as one change."""
        self.commit(Change(type(found), found.ref, found) for found in objects(text))

    def remove(self, kind: type[ConfigObject], ref: ObjectRef) -> None:
        self.commit([Change(kind, ref, None)])


@pytest.fixture
def mesh_of() -> Callable[..., MeshOfText]:
    """Makes a mesh of YAML texts."""

    def make(*texts: str) -> MeshOfText:
        mesh = MeshOfText()
        for text in texts:
            mesh.add(text)
        return mesh

    return make
