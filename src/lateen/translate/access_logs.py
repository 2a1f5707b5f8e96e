"""Access logs of connection managers, TCP proxies and listeners. Source of formats: Istio, default access log."""

from functools import cache

from envoy.config.accesslog.v3.accesslog_pb2 import AccessLog, AccessLogFilter, ResponseFlagFilter
from envoy.config.core.v3.base_pb2 import DataSource
from envoy.config.core.v3.substitution_format_string_pb2 import SubstitutionFormatString
from envoy.extensions.access_loggers.file.v3.file_pb2 import FileAccessLog
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

from lateen.config.kinds.mesh_config import AccessLogEncoding
from lateen.model import mesh_config
from lateen.model.mesh import Mesh
from lateen.translate.messages import packed

DEFAULT_TEXT = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% '
    '%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" '
    '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% '
    "%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"
)

DEFAULT_JSON = {
    "start_time": "%START_TIME%",
    "route_name": "%ROUTE_NAME%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "response_code": "%RESPONSE_CODE%",
    "response_flags": "%RESPONSE_FLAGS%",
    "response_code_details": "%RESPONSE_CODE_DETAILS%",
    "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration": "%DURATION%",
    "upstream_service_time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
    "user_agent": "%REQ(USER-AGENT)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "authority": "%REQ(:AUTHORITY)%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",
    "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%",
    "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "requested_server_name": "%REQUESTED_SERVER_NAME%",
    "upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
}

_NO_ROUTE = "NR"


def request_logs(mesh: Mesh) -> list[AccessLog]:
    """What connection managers and TCP proxies log to."""
    log = mesh_config.access_log(mesh)
    return [_file_log(log)] if log is not None else []


def listener_logs(mesh: Mesh) -> list[AccessLog]:
    """What a listener logs connections to that none of its filter chains takes."""
    logs = []
    for log in request_logs(mesh):
        unmatched = AccessLog()
        unmatched.CopyFrom(log)
        unmatched.filter.CopyFrom(AccessLogFilter(response_flag_filter=ResponseFlagFilter(flags=[_NO_ROUTE])))
        logs.append(unmatched)
    return logs


@cache
def _file_log(log: mesh_config.AccessLog) -> AccessLog:
    return AccessLog(
        name="envoy.access_loggers.file",
        typed_config=packed(FileAccessLog(path=log.path, log_format=_format(log))),
    )


def _format(log: mesh_config.AccessLog) -> SubstitutionFormatString:
    if log.encoding is AccessLogEncoding.JSON:
        fields = json_format.Parse(log.format, Struct()) if log.format else _struct(DEFAULT_JSON)
        return SubstitutionFormatString(json_format=fields)
    text = log.format or DEFAULT_TEXT
    line = text if text.endswith("\n") else text + "\n"
    return SubstitutionFormatString(text_format_source=DataSource(inline_string=line))


def _struct(fields: dict[str, str]) -> Struct:
    result = Struct()
    result.update(fields)
    return result
