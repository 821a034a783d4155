"""What the operator's areas ask of engine, portfolios and settlements, kept in the store."""
