"""What is measured of meta-paths and PathSim: rows, peers, and the sections of a run made of them."""
