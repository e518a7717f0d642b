"""What the server is compared with: no server at all, a naive one, and MLServer."""
