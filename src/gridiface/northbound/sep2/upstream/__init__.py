"""The aggregator client of CSIP: connects our fleet to utilities' IEEE 2030.5 servers, one session per server."""
