"""What is measured of clustering: rows, peers, checks, and the sections of a run made of them."""
