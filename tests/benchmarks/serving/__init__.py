"""What calls cost, and what overload, rollouts, hostile callers and long hours do to the server.

    make bench-serve bench-overload bench-rollout bench-hostile bench-soak

Each module with a `main` is a benchmark. They share `server` (start a server), `kernel` (what the
kernel counts of its processes), `callers` and `report`. SERVER_OPTIONS='--workers 64' gives every
server more options.
"""
