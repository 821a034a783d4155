"""Configuration, dispatch, timers and wiring of one running server."""
