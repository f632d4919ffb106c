"""The workloads of docs/performance.md: ``python -m benchmarks`` prints one JSON line for each, on each server."""
