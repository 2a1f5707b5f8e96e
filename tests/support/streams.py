"""Proxies in front of a publisher, without a network: real streams whose calls keep what they are given to send."""

from collections.abc import Iterable

from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse

from lateen.control_plane.publisher import Publisher
from lateen.xds.ads import Sent, ads_handlers
from lateen.xds.grpc.call import Peer
from lateen.xds.grpc.message import Message
from lateen.xds.grpc.status import Status
from lateen.xds.variant import DELTA


class KeptCall:
    """What a stream needs of its call."""

    def __init__(self) -> None:
        self.peer = Peer("unix", pid=7, uid=1337)
        self.messages: list[bytes] = []
        self.finished = False
        self.unsent = 0

    def send(self, message: Message) -> None:
        self.messages.append(message.body)

    def finish(self, _status: Status = Status.OK, _message: str = "") -> None:
        self.finished = True


class Client:
    """A proxy. Nothing is answered unless the test says so."""

    def __init__(self, publisher: Publisher, name: str, namespace: str = "default", sent: Sent | None = None) -> None:
        self._call = KeptCall()
        self._handler = ads_handlers(publisher, sent=sent)[DELTA.path](self._call)  # type: ignore[arg-type]
        self._node = f"sidecar~198.18.0.9~{name}.{namespace}~{namespace}.svc.cluster.local"
        self._nonces: dict[str, str] = {}
        self.versions: dict[str, str] = {"ISTIO_VERSION": "1.30.0"}

    def ask(self, type_url: str, *names: str) -> None:
        request = DeltaDiscoveryRequest(type_url=type_url, resource_names_subscribe=names)
        request.node.id = self._node
        request.node.metadata.update(self.versions)
        self._handler.received(request.SerializeToString())

    def responses(self) -> list[DeltaDiscoveryResponse]:
        """What came since the last call."""
        found = [DeltaDiscoveryResponse.FromString(message) for message in self._call.messages]
        self._call.messages.clear()
        self._nonces.update({each.type_url: each.nonce for each in found})
        return found

    def accept(self, error: str = "") -> Iterable[DeltaDiscoveryResponse]:
        """Accept everything that has come, or refuse it; returns that."""
        found = self.responses()
        for response in found:
            answer = DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
            if error:
                answer.error_detail.message = error
            self._handler.received(answer.SerializeToString())
        return found

    def leave(self) -> None:
        self._handler.lost()
