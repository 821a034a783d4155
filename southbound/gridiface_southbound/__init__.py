"""Device drivers, found by entry point; the server never imports this package."""
