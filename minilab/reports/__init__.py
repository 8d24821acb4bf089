"""Reports: pure functions from query results to one HTML file that opens offline."""
