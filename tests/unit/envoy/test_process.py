from lateen.envoy.process import LOG_FORMAT, LOG_FORMAT_JSON, EnvoyOptions, arguments


def value_of(flag: str, options: EnvoyOptions) -> str | None:
    argv = arguments(options)
    return argv[argv.index(flag) + 1] if flag in argv else None


def test_the_usual_arguments() -> None:
    assert arguments(EnvoyOptions("/p/envoy-rev.json", 45, 2)) == [
        "-c", "/p/envoy-rev.json", "--disable-hot-restart", "--skip-deprecated-logs",
        "--drain-time-s", "45", "--drain-strategy", "immediate",
        "--local-address-ip-version", "v4", "--file-flush-interval-msec", "500",
        "-l", "warning", "--component-log-level", "misc:error",
        "--log-format", LOG_FORMAT, "--concurrency", "2",
    ]  # fmt: skip


def test_what_was_not_chosen_is_left_to_envoy() -> None:
    options = EnvoyOptions("/c", component_log_level="")
    for flag in ("--concurrency", "--component-log-level", "--config-yaml"):
        assert value_of(flag, options) is None


def test_choices() -> None:
    options = EnvoyOptions("/c", log_as_json=True, ipv6_only=True, override_yaml="{}", file_flush_milliseconds=20)
    assert value_of("--log-format", options) == LOG_FORMAT_JSON
    assert value_of("--local-address-ip-version", options) == "v6"
    assert value_of("--config-yaml", options) == "{}"
    assert value_of("--file-flush-interval-msec", options) == "20"
