from lateen.envoy.admin import StartupState, Updates, active_connections, parse_stats, startup_state


def test_statistics_are_counters_and_gauges() -> None:
    lines = [
        "cluster.a: b.upstream: 3",
        'a.version_text: "x"',
        "x.duration: P0(nan,1) P25(nan,2)",
        "lds.version: 12",
        "",
    ]
    text = "\n".join(lines)
    assert parse_stats(text) == {"cluster.a: b.upstream": 3, "lds.version": 12}


def test_a_start_is_read_from_its_statistics() -> None:
    stats = {
        "cluster_manager.cds.update_success": 2,
        "listener_manager.lds.update_rejected": 1,
        "listener_manager.workers_started": 1,
    }
    assert startup_state(True, stats) == StartupState(True, True, Updates(2, 0), Updates(0, 1))
    assert startup_state(False, {}) == StartupState(False, False, Updates(), Updates())


def test_a_connection_counts_once_and_only_if_it_is_traffic() -> None:
    stats = {
        "listener.0.0.0.0_15006.downstream_cx_active": 3,
        "listener.0.0.0.0_15006.worker_0.downstream_cx_active": 3,
        "listener.0.0.0.0_15006.http.inbound_0.0.0.0_15006;.downstream_cx_active": 2,
        "listener.[__]_15001.downstream_cx_active": 1,
        "listener.0.0.0.0_15021.downstream_cx_active": 5,
        "listener.0.0.0.0_15090.downstream_cx_active": 6,
        "listener.admin.downstream_cx_active": 7,
        "http.admin.downstream_cx_active": 8,
    }
    assert active_connections(stats, frozenset({15021, 15090})) == 4
