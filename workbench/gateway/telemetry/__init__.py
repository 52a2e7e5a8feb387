"""What the gateway tells of itself to machines that watch it: Prometheus metrics and OpenTelemetry traces."""
