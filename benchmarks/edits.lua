-- What wrk asks for: the page, and each service behind it through the API, whose status the page would hide.
-- At the end the figures as one line of JSON; times in microseconds.

local paths = {"/productpage", "/api/v1/products/0", "/api/v1/products/0/reviews", "/api/v1/products/0/ratings"}
local turn = 0

request = function()
  turn = turn % #paths + 1
  return wrk.format("GET", paths[turn])
end

done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "socket_errors": %d, "timeouts": %d, "not_2xx": %d, "p50_us": %d, "p99_us": %d, "max_us": %d}\n',
    summary.requests, errors.connect + errors.read + errors.write, errors.timeout, errors.status,
    latency:percentile(50), latency:percentile(99), latency.max))
end
