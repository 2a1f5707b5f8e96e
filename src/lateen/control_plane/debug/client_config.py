"""Pages as the messages that istioctl reads: sync states as Envoy's client status, and dumps in their parts."""

from datetime import datetime
from typing import Any as AnyValue

from envoy.admin.v3.config_dump_pb2 import ConfigDump
from envoy.service.status.v3.csds_pb2 import ERROR, NOT_SENT, STALE, SYNCED, ClientConfig, ConfigStatus
from google.protobuf.any_pb2 import Any
from google.protobuf.json_format import Parse

Json = dict[str, AnyValue]


def client_config(proxy: Json) -> Any:
    """An element of `syncz`: for each type that the proxy asks for, how far it is."""
    config = ClientConfig()
    config.node.id = proxy["proxy"]
    config.node.metadata.update(
        {
            "CLUSTER_ID": proxy.get("cluster_id", ""),
            "NAMESPACE": proxy["proxy"].rpartition(".")[2],
            "ISTIO_VERSION": proxy.get("istio_version", ""),
        }
    )
    for type_url, report in proxy.get("resources", {}).items():
        each = config.generic_xds_configs.add(type_url=type_url, config_status=_status(report))
        if report.get("sentTime"):
            each.last_updated.FromDatetime(datetime.fromisoformat(report["sentTime"]))
        if report.get("lastError"):
            each.error_state.details = report["lastError"]
    packed = Any()
    packed.Pack(config)
    return packed


def _status(report: Json) -> "ConfigStatus.ValueType":
    if not report.get("sent"):
        return NOT_SENT
    return ERROR if report.get("lastError") else SYNCED if report.get("synced") else STALE


def dump_parts(text: str) -> list[Any]:
    """The parts of a configuration dump that is written as JSON."""
    return list(Parse(text, ConfigDump()).configs)
