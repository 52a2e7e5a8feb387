-- One small chat, over and over; the figures leave as one line of JSON.
wrk.method = "POST"
wrk.body = '{"model":"chat","messages":[{"role":"system","content":"You are helpful."},{"role":"user","content":"Say hello."}]}'
wrk.headers["content-type"] = "application/json"
wrk.headers["authorization"] = "Bearer " .. (os.getenv("BENCHMARK_KEY") or "none")

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\n{"calls":%d,"seconds":%f,"p50_ms":%f,"p99_ms":%f,"errors":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.status + e.timeout))
end
