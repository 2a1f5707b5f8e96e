"""gRPC serving on asyncio, over an HTTP/2 engine that can be exchanged."""
