"""The control plane's metrics: istiod's names where they mean the same here, and ours under `lateen_`.

What is asked for is looked up when it is; only what cannot be is counted as it happens (`counts`). What has no meaning
here is not there.
"""

import os
import resource
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import lateen
from lateen.common.histogram import Histogram
from lateen.config.kinds.virtual_service import VirtualService
from lateen.control_plane.counts import InjectionCounts
from lateen.control_plane.debug.of_mesh import services, without_endpoints
from lateen.control_plane.debug.sync_status import version_of
from lateen.control_plane.exposition import Family, Kind, Sample, by_label, counter, gauge, histogram, histograms
from lateen.control_plane.publisher import Publisher
from lateen.control_plane.refusals import Refusals
from lateen.inject.admission import Outcome
from lateen.xds.resource import SHORT_NAMES
from lateen.xds.server import GrpcServer

_MOST_REFUSALS: Final = 100
"""Refusals that have a time series of their own; the page syncz has them all."""
_LONGEST_ERROR: Final = 120


def metrics(
    publisher: Publisher, server: GrpcServer, sent: Mapping[str, Histogram], injection: InjectionCounts | None = None
) -> Iterator[Family]:
    """Everything there is; `sent` are the sizes of responses by type URL, `injection` is None without a webhook."""
    yield gauge("pilot_info", "The version that runs.", 1, version=lateen.__version__)
    yield from _of_proxies(publisher, sent)
    yield from _of_configuration(publisher)
    yield from _of_refusals(publisher.refusals)
    yield from _of_answers(publisher)
    yield from _of_connections(server)
    if injection is not None:
        yield from _of_injection(injection)
    yield from _of_this_process()


def _of_proxies(publisher: Publisher, sent: Mapping[str, Histogram]) -> Iterator[Family]:
    versions = Counter(version_of(each) for each in publisher.subscribers())
    yield by_label("pilot_xds", Kind.GAUGE, "Connected proxies, by their version.", "version", versions)
    pushes = {_short(type_url): sum(sizes.counts) for type_url, sizes in sent.items()}
    yield by_label("pilot_xds_pushes", Kind.COUNTER, "Responses sent, by type.", "type", pushes)
    yield histograms("pilot_xds_config_size_bytes", "Sizes of responses, by type.", "type", sent)
    counts = publisher.counts
    told = "Seconds from a change being taken until it was offered to all whom it concerns."
    yield histogram("pilot_xds_push_time", told, counts.push)
    told = "Seconds from a change being taken until a proxy that it concerns has accepted everything."
    yield histogram("pilot_proxy_convergence_time", told, counts.convergence)


def _of_configuration(publisher: Publisher) -> Iterator[Family]:
    mesh, counts = publisher.mesh, publisher.counts
    yield gauge("pilot_services", "Services.", len(services(mesh)))
    yield gauge("pilot_virt_services", "VirtualServices.", len(mesh.values(VirtualService)))
    told = "Clusters of service ports without any endpoint."
    yield gauge("pilot_eds_no_instances", told, len(without_endpoints(mesh)))
    told = "Batches of changes, by what was among them."
    yield by_label("pilot_push_triggers", Kind.COUNTER, told, "type", counts.triggers)
    told = "Changed objects, by what they are about."
    yield by_label("pilot_inbound_updates", Kind.COUNTER, told, "type", counts.updates)
    told = "Problems that kept an object or a file from being used."
    yield counter("pilot_total_rejected_configs", told, counts.rejected)


def _of_refusals(refusals: Refusals) -> Iterator[Family]:
    yield counter("pilot_total_xds_rejects", "Refusals by proxies.", refusals.count)
    by_type: dict[str, list[Sample]] = {}
    for each in refusals.standing()[:_MOST_REFUSALS]:
        error = each.error.partition("\n")[0][:_LONGEST_ERROR]
        by_type.setdefault(_short(each.type_url), []).append(Sample(1, {"node": str(each.proxy), "err": error}))
    for short, samples in sorted(by_type.items()):
        told = f"Proxies that keep what they had of {short.upper()}."
        yield Family(f"pilot_xds_{short}_reject", Kind.GAUGE, told, tuple(samples))


def _of_answers(publisher: Publisher) -> Iterator[Family]:
    mesh = publisher.mesh
    yield counter("lateen_queries_run_total", "Queries that were worked out.", sum(mesh.ran.values()))
    yield gauge("lateen_answers", "Answers of queries that are kept.", sum(map(len, mesh.memo.values())))
    told = "Answers that cannot be worked out because of a bug."
    yield gauge("lateen_answers_failed", told, len(mesh.failures()))
    told = "Seconds that the event loop was late for a timer."
    yield histogram("lateen_event_loop_lag_seconds", told, publisher.counts.lag)


def _of_connections(server: GrpcServer) -> Iterator[Family]:
    yield gauge("lateen_connections", "Open gRPC connections.", server.connections, engine=server.engine)
    told = "Connections that were given up, by reason."
    yield by_label("lateen_connections_dropped_total", Kind.COUNTER, told, "reason", server.dropped)


def _of_injection(counts: InjectionCounts) -> Iterator[Family]:
    yield counter("sidecar_injection_requests_total", "Pods that the webhook was asked about.", counts.requests)
    by_outcome = {Outcome.INJECTED: "success", Outcome.FAILED: "failure", Outcome.SKIPPED: "skip"}
    for outcome, name in by_outcome.items():
        yield counter(f"sidecar_injection_{name}_total", f"Pods that were {outcome}.", counts.outcomes[outcome])
    told = "Seconds from a request's body being there until its answer is."
    yield histogram("sidecar_injection_time_seconds", told, counts.seconds)
    told = "Requests that were turned away because too many were under way."
    yield counter("lateen_injection_overload_total", told, counts.turned_away)


def _of_this_process() -> Iterator[Family]:
    """By the names that every client library of Prometheus has for them."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    yield counter("process_cpu_seconds_total", "CPU time used.", used.ru_utime + used.ru_stime)
    page, pages = os.sysconf("SC_PAGE_SIZE"), Path("/proc/self/statm").read_text().split()
    yield gauge("process_virtual_memory_bytes", "Virtual memory.", int(pages[0]) * page)
    yield gauge("process_resident_memory_bytes", "Resident memory.", int(pages[1]) * page)
    yield gauge("process_open_fds", "Open descriptors.", sum(1 for _ in Path("/proc/self/fd").iterdir()))
    yield gauge("process_max_fds", "Most descriptors.", resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    started_ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    since_boot = started_ticks / os.sysconf("SC_CLK_TCK")
    now = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    yield gauge("process_start_time_seconds", "When it started, in Unix time.", now + since_boot)


def _short(type_url: str) -> str:
    return SHORT_NAMES.get(type_url, "other").lower()
