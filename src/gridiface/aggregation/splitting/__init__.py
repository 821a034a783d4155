"""A plan split over devices within all limits."""
