"""What is measured of attention: rows, the peers, and the sections of a run made of them."""
